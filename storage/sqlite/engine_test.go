package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func openTest(t *testing.T, options Options) *Engine {
	t.Helper()
	if options.Path == "" {
		options.Path = filepath.Join(t.TempDir(), "data", "minifed.db")
	}
	e, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

func TestContract(t *testing.T) {
	storagetest.Run(t, storagetest.Subject{
		Open: func(t *testing.T, now func() time.Time) storage.Engine {
			return openTest(t, Options{Serve: true, Now: now})
		},
		Reopen: func(t *testing.T, engine storage.Engine, now func() time.Time) storage.Engine {
			old := engine.(*Engine)
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			return openTest(t, Options{Path: old.path, Serve: true, Now: now})
		},
	})
}
