package backup

import (
	"context"
	"errors"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// ErrNoStore means that a file has the tables of a store and was never used by a server.
var ErrNoStore = errors.New("backup: the file contains no store of a server")

// CheckFile checks a backup: a database of minifed whose pages and indexes are whole, and which this process's master key opens.
func CheckFile(ctx context.Context, file string, master *keys.Master) (err error) {
	opened, err := sqlite.OpenBackup(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return Check(ctx, opened, master)
}

// Check is CheckFile for an open file.
func Check(ctx context.Context, opened *sqlite.BackupFile, master *keys.Master) error {
	err := keys.CheckMasterOf(ctx, opened, master) // first, because it is quick
	if errors.Is(err, storage.ErrNotFound) {
		return ErrNoStore
	}
	if err != nil {
		return err
	}
	return opened.CheckIntegrity(ctx)
}
