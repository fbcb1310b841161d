package sqlite

import (
	"context"
	"errors"
	"fmt"

	driversqlite "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/minifed/minifed/storage"
)

// FileReason is the reason why the database file cannot be used. Callers may switch on it; its text may change.
type FileReason int

const (
	// FileFailed is an error of the driver that no other reason covers.
	FileFailed FileReason = iota
	// FileFull is a full disk.
	FileFull
	// FileReadOnly is a file that may not be written.
	FileReadOnly
	// FileUnopened is a file that cannot be opened.
	FileUnopened
	// FileLocked is a file that another process has locked.
	FileLocked
	// FileUnreadable is an error of the disk.
	FileUnreadable
	// FileDamaged is a file that is damaged, or no database.
	FileDamaged
	// FileUnshared is a file on a file system without shared memory.
	FileUnshared
	// FileForeign is the database of another program.
	FileForeign
)

// FileError reports that the database file cannot be used. It wraps storage.ErrUnavailable, except FileUnshared and FileForeign, which
// do not go away.
type FileError struct {
	Reason FileReason
	// Doing is what failed, and Path is the file.
	Doing, Path string
	// Err is the driver's error; nil for FileUnshared and FileForeign. Its text names tables, columns and files, never values.
	Err error
}

// Error implements error.
func (e *FileError) Error() string {
	switch e.Reason {
	case FileUnshared:
		return fmt.Sprintf("storage/sqlite: %s is on a file system without shared memory: put it on a local disk", e.Path)
	case FileForeign:
		return fmt.Sprintf("storage/sqlite: %s is a SQLite database of another program", e.Path)
	case FileFailed:
		return fmt.Sprintf("%v: storage/sqlite: %s %s: %v", storage.ErrUnavailable, e.Doing, e.Path, e.Err)
	default:
		return fmt.Sprintf("%v: storage/sqlite: %s %s: %s (%v)", storage.ErrUnavailable, e.Doing, e.Path, e.Reason.remedy(), e.Err)
	}
}

// Unwrap returns storage.ErrUnavailable and the driver's error.
func (e *FileError) Unwrap() []error {
	if e.Err == nil {
		return nil
	}
	return []error{storage.ErrUnavailable, e.Err}
}

// remedy returns what an operator should check.
func (r FileReason) remedy() string {
	switch r {
	case FileFull:
		return "the disk is full: free some space, minifed goes on by itself"
	case FileReadOnly:
		return "the file is read-only: check the owner and mode of it and of its folder, and that the file system is mounted for writing"
	case FileUnopened:
		return "the file cannot be opened: check that the folder exists and that minifed's user may write to it"
	case FileLocked:
		return "another process has locked the file: look for a long import, backup tool or database shell"
	case FileUnreadable:
		return "the disk reports an error: check the system log, free space, quotas and the mount"
	case FileDamaged:
		return "the file is damaged or not a database: stop minifed and restore the last backup"
	default:
		return ""
	}
}

// unavailable converts a driver's error to a *FileError that wraps storage.ErrUnavailable.
func unavailable(path, doing string, err error) error {
	if errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	return &FileError{reasonOf(err), doing, path, err}
}

func reasonOf(err error) FileReason {
	switch resultCode(err) & 0xff {
	case codes.SQLITE_FULL:
		return FileFull
	case codes.SQLITE_READONLY:
		return FileReadOnly
	case codes.SQLITE_CANTOPEN, codes.SQLITE_PERM, codes.SQLITE_AUTH:
		return FileUnopened
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return FileLocked
	case codes.SQLITE_IOERR:
		return FileUnreadable
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return FileDamaged
	default:
		return FileFailed
	}
}

func resultCode(err error) int {
	var typed *driversqlite.Error
	if errors.As(err, &typed) {
		return typed.Code()
	}
	return 0
}

// ended returns the error for a caller whose context ended.
func ended(ctx context.Context) error {
	return fmt.Errorf("%w: %w", storage.ErrUnavailable, context.Cause(ctx))
}

func errClosed() error {
	return fmt.Errorf("%w: storage/sqlite: the engine is closed", storage.ErrUnavailable)
}
