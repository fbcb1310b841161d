package identity

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

const (
	// maxClientEpochs bounds User.ClientEpochs, and maxClientEpochBytes the names in it.
	maxClientEpochs     = 64
	maxClientEpochBytes = 4 << 10
)

// Disable keeps a user out until Enable, and ends every grant and session. It is one read and one compare-and-set, and the
// audit entry.
func (s *Service) Disable(ctx context.Context, directory, id, actor string) error {
	_, err := s.change(ctx, directory, id, actor, ActionDisable, func(user *storage.User) (bool, error) {
		if user.Status == storage.UserDisabled {
			return false, nil
		}
		user.Status = storage.UserDisabled
		s.endAll(user)
		return true, nil
	})
	return err
}

// endAll ends every grant and session of a user in the write that stores it, and has whoever looks for what is due end the
// sessions one by one, so that their clients hear of it.
func (s *Service) endAll(user *storage.User) {
	user.Epoch++
	user.SessionsDueAt = s.now()
}

// Enable lets a disabled user in again. What Disable ended stays ended.
func (s *Service) Enable(ctx context.Context, directory, id, actor string) error {
	_, err := s.change(ctx, directory, id, actor, ActionEnable, func(user *storage.User) (bool, error) {
		if user.Status != storage.UserDisabled {
			return false, nil
		}
		user.Status = storage.UserActive
		return true, nil
	})
	return err
}

// SignOutEverywhere ends every grant and session of a user.
func (s *Service) SignOutEverywhere(ctx context.Context, directory, id, actor string) error {
	_, err := s.change(ctx, directory, id, actor, ActionSignOut, func(user *storage.User) (bool, error) {
		s.endAll(user)
		return true, nil
	})
	return err
}

// RemoveClient ends every grant and consent that a client has from a user. A user's record counts for 64 clients; the next one
// ends all grants and consents of the user once, and the count starts anew, above all that was counted before.
func (s *Service) RemoveClient(ctx context.Context, directory, id, client, actor string) error {
	_, err := s.change(ctx, directory, id, actor, ActionRemoveClient, func(user *storage.User) (bool, error) {
		epochs := maps.Clone(user.ClientEpochs)
		if epochs == nil {
			epochs = map[string]int64{}
		}
		epochs[client] = user.ClientEpoch(client) + 1
		user.ClientEpochs = epochs
		if len(strings.Join(slices.Collect(maps.Keys(epochs)), "")) > maxClientEpochBytes || len(epochs) > maxClientEpochs {
			s.endAll(user)
			user.ClientEpochBase = slices.Max(slices.Collect(maps.Values(epochs))) + 1
			user.ClientEpochs = nil
		}
		return true, nil
	})
	return err
}

// Delete removes a person: the user becomes a tombstone without personal data, which ends every grant and session, so do
// the users merged into it, and then the links go. A link that a crash leaves leads to a tombstone and is free; deleting
// again completes what is left. The same person, signing in later, is a new user. A user who never was is ErrUnknownUser.
func (s *Service) Delete(ctx context.Context, directory, id, actor string) error {
	audited := false
	root, err := retry(ctx, func(ctx context.Context) (string, error) {
		path, user, err := s.follow(ctx, directory, id)
		if err != nil {
			return "", err
		}
		if user == nil {
			return "", ErrUnknownUser
		}
		root := path[len(path)-1]
		if user.Record.Status == storage.UserDeleted {
			return root, nil
		}
		if !audited {
			if err := s.record(ctx, actor, ActionDelete, user.Record, nil); err != nil {
				return "", err
			}
			audited = true
		}
		return root, s.tombstone(ctx, user)
	})
	if err != nil {
		return err
	}
	return s.bury(ctx, directory, root, id)
}

// bury turns users, those merged into them, and those merged into those into tombstones, and lets their links go. None of
// them is anybody any more: they are tombstones, or aliases of one.
func (s *Service) bury(ctx context.Context, directory string, ids ...string) error {
	for graves := ids; len(graves) > 0; graves = graves[1:] {
		user, err := retry(ctx, func(ctx context.Context) (*storage.Entry[storage.User], error) {
			user, err := storage.Get[storage.User](ctx, s.engine, storage.Key(directory, graves[0]))
			if err != nil || user.Record.Status == storage.UserDeleted {
				return user, wrap("read user", err)
			}
			return user, s.tombstone(ctx, user)
		})
		if err != nil {
			return err
		}
		links, err := s.linksOf(ctx, directory, graves[0])
		if err != nil {
			return err
		}
		for _, link := range links {
			if err := s.release(ctx, link); err != nil {
				return err
			}
		}
		graves = append(slices.Clone(graves), user.Record.Aliases...)
	}
	return nil
}

// tombstone keeps of a user what says that the ID is used up, and which users must go with it.
func (s *Service) tombstone(ctx context.Context, user *storage.Entry[storage.User]) error {
	old := user.Record
	_, err := user.Replace(ctx, s.engine, storage.User{
		Directory: old.Directory, ID: old.ID, Status: storage.UserDeleted, Aliases: old.Aliases, Epoch: old.Epoch + 1,
		SessionsDueAt: s.now(), CreatedAt: old.CreatedAt, UpdatedAt: s.now(),
	})
	return wrap("bury user", err)
}
