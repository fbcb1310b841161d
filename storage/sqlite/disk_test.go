package sqlite

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/storage"
)

// troubled opens an engine whose writer meets a trouble of the disk, by other parameters of its connections, while the switch
// is on.
func troubled(t *testing.T, trouble func(path string) string) (*Engine, func(on bool)) {
	t.Helper()
	var on atomic.Bool
	var f failing
	path := openTest(t, Options{}).path
	e, err := open(t.Context(), Options{Path: path, Serve: true}, func(ctx context.Context, path string) (*connection, error) {
		if on.Load() {
			return connect(ctx, path, trouble(path))
		}
		return hook(f.hook).dial(ctx, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e, func(value bool) {
		on.Store(value)
		f.set("BEGIN", false) // ends the connection that the writer has
		_, _ = e.Insert(t.Context(), testDocument("ends the connection"))
		f.set("", false)
	}
}

func largeDocument(id string) storage.Document {
	doc := testDocument(id)
	text := make([]byte, storage.MaxBody/2-20)
	_, _ = rand.Read(text) // It never fails. Random text is not compressed.
	doc.Body = []byte(`{"text":"` + hex.EncodeToString(text) + `"}`)
	return doc
}

func TestDisk_FaultIsUnavailableWithARemedy(t *testing.T) {
	table := []struct {
		name, remedy string
		trouble      func(path string) string
	}{
		{"a full disk", "disk is full", func(path string) string { return dsn(path, "max_page_count(1)") }},
		{"a read-only file", "read-only", func(path string) string { return dsn(path) + "&mode=ro" }},
		{"a missing folder", "cannot be opened", func(string) string { return dsn("/nowhere/minifed.db") }},
	}
	for _, row := range table {
		t.Run(row.name, func(t *testing.T) {
			e, trouble := troubled(t, row.trouble)
			kept := mustInsert(t, e, testDocument("kept"))
			trouble(true)
			for i := range 3 {
				_, err := e.Insert(t.Context(), largeDocument(fmt.Sprint(i)))
				if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), row.remedy) || !strings.Contains(err.Error(), e.path) {
					t.Errorf("Insert: %v", err)
				}
			}
			if got, err := e.Get(t.Context(), kept.Kind, kept.ID); err != nil || got.Rev != kept.Rev {
				t.Errorf("Get meanwhile: %v, %v", got, err)
			}
			trouble(false)
			for i := range 3 {
				mustInsert(t, e, largeDocument(fmt.Sprint(i)))
			}
			if _, err := e.Replace(t.Context(), kept); err != nil {
				t.Errorf("Replace afterwards: %v", err)
			}
		})
	}
}

func TestOpen_RejectsReadOnlyFileForServer(t *testing.T) {
	path := openTest(t, Options{}).path
	readOnly := func(ctx context.Context, path string) (*connection, error) {
		return connect(ctx, path, dsn(path)+"&mode=ro")
	}
	_, err := open(t.Context(), Options{Path: path, Serve: true}, readOnly)
	if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), path) {
		t.Errorf("a server: %v", err)
	}
	tool, err := open(t.Context(), Options{Path: path}, readOnly)
	if err != nil {
		t.Fatalf("a command: %v", err)
	}
	if err := tool.Close(); err != nil {
		t.Error(err)
	}
}
