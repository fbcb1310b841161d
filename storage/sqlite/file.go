package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	codes "modernc.org/sqlite/lib"
)

// createFile makes the database file with mode 0600 and its folder with mode 0700 if they are missing. SQLite gives the files
// beside it the same mode. A file that exists is not opened: closing it would drop the locks that SQLite holds on it.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("storage/sqlite: make the data folder: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("storage/sqlite: make the data file: %w", err)
	}
	return file.Close()
}

// claim takes the file for one server: an exclusive transaction on an empty database beside it, which SQLite's own locks give
// to one process at a time on every platform and which dies with the process.
func claim(ctx context.Context, path string) (io.Closer, error) {
	side := path + "-serve"
	if err := createFile(side); err != nil {
		return nil, err
	}
	c, err := connectClaim(ctx, side)
	if err != nil {
		return nil, err
	}
	if _, err := c.exec("BEGIN EXCLUSIVE"); err != nil {
		_ = c.Close()
		if resultCode(err)&0xff == codes.SQLITE_BUSY {
			return nil, fmt.Errorf("%w: %s: stop it first, or give this one another file", ErrServed, path)
		}
		return nil, unavailable(side, "lock", err)
	}
	return c, nil
}
