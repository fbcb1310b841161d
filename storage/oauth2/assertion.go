package oauth2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
)

// UseAssertion spends the jti of a client's assertion until its expiry: one of any number of calls, on any instance, returns
// nil, and the others fosite.ErrJTIKnown (RFC 7523 §3). After storage.ErrUnavailable the call may be repeated.
func (s *Store) UseAssertion(ctx context.Context, client, jti string, expiresAt time.Time) error {
	r, err := requestFrom(ctx)
	if err != nil {
		return err
	}
	name, err := s.newAttempt()
	if err != nil {
		return err
	}
	err = s.spend(ctx, storage.Assertion{
		Directory: r.directory(), Client: client, JTI: jti, Attempt: name, ExpiresAt: storage.Instant(expiresAt),
	})
	if err != nil {
		return fmt.Errorf("oauth2: assertion: %w", err)
	}
	return nil
}

// spend inserts a jti or, when that was tried by a request to this process which was told to come back, takes the place of what
// came of it. Either is decided by the store: one call wins, and not while the jti is being released (see Settle).
func (s *Store) spend(ctx context.Context, record storage.Assertion) error {
	id := record.Document().ID
	for range attempts {
		unanswered := s.doubts.about(id, s.now())
		_, err := storage.Insert(ctx, s.Engine, record)
		if errors.Is(err, storage.ErrExists) {
			if err = s.takeOver(ctx, record, unanswered); errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrConflict) {
				continue // It was released, or taken over, just now.
			}
		}
		switch {
		case err == nil:
			s.doubts.forget(id, unanswered)
		case errors.Is(err, storage.ErrUnavailable):
			s.doubts.add(storage.KindAssertion, id, attempt{name: record.Attempt}, s.now())
		}
		return err
	}
	return fmt.Errorf("%w: too many writers", storage.ErrUnavailable)
}

// takeOver spends a jti that is stored already if one of those attempts stored it. Otherwise it is known.
func (s *Store) takeOver(ctx context.Context, record storage.Assertion, unanswered []attempt) error {
	if len(unanswered) == 0 {
		return fosite.ErrJTIKnown
	}
	stored, err := storage.Get[storage.Assertion](ctx, s.Engine, record.Document().ID)
	if err != nil {
		return err
	}
	if find(unanswered, stored.Record.Attempt) == nil {
		return fosite.ErrJTIKnown
	}
	_, err = stored.Replace(ctx, s.Engine, record)
	return err
}

// ClientAssertionJWTValid implements fosite.ClientManager. It promises nothing: SetClientAssertionJWT decides.
func (s *Store) ClientAssertionJWTValid(context.Context, string) error { return nil }

// SetClientAssertionJWT implements fosite.ClientManager. fosite does not say whose the jti is, so that here all clients of the
// directory share one space; a server that checks assertions itself calls UseAssertion.
func (s *Store) SetClientAssertionJWT(ctx context.Context, jti string, expiresAt time.Time) error {
	return s.UseAssertion(ctx, "", jti, expiresAt)
}
