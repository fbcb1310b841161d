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
	record := storage.Assertion{Directory: r.directory(), Client: client, JTI: jti, ExpiresAt: storage.Instant(expiresAt)}
	_, err = storage.Insert(ctx, s.Engine, record)
	if errors.Is(err, storage.ErrExists) {
		return fmt.Errorf("oauth2: assertion: %w", fosite.ErrJTIKnown)
	}
	if err != nil {
		return fmt.Errorf("oauth2: assertion: %w", err)
	}
	return nil
}

// ClientAssertionJWTValid implements fosite.ClientManager. It promises nothing: SetClientAssertionJWT decides.
func (s *Store) ClientAssertionJWTValid(context.Context, string) error { return nil }

// SetClientAssertionJWT implements fosite.ClientManager. fosite does not say whose the jti is, so that here all clients of the
// directory share one space; a server that checks assertions itself calls UseAssertion.
func (s *Store) SetClientAssertionJWT(ctx context.Context, jti string, expiresAt time.Time) error {
	return s.UseAssertion(ctx, "", jti, expiresAt)
}
