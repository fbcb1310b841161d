package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	driversqlite "modernc.org/sqlite"
)

// Backup writes the database as it is at one moment to a new file with mode 0600, while reads and writes continue. A file that
// exists is not overwritten, and one that Backup could not finish does not stay. The copy is a database like the original:
// put it in the place of a lost one to restore.
func (e *Engine) Backup(ctx context.Context, file string) (err error) {
	if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("storage/sqlite: backup: %s: %w", file, errors.Join(err, os.ErrExist))
	}
	unfinished, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("storage/sqlite: backup: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(unfinished.Name())
		}
	}()
	defer func() { _ = unfinished.Close() }()
	if err := e.copyInto(ctx, unfinished.Name()); err != nil {
		return err
	}
	// Windows does not rename a file that is open.
	if err = errors.Join(unfinished.Sync(), unfinished.Close()); err == nil {
		err = os.Rename(unfinished.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("storage/sqlite: backup: %w", err)
	}
	SyncFolder(filepath.Dir(file))
	return nil
}

// copyInto fills an empty file from one read transaction, which neither waits for writes nor holds them up.
func (e *Engine) copyInto(ctx context.Context, file string) error {
	connector, err := driversqlite.NewConnector(dsn(e.path, "wal_autocheckpoint(0)"))
	if err != nil {
		return unavailable(e.path, "backup", err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return unavailable(e.path, "backup", err)
	}
	return nil
}

// SyncFolder syncs the names in a folder to disk, where the platform supports that.
func SyncFolder(path string) {
	folder, err := os.Open(path)
	if err != nil {
		return
	}
	defer func() { _ = folder.Close() }()
	_ = folder.Sync()
}
