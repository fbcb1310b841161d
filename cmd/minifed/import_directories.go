package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// importedDirectories are the directories of an export, by ID.
type importedDirectories map[string]storage.Directory

// add records a directory of the file.
func (d importedDirectories) add(doc storage.Document) error {
	if doc.Kind != storage.KindDirectory {
		return nil
	}
	var directory storage.Directory
	if err := storage.Decode(doc.Body, &directory); err != nil {
		return err
	}
	d[directory.ID] = directory
	return nil
}

// check rejects an import that would replace a directory by another one with the same ID, if it has users. Users belong to one
// incarnation of their directory, so they could not sign in afterwards.
func (d importedDirectories) check(ctx context.Context, engine storage.Engine) error {
	for id, imported := range d {
		entry, err := storage.Get[storage.Directory](ctx, engine, id)
		if errors.Is(err, storage.ErrNotFound) || err == nil && entry.Record.Incarnation == imported.Incarnation {
			continue
		}
		if err != nil {
			return err
		}
		if err := checkReplaced(ctx, engine, entry.Record, imported); err != nil {
			return err
		}
	}
	return nil
}

// checkReplaced returns an error if a directory has a user who does not belong to the one that replaces it.
func checkReplaced(ctx context.Context, engine storage.Engine, directory, by storage.Directory) error {
	for query := (storage.Query{Order: storage.ByCreated, Owner: directory.ID, Limit: storage.MaxPage}); ; {
		users, next, err := storage.List[storage.User](ctx, engine, query)
		if err != nil {
			return err
		}
		for _, user := range users {
			if user.Record.Status != storage.UserDeleted && user.Record.BelongsTo(directory) && !user.Record.BelongsTo(by) {
				return fmt.Errorf("directory %s of this store is not that of the file, and has users, who could not sign in after the import: import into a new store, or delete these users (`minifed user list --directory %s`)", directory.ID, directory.ID)
			}
		}
		if next == "" {
			return nil
		}
		query.After = next
	}
}
