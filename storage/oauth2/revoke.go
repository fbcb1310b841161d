package oauth2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

// Revoke ends a grant and everything that came of it, by one write; one that was revoked before stays as it is. because is a
// word for the operator, such as logout. A grant that is gone answers ErrNoGrant.
func (s *Store) Revoke(ctx context.Context, grantID, because string) error {
	u, err := s.load(ctx, grantID)
	if err != nil {
		return err
	}
	return s.end(ctx, u, because)
}

// RevokeToken ends the grant of a refresh token or an opaque access token that client shows (RFC 7009 §2.1). One that is
// not its own answers ErrNoGrant with ErrOtherClient and changes nothing.
func (s *Store) RevokeToken(ctx context.Context, client *Client, token string) error {
	h, err := s.open(ctx, kindRefresh, token)
	if errors.Is(err, ErrNoGrant) {
		h, err = s.open(ctx, kindAccess, token)
	}
	if err != nil {
		return err
	}
	return s.RevokeGrantOf(ctx, client, h.grant)
}

// RevokeGrantOf ends a grant that a token of client names, such as the one GrantOf found in a verified JWT. One that is not
// its own answers ErrNoGrant with ErrOtherClient and changes nothing.
func (s *Store) RevokeGrantOf(ctx context.Context, client *Client, grantID string) error {
	u, err := s.load(ctx, grantID)
	if err != nil {
		return err
	}
	if u.grant().Client != client.GetID() {
		return fmt.Errorf("%w: %w", ErrNoGrant, ErrOtherClient)
	}
	return s.end(ctx, u, "revoked")
}

// RevokeRefreshToken implements fosite's TokenRevocationStorage: the whole grant ends. One that is gone is no error.
func (s *Store) RevokeRefreshToken(ctx context.Context, requestID string) error {
	err := s.Revoke(ctx, requestID, "revoked")
	if errors.Is(err, ErrNoGrant) {
		return nil
	}
	return err
}

// RevokeAccessToken implements fosite's TokenRevocationStorage: the whole grant ends. One that is gone is no error.
func (s *Store) RevokeAccessToken(ctx context.Context, requestID string) error {
	return s.RevokeRefreshToken(ctx, requestID)
}

// end revokes a stored grant, however often others write it meanwhile.
func (s *Store) end(ctx context.Context, u *unit, because string) error {
	return s.change(ctx, u, func(next *storage.Grant) (bool, error) {
		if next.State == storage.GrantRevoked {
			return false, nil
		}
		s.revoke(next, because)
		return true, nil
	})
}

// endReused revokes a grant of which something was shown that is used up, unless another instance says meanwhile that nobody was
// answered when it was used: then it answers storage.ErrUnavailable, and the request is to be decided again.
func (s *Store) endReused(ctx context.Context, u *unit, usedUp func(*storage.Grant) bool) error {
	return s.change(ctx, u, func(next *storage.Grant) (bool, error) {
		switch {
		case next.State == storage.GrantRevoked:
			return false, nil
		case !usedUp(next):
			return false, fmt.Errorf("oauth2: grant: %w: its use was undone just now", storage.ErrUnavailable)
		}
		s.revoke(next, "reuse")
		return true, nil
	})
}

func (s *Store) revoke(g *storage.Grant, because string) {
	g.State = storage.GrantRevoked
	g.RevokedAt = s.now()
	g.RevokedBecause = because
}

// RevokeJTI remembers until its expiry that an access token is revoked which belongs to no grant (client_credentials).
func (s *Store) RevokeJTI(ctx context.Context, jti string, expiresAt time.Time) error {
	r, err := requestFrom(ctx)
	if err != nil {
		return err
	}
	record := storage.RevokedToken{Directory: r.directory(), JTI: jti, ExpiresAt: storage.Instant(expiresAt)}
	if _, err := storage.Insert(ctx, s.Engine, record); err != nil && !errors.Is(err, storage.ErrExists) {
		return fmt.Errorf("oauth2: revoked token: %w", err)
	}
	return nil
}

// JTIRevoked reports whether RevokeJTI was called.
func (s *Store) JTIRevoked(ctx context.Context, jti string) (bool, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return false, err
	}
	_, err = s.Engine.Get(ctx, storage.KindRevokedToken, storage.Key(r.directory(), jti))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("oauth2: revoked token: %w", err)
	}
	return true, nil
}
