package main

import (
	"context"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// miniPrograms are the clients of an export, by directory and AppID.
type miniPrograms map[string]storage.Client

// add records a client of the file, and rejects a second one with the same AppID in its directory.
func (m miniPrograms) add(doc storage.Document) error {
	if doc.Kind != storage.KindClient {
		return nil
	}
	var client storage.Client
	if err := storage.Decode(doc.Body, &client); err != nil {
		return err
	}
	app := appIDOf(client)
	if app == "" {
		return nil
	}
	key := storage.Key(client.Directory, app)
	if other, taken := m[key]; taken && other.ID != client.ID {
		return fmt.Errorf("clients %s and %s of directory %s have the same AppID %s: delete one of them in the exported store, and export it again",
			other.ID, client.ID, client.Directory, app)
	}
	m[key] = client
	return nil
}

// check rejects an import into a store where another client has an AppID of the file. Clients of the store that the file replaces are
// ignored.
func (m miniPrograms) check(ctx context.Context, engine storage.Engine) error {
	replaced := map[string]bool{}
	for _, client := range m {
		replaced[client.Document().ID] = true
	}
	query := storage.Query{Order: storage.ByID, Limit: storage.MaxPage}
	for {
		clients, next, err := storage.List[storage.Client](ctx, engine, query)
		if err != nil {
			return err
		}
		for _, entry := range clients {
			there := entry.Record
			ours, known := m[storage.Key(there.Directory, appIDOf(there))]
			if known && ours.ID != there.ID && !replaced[there.Document().ID] {
				return fmt.Errorf("client %s of directory %s in this store has the AppID %s of client %s in the file: delete one of them", there.ID, there.Directory, appIDOf(there), ours.ID)
			}
		}
		if next == "" {
			return nil
		}
		query.After = next
	}
}
