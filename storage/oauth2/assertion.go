package oauth2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
)

// UseAssertion spends the jti of a client's assertion until its expiry. Exactly one of all calls, on all instances, returns nil,
// and the others fosite.ErrJTIKnown (RFC 7523 §3). After storage.ErrUnavailable the call may be repeated.
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

// spend inserts a jti. If an earlier request to this process tried that and got 503, it replaces the result of that attempt. The
// store decides both: one call wins, and none while the jti is being released (see Settle).
func (s *Store) spend(ctx context.Context, record storage.Assertion) error {
	id := record.Document().ID
	for range attempts {
		unanswered := s.unknownOutcomes.attempts(id, s.now())
		_, err := storage.Insert(ctx, s.Engine, record)
		if errors.Is(err, storage.ErrExists) {
			if err = s.takeOver(ctx, record, unanswered); errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrConflict) {
				continue // It was released, or taken over, just now.
			}
		}
		switch {
		case err == nil:
			s.unknownOutcomes.forget(id, unanswered)
		case errors.Is(err, storage.ErrUnavailable):
			s.unknownOutcomes.add(storage.KindAssertion, id, attempt{name: record.Attempt}, s.now())
		}
		return err
	}
	return fmt.Errorf("%w: too many writers", storage.ErrUnavailable)
}

// takeOver spends a jti that is already stored if one of these attempts stored it. Otherwise the jti is known.
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

// ClientAssertionJWTValid implements fosite.ClientManager. It always returns nil: SetClientAssertionJWT decides.
func (s *Store) ClientAssertionJWTValid(context.Context, string) error { return nil }

// SetClientAssertionJWT implements fosite.ClientManager. fosite does not pass the client, so all clients of the directory share
// one set of jti values. A server that checks assertions itself calls UseAssertion.
func (s *Store) SetClientAssertionJWT(ctx context.Context, jti string, expiresAt time.Time) error {
	return s.UseAssertion(ctx, "", jti, expiresAt)
}
