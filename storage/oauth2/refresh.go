package oauth2

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
)

// refreshNumbersSize is the size of the generation in a refresh token.
const refreshNumbersSize = 4

// freshness is the state of a refresh token's generation.
type freshness int

const (
	// fresh is the current generation: it is rotated.
	fresh freshness = iota
	// recent was rotated within RefreshGrace: it returns the current one, so that parallel and late calls get the same token.
	recent
	// unanswered was rotated, at any time, by a request with a 503 response, as this process or the store knows: no client has
	// the current token, which it returns.
	unanswered
	// unknown is newer than the grant, as after a backup was restored: nothing is revoked.
	unknown
	// reused is everything older: the grant is revoked.
	reused
)

// freshnessOf compares the generation of a token presented at shownAt with the grant's.
func freshnessOf(refresh *storage.Refresh, generation uint32, shownAt time.Time) freshness {
	switch {
	case refresh == nil || generation > refresh.Generation || generation == 0:
		return unknown
	case generation == refresh.Generation:
		return fresh
	}
	// Rotated[0] is when the generation before the current one was rotated.
	age := refresh.Generation - 1 - generation
	if uint64(age) < uint64(len(refresh.Rotated)) && isRecent(refresh.Rotated[age], shownAt) {
		return recent
	}
	if age == 0 && isUnanswered(refresh, shownAt) {
		return unanswered
	}
	return reused
}

// isRecent reports whether a rotated token still returns the current one. A rotation in the future was before the clock was set
// back: its age is unknown.
func isRecent(rotated, shownAt time.Time) bool {
	return shownAt.Sub(rotated) <= RefreshGrace && !storage.MadeAhead(rotated, shownAt)
}

// isUnanswered reports whether the store says that no client got the result of the last rotation: see Store.Settle.
func isUnanswered(refresh *storage.Refresh, shownAt time.Time) bool {
	if len(refresh.Rotated) == 0 || !refresh.Unanswered.Equal(refresh.Rotated[0]) {
		return false
	}
	return shownAt.Sub(refresh.Rotated[0]) <= unknownOutcomeLife
}

// freshness is freshnessOf for a grant of this unit.
func (u *unit) freshness(refresh *storage.Refresh, generation uint32) freshness {
	found := freshnessOf(refresh, generation, u.readAt)
	if found == reused && u.unanswered && generation+1 == refresh.Generation {
		return unanswered
	}
	return found
}

// CreateRefreshTokenSession implements fosite's RefreshTokenStorage: the grant that this request creates gets its first refresh
// token. It does nothing for a stored grant.
func (s *Store) CreateRefreshTokenSession(ctx context.Context, _, _ string, requester fosite.Requester) error {
	u, err := unitOf(ctx, requester)
	if err != nil || u.next == nil {
		return err
	}
	client, err := clientOf(requester)
	if err != nil {
		return err
	}
	u.next.Refresh = &storage.Refresh{Generation: 1}
	s.prolong(u.next, client)
	return s.finish(ctx, u)
}

// prolong extends the idle lifetime of the current refresh token, within the absolute lifetime of the grant.
func (s *Store) prolong(g *storage.Grant, client *Client) {
	now := s.now()
	g.Refresh.IdleUntil = now.Add(client.lifetimes.RefreshIdle)
	if end := g.CreatedAt.Add(client.lifetimes.RefreshAbsolute); end.Before(g.Refresh.IdleUntil) {
		g.Refresh.IdleUntil = storage.Instant(end)
	}
	g.ExpiresAt = later(g.ExpiresAt, later(g.Refresh.IdleUntil, now.Add(client.lifetimes.AccessToken+time.Minute)))
}

// GetRefreshTokenSession implements fosite's RefreshTokenStorage. A token that was used, and not just now, returns
// fosite.ErrInactiveToken with the request. A token that is unknown, expired, of another client, or ended by its user or session
// returns fosite.ErrNotFound. Nothing changes: the caller then calls DeleteRefreshTokenSession.
func (s *Store) GetRefreshTokenSession(ctx context.Context, token string, session fosite.Session) (fosite.Requester, error) {
	u, generation, err := s.refreshUnit(ctx, token)
	if err != nil {
		return nil, notFound(err)
	}
	g := u.grant()
	switch {
	case asksAnother(ctx, g):
		return nil, notFound(ended("refresh token of another client"))
	case g.State != storage.GrantActive:
		return nil, notFound(ended("grant is " + string(g.State)))
	}
	switch u.freshness(g.Refresh, generation) {
	case unknown:
		return nil, notFound(ended("refresh token is newer than the grant"))
	case reused:
		return &fosite.Request{ID: g.ID}, fmt.Errorf("oauth2: %w", fosite.ErrInactiveToken)
	case fresh, recent, unanswered:
	}
	if !s.now().Before(g.Refresh.IdleUntil) {
		return nil, notFound(ended("refresh token expired"))
	}
	live, err := s.checkActive(ctx, g)
	if err != nil {
		return nil, notFound(err)
	}
	return hydrate(live, session)
}

// Refreshable reads the grant of a refresh token that could be used now. It returns ErrNoGrant unless the token is the current
// one of an active grant. It writes nothing, and a used token does not end the grant.
func (s *Store) Refreshable(ctx context.Context, token string) (*ActiveGrant, error) {
	u, generation, err := s.refreshUnit(ctx, token)
	if err != nil {
		return nil, err
	}
	g := u.grant()
	switch {
	case g.State != storage.GrantActive:
		return nil, ended("grant is " + string(g.State))
	case freshnessOf(g.Refresh, generation, s.now()) != fresh:
		return nil, ended("refresh token is not the current one")
	case !s.now().Before(g.Refresh.IdleUntil):
		return nil, ended("refresh token expired")
	}
	return s.checkActive(ctx, g)
}

// refreshUnit returns the grant of a refresh token and the generation in the token.
func (s *Store) refreshUnit(ctx context.Context, token string) (*unit, uint32, error) {
	h, err := s.open(ctx, kindRefresh, token)
	if err != nil {
		return nil, 0, err
	}
	u, err := s.load(ctx, h.grant)
	if err != nil {
		return nil, 0, err
	}
	generation := binary.BigEndian.Uint32(h.numbers)
	if known := u.grant().Refresh; known != nil && generation > known.Generation {
		err = s.confirm(ctx, u)
	}
	return u, generation, err
}

// RotateRefreshToken implements fosite's RefreshTokenStorage by one compare-and-set. It decides by the state in the store: the
// token may have been rotated, or its grant revoked, since GetRefreshTokenSession read it. Its errors are the same. The new token
// is the one that GenerateRefreshToken returns afterwards.
func (s *Store) RotateRefreshToken(ctx context.Context, _ string, token string) error {
	u, generation, err := s.refreshUnit(ctx, token)
	if err != nil {
		return err
	}
	client, err := s.client(ctx, u.grant().Client)
	if errors.Is(err, storage.ErrNotFound) {
		return ended("client is gone or disabled")
	}
	if err != nil {
		return err
	}
	err = s.change(ctx, u, func(next *storage.Grant) (bool, error) {
		if next.State != storage.GrantActive {
			return false, ended("grant is " + string(next.State))
		}
		switch u.freshness(next.Refresh, generation) {
		case recent:
			return false, nil
		case unknown:
			return false, ended("refresh token is newer than the grant")
		case reused:
			return false, fmt.Errorf("oauth2: %w", fosite.ErrInactiveToken)
		case unanswered:
			next.Refresh.Rotated[0] = s.now() // Its response is sent only now: copies of the token are late from now on.
			s.prolong(next, client)
		case fresh:
			if u.prolongs = client.record.KeepRefreshToken; u.prolongs {
				s.prolong(next, client)
			} else {
				s.rotate(next, client)
			}
		}
		return true, nil
	})
	if err == nil || errors.Is(err, ErrNoGrant) || errors.Is(err, fosite.ErrInactiveToken) {
		return err
	}
	return undecided(err)
}

func (s *Store) rotate(g *storage.Grant, client *Client) {
	rotated := slices.Insert(g.Refresh.Rotated, 0, s.now())
	g.Refresh.Rotated = rotated[:min(len(rotated), storage.RotationsKept)]
	g.Refresh.Generation++
	g.Refresh.Unanswered = time.Time{}
	s.prolong(g, client)
}

// DeleteRefreshTokenSession implements fosite's RefreshTokenStorage, which calls it when a token is reused: the grant ends.
func (s *Store) DeleteRefreshTokenSession(ctx context.Context, token string) error {
	u, generation, err := s.refreshUnit(ctx, token)
	if err != nil {
		return notFound(err)
	}
	err = s.endReused(ctx, u, func(next *storage.Grant) bool { return u.freshness(next.Refresh, generation) != unanswered })
	if err != nil {
		return undecided(err)
	}
	return nil
}

// currentRefreshToken derives the refresh token that the grant has now.
func (s *Store) currentRefreshToken(ctx context.Context, g *storage.Grant) (string, error) {
	generation := uint32(1)
	if g.Refresh != nil {
		generation = g.Refresh.Generation
	}
	numbers := binary.BigEndian.AppendUint32(nil, generation)
	return s.seal(ctx, kindRefresh, handle{generation: g.SecretGeneration, grant: g.ID, numbers: numbers})
}
