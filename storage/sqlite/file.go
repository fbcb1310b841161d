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

// locate returns the absolute path of the database file without symbolic links, so that two names of a file are one claim. It
// creates a missing file with mode 0600 and a missing folder with mode 0700; SQLite creates its other files with the same mode.
// It does not open an existing file: closing it would release the locks that SQLite holds on it.
func locate(path string) (string, error) {
	path, err := absolute(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("storage/sqlite: make the data folder: %w", err)
	}
	if err := create(path); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("storage/sqlite: make the data file: %w", err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("storage/sqlite: %w", err)
	}
	return path, nil
}

func absolute(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("storage/sqlite: %w", err)
	}
	return path, nil
}

// create creates an empty file for its owner only, or returns os.ErrExist.
func create(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// claimSuffix is that of the database by which a server claims the file.
const claimSuffix = "-serve"

// claim reserves the file for one server. It opens an exclusive transaction on an empty database next to it. SQLite's locks
// allow that to one process at a time on every platform, and it ends with the process.
func claim(ctx context.Context, path string) (io.Closer, error) {
	side := path + claimSuffix
	if err := create(side); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("storage/sqlite: make the lock file: %w", err)
	}
	c, err := dialClaim(ctx, side)
	if err != nil {
		return nil, err
	}
	if _, err = c.exec("BEGIN EXCLUSIVE"); err == nil {
		return c, nil
	}
	if resultCode(err)&0xff == codes.SQLITE_BUSY {
		err = fmt.Errorf("%w: %s: stop it first, or give this one another file", ErrServed, path)
	} else {
		err = unavailable(side, "lock", err)
	}
	return nil, errors.Join(err, c.Close())
}
