package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestBackup_IsConsistentDuringWrites(t *testing.T) {
	e := openTest(t, Options{Serve: true})
	for i := range 500 {
		mustInsert(t, e, testDocument(fmt.Sprintf("before %d", i)))
	}
	ctx, stop := context.WithCancel(t.Context())
	started, written := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if _, err := e.Insert(t.Context(), testDocument(fmt.Sprintf("during %06d", n))); err != nil {
				t.Error(err)
			}
			if n == 0 {
				close(started)
			}
		}
		written <- n
	}()
	<-started
	file := filepath.Join(t.TempDir(), "backup.db")
	err := e.Backup(t.Context(), file)
	stop()
	if n := <-written; err != nil || n == 0 {
		t.Fatalf("Backup: %v; %d writes meanwhile", err, n)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	copied := openTest(t, Options{Path: file, Serve: true})
	for i := range 500 {
		if _, err := copied.Get(t.Context(), storage.KindGrant, fmt.Sprintf("before %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	// What came meanwhile is there up to a moment, and nothing after it.
	during := int(rows(t, file, storage.KindGrant)) - 500
	for i := range during + 5 {
		_, err := copied.Get(t.Context(), storage.KindGrant, fmt.Sprintf("during %06d", i))
		if (err == nil) != (i < during) {
			t.Errorf("write %d of %d: %v", i, during, err)
		}
	}
	mustInsert(t, copied, testDocument("new"))
}

func TestBackup_NeverOverwrites(t *testing.T) {
	e := openTest(t, Options{})
	folder := t.TempDir()
	file := filepath.Join(folder, "backup.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Backup(ctx, file); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("cancelled: %v", err)
	}
	if err := e.Backup(t.Context(), filepath.Join(folder, "missing", "backup.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into a missing folder: %v", err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.Backup(t.Context(), file); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if got, _ := os.ReadFile(file); string(got) != "mine" {
		t.Error("the file was changed")
	}
}
