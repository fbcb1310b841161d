package admin

import (
	"context"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// The states of sessions and grants in lists.
const (
	StateActive = "active"
	StateEnded  = "ended"
)

// UserSession is a session of a user, without the digest of its cookie.
type UserSession struct {
	storage.Session
	// State is StateActive or StateEnded.
	State string `json:"state"`
}

// UserSessions returns one page of a user's sessions, newest first, and where the next page begins. Sessions that ended are in
// the list until they expire.
func (s *Service) UserSessions(ctx context.Context, directory, id string, page Page) ([]UserSession, string, error) {
	user, records, next, err := listOfUser[storage.Session](ctx, s, directory, id, page)
	if err != nil {
		return nil, "", err
	}
	sessions := make([]UserSession, len(records))
	for i, session := range records {
		session.Secret = ""
		sessions[i] = UserSession{session, sessionState(user, session)}
	}
	return sessions, next, nil
}

func sessionState(user storage.User, session storage.Session) string {
	if user.Status == storage.UserActive && session.EndedAt.IsZero() && session.UserEpoch == user.Epoch {
		return StateActive
	}
	return StateEnded
}

// EndUserSession ends a session of a user, and the grants that end with it. Its clients get logout tokens.
func (s *Service) EndUserSession(ctx context.Context, directory, id, session string) error {
	user, err := s.userFor(ctx, directory, id, ActUserSignOut)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("session %q of user %q", session, user.Record.ID)
	_, err = update(ctx, s, edit[storage.Session]{
		what: what, key: storage.Key(directory, session),
		entry: userEntry(directory, user.Record.ID, ActUserSignOut, map[string]string{"session": session}),
		change: func(record *storage.Session) error {
			if record.User != user.Record.ID {
				return fmt.Errorf("%s %w", what, ErrNotFound)
			}
			if record.EndedAt.IsZero() {
				record.End(s.now(), 0)
			}
			return nil
		},
	})
	return err
}

func userEntry(directory, id string, act Act, details map[string]string) entry {
	return entry{directory: directory, action: act, target: "user:" + id, details: details}
}
