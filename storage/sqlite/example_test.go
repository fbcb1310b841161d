package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// An engine stores documents in one file. A second server on the file is rejected, and a backup is a file of its own.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "sqlite")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	options := sqlite.Options{Path: filepath.Join(folder, "minifed.db"), Serve: true}

	var engine *sqlite.Engine
	if engine, err = sqlite.Open(ctx, options); err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	rev, err := engine.Insert(ctx, storage.Document{Kind: storage.KindMeta, ID: "greeting", Body: []byte(`{"text":"hello"}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Replace is a compare-and-set: only the writer who knows the revision succeeds.
	_, err = engine.Replace(ctx, storage.Document{Kind: storage.KindMeta, ID: "greeting", Rev: rev, Body: []byte(`{"text":"good evening"}`)})
	fmt.Println("replaced:", err)
	_, err = engine.Replace(ctx, storage.Document{Kind: storage.KindMeta, ID: "greeting", Rev: rev, Body: []byte(`{}`)})
	fmt.Println("replaced again:", errors.Is(err, storage.ErrConflict))

	_, err = sqlite.Open(ctx, options)
	fmt.Println("second server:", errors.Is(err, sqlite.ErrServed))
	fmt.Println("backup:", engine.Backup(ctx, filepath.Join(folder, "backup.db")))
	// Output:
	// replaced: <nil>
	// replaced again: true
	// second server: true
	// backup: <nil>
}

// A FileError carries the reason why a file cannot be used, so that a program can describe it in its own words.
func ExampleFileError() {
	var failure *sqlite.FileError
	if _, err := sqlite.Open(context.Background(), sqlite.Options{Path: os.TempDir()}); errors.As(err, &failure) {
		advice := map[sqlite.FileReason]string{sqlite.FileUnopened: "check the path and its mode"}
		fmt.Println(advice[failure.Reason])
	}
	// Output: check the path and its mode
}

// A backup is opened, checked and put in the place of the store while no server uses it.
func ExampleRestore() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "sqlite")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	store, file := filepath.Join(folder, "minifed.db"), filepath.Join(folder, "backup.db")
	engine, err := sqlite.Open(ctx, sqlite.Options{Path: store, Serve: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("backup:", engine.Backup(ctx, file))
	fmt.Println("stop:", engine.Close())

	replaced, err := sqlite.Restore(ctx, store, file, func(backup *sqlite.BackupFile) error { return backup.CheckIntegrity(ctx) })
	fmt.Println("restore:", err, filepath.Base(replaced))
	// Output:
	// backup: <nil>
	// stop: <nil>
	// restore: <nil> minifed.db.before-restore
}

// A backup is read without a change of its folder.
func ExampleOpenBackup() {
	_, err := sqlite.OpenBackup(context.Background(), os.DevNull)
	var failure *sqlite.FileError
	fmt.Println(errors.As(err, &failure))
	// Output: true
}

// A file that is created or renamed survives a loss of power only after its folder is synced, too.
func ExampleSyncFolder() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	fmt.Println(os.WriteFile(filepath.Join(folder, "minifed.db"), nil, 0o600))
	sqlite.SyncFolder(folder)
	// Output: <nil>
}
