package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// A client or user and its directory are two records, so a client or user can be inserted while its directory is deleted. After an
// insert by an operator the directory is read again, and after a deletion the records are listed again. One of the two finds the
// orphan. A user who signs in at that moment can remain after both, or a user after a crash. No directory with the same ID has it:
// see storage.User.BelongsTo.

// checkStillThere deletes a client that was just created if its directory was deleted since it was read, and returns ErrNotFound.
func (s *Service) checkStillThere(ctx context.Context, client storage.Client) error {
	directory, err := s.directory(ctx, client.Directory)
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

// checkUserStillThere deletes a user that was just created if its directory was deleted since it was read, and returns ErrNotFound.
func (s *Service) checkUserStillThere(ctx context.Context, user storage.User) error {
	directory, err := s.directory(ctx, user.Directory)
	if err == nil && user.BelongsTo(directory.Record) {
		return nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return errors.Join(fmt.Errorf("%s %w", directoryName(user.Directory), ErrNotFound), s.deleteOrphanedUser(ctx, user))
}

// deleteUsers deletes the users of a directory's ID that are orphans.
func (s *Service) deleteUsers(ctx context.Context, directory string, orphan func(storage.User) bool) error {
	for page := (Page{Limit: storage.MaxPage}); ; {
		users, next, err := list[storage.User](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return err
		}
		for _, user := range users {
			if user.Status == storage.UserDeleted || !orphan(user) {
				continue
			}
			if err := s.deleteOrphanedUser(ctx, user); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}

func (s *Service) deleteOrphanedUser(ctx context.Context, user storage.User) error {
	err := s.config.Identity.Delete(s.traced(ctx), user.Directory, user.ID, s.config.Actor.Name)
	if errors.Is(err, identity.ErrUnknownUser) {
		return nil
	}
	return err
}

// deleteCandidates deletes the merge candidates of a directory without users.
func (s *Service) deleteCandidates(ctx context.Context, directory string) error {
	return errors.Join(deleteOwned[storage.MergeCandidate](ctx, s, directory), deleteOwned[storage.MergeBatch](ctx, s, directory))
}

// deleteOwned deletes all records of a kind that belong to a directory.
func deleteOwned[R storage.Record](ctx context.Context, s *Service, directory string) error {
	for {
		records, _, err := list[R](ctx, s, Page{Limit: storage.MaxPage}.query(directory, storage.ByCreatedDescending))
		if err != nil || len(records) == 0 {
			return err
		}
		for _, record := range records {
			if err := s.config.Engine.Delete(ctx, record.Document().Kind, record.Document().ID); err != nil {
				return err
			}
		}
	}
}
