package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// A client and its directory are two records, so a client can be inserted while its directory is deleted. After an insert the
// directory is read again, and after a deletion the clients are listed again. One of the two finds the orphan.

// checkStillThere deletes a client that was just created if its directory was deleted since it was read, and returns ErrNotFound.
func (s *Service) checkStillThere(ctx context.Context, client storage.Client) error {
	directory, err := s.Directory(ctx, client.Directory)
	if err == nil && directory.Record.Incarnation == client.DirectoryIncarnation {
		return nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return errors.Join(fmt.Errorf("%s %w", directoryName(client.Directory), ErrNotFound), s.deleteOrphan(ctx, client))
}

// deleteOrphans deletes the clients that were created in a directory while it was deleted. It leaves the clients of a later
// directory with the same ID.
func (s *Service) deleteOrphans(ctx context.Context, deleted storage.Directory) error {
	for page := (Page{Limit: storage.MaxPage}); ; {
		clients, next, err := list[storage.Client](ctx, s, page.query(deleted.ID, storage.ByCreated))
		if err != nil {
			return err
		}
		for _, client := range clients {
			if client.DirectoryIncarnation != deleted.Incarnation {
				continue
			}
			if err := s.deleteOrphan(ctx, client); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}

// deleteOrphan deletes a client unless another one has its ID by now.
func (s *Service) deleteOrphan(ctx context.Context, client storage.Client) error {
	key := client.Document().ID
	current, err := storage.Get[storage.Client](ctx, s.config.Engine, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil || current.Record.Incarnation != client.Incarnation {
		return err
	}
	if err := s.config.Engine.Delete(ctx, storage.KindClient, key); err != nil {
		return err
	}
	return s.releaseAppID(ctx, client.Directory, client.ID, client.Federation)
}
