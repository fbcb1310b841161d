package sqlite

import (
	"context"
	"errors"
	"fmt"

	driversqlite "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/minifed/minifed/storage"
)

// unavailable converts a driver's error to storage.ErrUnavailable, with a remedy for the operator. The driver's texts name
// tables, columns and files, never values.
func unavailable(path, doing string, err error) error {
	if errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	if remedy := remedy(err); remedy != "" {
		return fmt.Errorf("%w: storage/sqlite: %s %s: %s (%w)", storage.ErrUnavailable, doing, path, remedy, err)
	}
	return fmt.Errorf("%w: storage/sqlite: %s %s: %w", storage.ErrUnavailable, doing, path, err)
}

// remedy says what an operator should look at; "" when the driver's text has to do.
func remedy(err error) string {
	code := resultCode(err)
	switch code & 0xff {
	case codes.SQLITE_FULL:
		return "the disk is full: free some space, minifed goes on by itself"
	case codes.SQLITE_READONLY:
		return "the file is read-only: check the owner and mode of it and of its folder, and that the file system is mounted for writing"
	case codes.SQLITE_CANTOPEN, codes.SQLITE_PERM, codes.SQLITE_AUTH:
		return "the file cannot be opened: check that the folder exists and that minifed's user may write to it"
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return "another process has locked the file: look for a long import, backup tool or database shell"
	case codes.SQLITE_IOERR:
		return "the disk reports an error: check the system log, free space, quotas and the mount"
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return "the file is damaged or not a database: stop minifed and restore the last backup"
	default:
		return ""
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
