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
	maxClientEpochBytes = 3 << 10
)

// Disable locks a user out until Enable, and ends every grant and session. It costs one read, one compare-and-set and the audit
// entry.
func (s *Service) Disable(ctx context.Context, directory, id, actor string) error {
	_, err := s.change(ctx, directory, id, actor, ActionDisable, func(user *storage.User) (bool, error) {
		if user.Status == storage.UserDisabled {
			return false, nil
		}
		user.Status = storage.UserDisabled
		s.endAll(user)
		s.addEvent(user, storage.EventDisabled, "")
		return true, nil
	})
	return err
}

// endAll ends every grant and session of a user in the write that stores the user. It also marks the sessions as due, so that
// background work ends them one by one and notifies their clients.
func (s *Service) endAll(user *storage.User) {
	user.Epoch++
	user.SessionsDueAt = s.now()
}

// addEvent adds an event of which clients are notified to a user, in the write that stores it and that calls endAll.
func (s *Service) addEvent(user *storage.User, event storage.UserEventType, other string) {
	*user = user.WithEvent(storage.UserEvent{Type: event, Other: other, At: s.now()})
}

// Enable allows a disabled user to sign in again. Grants and sessions that Disable ended remain ended.
func (s *Service) Enable(ctx context.Context, directory, id, actor string) error {
	_, err := s.change(ctx, directory, id, actor, ActionEnable, func(user *storage.User) (bool, error) {
		if user.Status != storage.UserDisabled {
			return false, nil
		}
		user.Status = storage.UserActive
		if !user.DeletionDueAt.IsZero() {
			user.Status = storage.UserDeletionPending
		}
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

// RemoveClient ends every grant and consent that a client has from a user. A user's record has epochs of at most 64 clients. The
// next client ends all grants and consents of the user once, and the count starts again above all earlier values.
func (s *Service) RemoveClient(ctx context.Context, directory, id, client, actor string) error {
	_, err := s.change(ctx, directory, id, actor, ActionRemoveClient, func(user *storage.User) (bool, error) {
		s.endClient(user, client)
		return true, nil
	})
	return err
}

// endClient ends every grant and consent that a client has from a user, in the write that stores the user.
func (s *Service) endClient(user *storage.User, client string) {
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
}

// Delete removes a user at once. The user becomes a tombstone without personal data, which ends every grant and session. The same happens
// to the users merged into it; then their links, passkeys, authenticator apps and last sign-ins are deleted. Deletions removes the other records
// later, when their clients are notified. A link that remains after a crash leads to a tombstone and is free; Deletions completes
// the work, and so does another Delete. If the person signs in later, a new user is created. An ID that never existed is
// ErrUnknownUser.
func (s *Service) Delete(ctx context.Context, directory, id, actor string) error {
	recorded := s.recording(actor, ActionDelete)
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
		if err := recorded.write(ctx, user.Record, nil, nil); err != nil {
			return "", err
		}
		return root, s.tombstone(ctx, user)
	})
	if err != nil {
		return recorded.end(ctx, err)
	}
	return s.tombstoneAll(ctx, directory, root, id)
}

// tombstoneAll replaces users, and all users merged into them directly or indirectly, by tombstones, and releases their links.
// All of them must be tombstones already, or aliases of one.
func (s *Service) tombstoneAll(ctx context.Context, directory string, ids ...string) error {
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
		if err := s.deleteMethods(ctx, directory, graves[0]); err != nil {
			return err
		}
		if err := s.engine.Delete(ctx, storage.KindUserSignIns, storage.Key(directory, graves[0])); err != nil {
			return wrap("delete sign-ins", err)
		}
		graves = append(slices.Clone(graves), user.Record.Aliases...)
	}
	return nil
}

// tombstone removes everything from a user except the used ID and the users that are deleted with it.
func (s *Service) tombstone(ctx context.Context, user *storage.Entry[storage.User]) error {
	old := user.Record
	next := storage.User{
		Directory: old.Directory, DirectoryIncarnation: old.DirectoryIncarnation, ID: old.ID, Status: storage.UserDeleted, Aliases: old.Aliases, Epoch: old.Epoch + 1,
		SessionsDueAt: s.now(), Events: old.Events, DeletionDueAt: s.now(), CreatedAt: old.CreatedAt, UpdatedAt: s.now(),
	}
	s.addEvent(&next, storage.EventDeleted, "")
	_, err := user.Replace(ctx, s.engine, next)
	return wrap("tombstoneAll user", err)
}
