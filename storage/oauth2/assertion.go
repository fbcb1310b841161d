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
// nil, and the others fosite.ErrJTIKnown (RFC 7523 §3).
func (s *Store) UseAssertion(ctx context.Context, client, jti string, expiresAt time.Time) error {
	r, err := requestFrom(ctx)
	if err != nil {
		return err
	}
	name, err := s.newAttempt()
	if err != nil {
		return err
	}
	record := storage.Assertion{
		Directory: r.directory(), Client: client, JTI: jti, Attempt: name, ExpiresAt: storage.Instant(expiresAt),
	}
	_, err = storage.Insert(ctx, s.Engine, record)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrExists):
		return s.assertionKnown(ctx, record)
	case errors.Is(err, storage.ErrUnavailable):
		s.doubts.add(record.Document().ID, attempt{name: name}, s.now())
	}
	return fmt.Errorf("oauth2: assertion: %w", err)
}

// assertionKnown is the answer when a jti is stored already: nil for the repeat of a request to this process that was told to
// come back, because nobody could say whether it had spent the jti.
func (s *Store) assertionKnown(ctx context.Context, record storage.Assertion) error {
	repeats, err := s.unansweredAssertion(ctx, record)
	if err != nil || repeats {
		return err
	}
	return fmt.Errorf("oauth2: assertion: %w", fosite.ErrJTIKnown)
}

// ClientAssertionJWTValid implements fosite.ClientManager. It promises nothing: SetClientAssertionJWT decides.
func (s *Store) ClientAssertionJWTValid(context.Context, string) error { return nil }

// SetClientAssertionJWT implements fosite.ClientManager. fosite does not say whose the jti is, so that here all clients of the
// directory share one space; a server that checks assertions itself calls UseAssertion.
func (s *Store) SetClientAssertionJWT(ctx context.Context, jti string, expiresAt time.Time) error {
	return s.UseAssertion(ctx, "", jti, expiresAt)
}
