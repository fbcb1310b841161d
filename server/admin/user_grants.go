package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// UserGrant is what a client was granted by a user.
type UserGrant struct {
	storage.Grant
	// State is StateActive or StateEnded.
	State string `json:"state"`
}

// UserGrants returns one page of a user's grants, newest first, and where the next page begins. Grants that ended are in the
// list until they expire.
func (s *Service) UserGrants(ctx context.Context, directory, id string, page Page) ([]UserGrant, string, error) {
	user, records, next, err := listOfUser[storage.Grant](ctx, s, directory, id, page)
	if err != nil {
		return nil, "", err
	}
	state := s.grantStates(ctx, user)
	grants := make([]UserGrant, len(records))
	for i, grant := range records {
		grants[i].Grant = grant
		if grants[i].State, err = state(grant); err != nil {
			return nil, "", err
		}
	}
	return grants, next, nil
}

// grantStates returns a function that reads each client and session of a user's grants once.
func (s *Service) grantStates(ctx context.Context, user storage.User) func(storage.Grant) (string, error) {
	clients, sessions := reader[storage.Client](ctx, s), reader[storage.Session](ctx, s)
	return func(grant storage.Grant) (string, error) {
		if grant.State == storage.GrantRevoked || user.Status != storage.UserActive || grant.UserEpoch != user.Epoch ||
			grant.ClientEpoch != user.ClientEpoch(grant.Client) {
			return StateEnded, nil
		}
		client, err := clients(storage.Key(grant.Directory, grant.Client))
		if err != nil || client == nil || client.Disabled || client.Incarnation != grant.Incarnation {
			return StateEnded, err
		}
		if grant.Session == "" {
			return StateActive, nil
		}
		session, err := sessions(storage.Key(grant.Directory, grant.Session))
		if err != nil || session == nil {
			return StateEnded, err
		}
		return sessionState(user, *session), nil
	}
}

// reader returns a function that reads records, each once; it returns nil for a record that does not exist.
func reader[R storage.Record](ctx context.Context, s *Service) func(key string) (*R, error) {
	known := map[string]*R{}
	return func(key string) (*R, error) {
		if record, read := known[key]; read {
			return record, nil
		}
		found, err := storage.Get[R](ctx, s.config.Engine, key)
		if errors.Is(err, storage.ErrNotFound) {
			known[key] = nil
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		known[key] = &found.Record
		return known[key], nil
	}
}

// RemoveUserClient ends all grants and consents that a client has from a user.
func (s *Service) RemoveUserClient(ctx context.Context, directory, id, client string) error {
	if err := s.Allowed(directory, ActUserRemoveClient); err != nil {
		return err
	}
	if _, err := s.client(ctx, directory, client); err != nil {
		return err
	}
	return userError(id, s.config.Identity.RemoveClient(s.traced(ctx), directory, id, client, s.config.Actor.Name))
}

// EndUserGrant ends one grant of a user with all its tokens.
func (s *Service) EndUserGrant(ctx context.Context, directory, id, grant string) error {
	user, err := s.userFor(ctx, directory, id, ActUserRemoveClient)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("grant %q of user %q", grant, user.Record.ID)
	_, err = update(ctx, s, edit[storage.Grant]{
		what: what, key: storage.Key(directory, grant),
		entry: userEntry(directory, user.Record.ID, ActUserRemoveClient, map[string]string{"grant": grant}),
		change: func(record *storage.Grant) error {
			if record.User != user.Record.ID {
				return fmt.Errorf("%s %w", what, ErrNotFound)
			}
			if record.State == storage.GrantRevoked {
				return nil
			}
			attempt, err := s.newID()
			record.State, record.RevokedAt, record.RevokedBecause, record.Attempt = storage.GrantRevoked, s.now(), "operator", attempt
			return err
		},
	})
	return err
}
