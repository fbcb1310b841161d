package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	// restoreSuffix is that of the copy of a backup until it takes its place.
	restoreSuffix = "-restore"
	// replacedSuffix is that of the database that a restore replaced.
	replacedSuffix = ".before-restore"
)

// Restore puts a copy of a backup in the place of the database at path. The database that was there stays under the name that is
// returned, with its log; it is empty if there was none. check gets the copy before it takes its place.
//
// Restore returns ErrServed while a server uses the database. Until the last step the database stays as it was, so that an interrupted restore is
// simply repeated.
func Restore(ctx context.Context, path, backup string, check func(*BackupFile) error) (replaced string, err error) {
	if path, err = locate(path); err != nil {
		return "", err
	}
	server, err := claim(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	unfinished := path + restoreSuffix
	err = copyFile(ctx, backup, unfinished)
	if err == nil { // The folder belongs to the user of the server.
		err = giveTo(filepath.Dir(path), unfinished, path+claimSuffix)
	}
	if err != nil {
		return "", errors.Join(err, removeAll(unfinished))
	}
	if err := checkCopy(ctx, unfinished, check); err != nil {
		return "", errors.Join(err, removeAll(unfinished))
	}
	if replaced, err = replaceBy(ctx, path, unfinished); err != nil {
		return "", errors.Join(err, removeAll(unfinished))
	}
	return replaced, nil
}

// copyFile copies a file to a new one with mode 0600, and syncs it to the disk. What an interrupted copy left is removed first.
func copyFile(ctx context.Context, from, to string) error {
	if err := removeAll(to); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("storage/sqlite: restore: %w", err)
	}
	defer func() { _ = source.Close() }() // It was only read.
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("storage/sqlite: restore: %w", err)
	}
	_, err = io.Copy(target, interruptible{ctx, source})
	if err = errors.Join(err, target.Sync(), target.Close()); err != nil {
		return fmt.Errorf("storage/sqlite: restore: %w", err)
	}
	return nil
}

// interruptible is a reader that ends with a context.
type interruptible struct {
	context context.Context
	from    io.Reader
}

// Read implements io.Reader.
func (r interruptible) Read(p []byte) (int, error) {
	if err := r.context.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

func checkCopy(ctx context.Context, file string, check func(*BackupFile) error) (err error) {
	opened, err := OpenBackup(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return check(opened)
}

// replaceBy puts the file next in the place of the database at path, which no other process may have open.
//
// A log belongs to the database with its name. So the old log is copied into the old database, or moved away with it if that is not
// possible, before the new database takes the name.
func replaceBy(ctx context.Context, path, next string) (replaced string, err error) {
	if size(path) == 0 && size(path+"-wal") == 0 { // There was no database.
		return "", errors.Join(removeAll(path), rename(next, path))
	}
	old, err := dialExclusive(ctx, path)
	switch {
	case err == nil && runtime.GOOS == "windows": // It does not rename over a file that is open.
		if err := old.Close(); err != nil {
			return "", err
		}
	case err == nil:
		// The lock ends after the rename. Another process that waits for it cannot write then: SQLite notices that the file was moved.
		defer func() { err = errors.Join(err, old.Close()) }()
	case !damaged(err):
		return "", err
	}
	if replaced, err = linkAside(path, replacedSuffix); err != nil {
		return "", fmt.Errorf("storage/sqlite: restore: %w", err)
	}
	if err := moveLog(path, replaced); err != nil {
		return "", err
	}
	return replaced, rename(next, path)
}

// size returns the size of a file; 0 if there is none. A young database may be empty, with all content in its log.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// damaged reports whether a database could not be opened because of its content.
func damaged(err error) bool {
	file, ok := errors.AsType[*FileError](err)
	return ok && (file.Reason == FileDamaged || file.Reason == FileForeign)
}

// moveLog moves the log of a damaged database to its new name. A healthy one has none any more.
func moveLog(from, to string) error {
	err := os.Rename(from+"-wal", to+"-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("storage/sqlite: restore: %w", err)
	}
	if err := os.Remove(from + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("storage/sqlite: restore: %w", err)
	}
	return nil
}

// rename gives a file another name, and syncs that to the disk.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("storage/sqlite: restore: %w", err)
	}
	SyncFolder(filepath.Dir(to))
	return nil
}
