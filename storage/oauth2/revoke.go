package oauth2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

// Revoke ends a grant and all its tokens by one write; a revoked grant stays unchanged. because is a reason for the operator,
// such as logout. A missing grant is ErrNoGrant.
func (s *Store) Revoke(ctx context.Context, grantID, because string) error {
	u, err := s.load(ctx, grantID)
	if err != nil {
		return err
	}
	return s.end(ctx, u, because)
}

// RevokeToken ends the grant of a refresh token or an opaque access token that client presents (RFC 7009 §2.1). For a token of
// another client it returns ErrNoGrant with ErrOtherClient and changes nothing.
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

// RevokeGrantOf ends the grant of a client's token, such as the one that GrantOf returns for a verified JWT. For a grant of
// another client it returns ErrNoGrant with ErrOtherClient and changes nothing.
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

// RevokeRefreshToken implements fosite's TokenRevocationStorage: the whole grant ends. A missing one is no error.
func (s *Store) RevokeRefreshToken(ctx context.Context, requestID string) error {
	err := s.Revoke(ctx, requestID, "revoked")
	if errors.Is(err, ErrNoGrant) {
		return nil
	}
	return err
}

// RevokeAccessToken implements fosite's TokenRevocationStorage: the whole grant ends. A missing one is no error.
func (s *Store) RevokeAccessToken(ctx context.Context, requestID string) error {
	return s.RevokeRefreshToken(ctx, requestID)
}

// end revokes a stored grant, regardless of concurrent writes.
func (s *Store) end(ctx context.Context, u *unit, because string) error {
	return s.change(ctx, u, func(next *storage.Grant) (bool, error) {
		if next.State == storage.GrantRevoked {
			return false, nil
		}
		s.revoke(next, because)
		return true, nil
	})
}

// endReused revokes a grant because of a reused code or token. If another instance has stored meanwhile that no client got the
// result of the first use, it returns storage.ErrUnavailable, and the request must be decided again.
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

// RevokeJTI stores until its expiry that an access token without grant (client_credentials) is revoked.
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
