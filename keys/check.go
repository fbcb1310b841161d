package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

const checkText = "minifed master key check"

func checkBinding() Binding { return Binding{Purpose: "master_check"} }

// CheckMaster checks at the start that this process has the master key that sealed the store. A *MissingKeyError names the
// required key. In a new store it writes the record for later checks.
func CheckMaster(ctx context.Context, engine storage.Engine, master *Master) error {
	entry, err := storage.Get[storage.MasterCheck](ctx, engine, storage.MasterCheckID)
	if errors.Is(err, storage.ErrNotFound) {
		entry, err = insertCheck(ctx, engine, master)
	}
	if err != nil {
		return fmt.Errorf("keys: check master key: %w", err)
	}
	return opens(master, entry.Record)
}

// CheckMasterOf is CheckMaster for the copy of a store, to which nothing is written. It returns ErrNotFound, wrapped, for a copy
// without the record.
func CheckMasterOf(ctx context.Context, stored storage.Reader, master *Master) error {
	entry, err := storage.Get[storage.MasterCheck](ctx, stored, storage.MasterCheckID)
	if err != nil {
		return fmt.Errorf("keys: check master key: %w", err)
	}
	return opens(master, entry.Record)
}

// opens checks that a master key opens what it sealed.
func opens(master *Master, check storage.MasterCheck) error {
	text, err := master.Open(check.Sealed, checkBinding())
	if err != nil {
		return err
	}
	if string(text) != checkText {
		return ErrSealed
	}
	return nil
}

// insertCheck inserts the record, or returns the one that another instance has inserted.
func insertCheck(ctx context.Context, engine storage.Engine, master *Master) (*storage.Entry[storage.MasterCheck], error) {
	sealed, err := master.Seal([]byte(checkText), checkBinding())
	if err != nil {
		return nil, err
	}
	entry, err := storage.Insert(ctx, engine, storage.MasterCheck{Sealed: sealed})
	if errors.Is(err, storage.ErrExists) {
		return storage.Get[storage.MasterCheck](ctx, engine, storage.MasterCheckID)
	}
	return entry, err
}
