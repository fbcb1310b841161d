package oauth2

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
)

// Access is a valid opaque access token.
type Access struct {
	ActiveGrant
	JTI       string
	IssuedAt  time.Time
	ExpiresAt time.Time
	// Scopes and Audience are those of the token: the grant's, or fewer if the token request asked for fewer.
	Scopes   []string
	Audience []string
}

// The numbers of an access token: its expiry, its lifetime in seconds, the random part of its jti, and one bit for each scope and
// audience of the grant that it has.
const (
	jtiSize           = 12
	accessTimesSize   = 8 + 4
	accessNumbersSize = accessTimesSize + jtiSize + 8 + 4
)

// tokenID joins the ID of a grant and random bytes to the "jti" of an access token; GrantOf separates them.
func tokenID(grant string, random []byte) string {
	jti := base64.RawURLEncoding.EncodeToString(random)
	if grant == "" {
		return jti
	}
	return grant + "." + jti
}

// GrantOf returns the ID of the grant in the jti of an access token. A client_credentials token has none. The caller must have
// verified the signature of the token.
func GrantOf(jti string) (grantID string, ok bool) {
	grantID, _, found := strings.Cut(jti, ".")
	if !found {
		return "", false
	}
	_, ok = decodeGrantID(grantID)
	return grantID, ok
}

// Access checks an opaque access token and reads its grant, user and session. It returns ErrNoGrant unless the token is valid and
// of this directory.
func (s *Store) Access(ctx context.Context, token string) (*Access, error) {
	h, err := s.open(ctx, kindAccess, token)
	if err != nil {
		return nil, err
	}
	expiresAt := time.Unix(int64(binary.BigEndian.Uint64(h.numbers)), 0).UTC()
	if !s.TokenTime().Before(expiresAt) {
		return nil, ended("access token expired")
	}
	life := time.Duration(binary.BigEndian.Uint32(h.numbers[8:])) * time.Second
	if IssuedAhead(expiresAt.Add(-life), s.TokenTime()) {
		return nil, ended("access token was issued by a clock ahead")
	}
	live, err := s.ActiveGrant(ctx, h.grant)
	if err != nil {
		return nil, err
	}
	jti, masks := h.numbers[accessTimesSize:accessTimesSize+jtiSize], h.numbers[accessTimesSize+jtiSize:]
	return &Access{
		ActiveGrant: *live,
		JTI:         tokenID(h.grant, jti),
		IssuedAt:    expiresAt.Add(-life),
		ExpiresAt:   expiresAt,
		Scopes:      unmask(live.Grant.Scopes, binary.BigEndian.Uint64(masks)),
		Audience:    unmask(live.Grant.Audience, uint64(binary.BigEndian.Uint32(masks[8:]))),
	}, nil
}

// opaque returns a new opaque access token, which is a handle.
func (s *Store) opaque(ctx context.Context, g *storage.Grant, requester fosite.Requester, expiresAt time.Time, jti []byte) (string, error) {
	numbers := make([]byte, 0, accessNumbersSize)
	numbers = binary.BigEndian.AppendUint64(numbers, uint64(expiresAt.Unix()))
	numbers = binary.BigEndian.AppendUint32(numbers, uint32(expiresAt.Unix()-s.TokenTime().Unix()))
	numbers = append(numbers, jti...)
	scopes, audience := requester.GetGrantedScopes(), requester.GetGrantedAudience()
	allScopes, wholeAudience := g.Scopes, g.Audience
	if g.State == "" || g.State == storage.GrantPending { // A draft: it will get the values of the request.
		allScopes, wholeAudience = scopes, audience
	}
	client, err := clientOf(requester)
	if err != nil {
		return "", err
	}
	numbers = binary.BigEndian.AppendUint64(numbers, mask(allScopes, client.TokenScopes(scopes)))
	numbers = binary.BigEndian.AppendUint32(numbers, uint32(mask(wholeAudience, audience)))
	return s.seal(ctx, kindAccess, handle{generation: g.SecretGeneration, grant: g.ID, numbers: numbers})
}

// mask has bit i set when all[i] is among some.
func mask(all, some []string) uint64 {
	var bits uint64
	for i, value := range all {
		if slices.Contains(some, value) {
			bits |= 1 << i
		}
	}
	return bits
}

// unmask is the inverse of mask.
func unmask(all []string, bits uint64) []string {
	var some []string
	for i, value := range all {
		if bits&(1<<i) != 0 {
			some = append(some, value)
		}
	}
	return some
}

// CreateAccessTokenSession implements fosite's AccessTokenStorage: it completes the grant that this request creates. A token of a
// stored grant needs no write, and the JWT of client_credentials belongs to no grant.
func (s *Store) CreateAccessTokenSession(ctx context.Context, _ string, requester fosite.Requester) error {
	client, err := clientOf(requester)
	if err != nil {
		return err
	}
	if isClientCredentials(requester) && !client.record.OpaqueAccessTokens {
		return nil
	}
	u, err := unitOf(ctx, requester)
	if err != nil || u.next == nil {
		return err
	}
	if u.next.State == "" || u.next.State == storage.GrantPending {
		if err := s.complete(u.next, requester, storage.GrantActive); err != nil {
			return err
		}
	}
	// A repeat of the request finds the grant while its access token is valid, and a little longer for slow clocks.
	u.next.ExpiresAt = later(u.next.ExpiresAt, later(u.next.RepeatUntil, s.now().Add(client.lifetimes.AccessToken+time.Minute)))
	return s.finish(ctx, u)
}

// GetAccessTokenSession implements fosite's AccessTokenStorage for opaque access tokens. It does not find JWTs: their verifier
// calls ActiveGrant.
func (s *Store) GetAccessTokenSession(ctx context.Context, token string, session fosite.Session) (fosite.Requester, error) {
	access, err := s.Access(ctx, token)
	if err != nil {
		return nil, notFound(err)
	}
	request, err := hydrate(&access.ActiveGrant, session)
	if err != nil {
		return nil, err
	}
	request.GrantedScope, request.GrantedAudience = access.Scopes, access.Audience
	if session != nil {
		session.SetExpiresAt(fosite.AccessToken, access.ExpiresAt)
	}
	return request, nil
}

// DeleteAccessTokenSession implements fosite's AccessTokenStorage: ending one access token ends its grant.
func (s *Store) DeleteAccessTokenSession(ctx context.Context, token string) error {
	h, err := s.open(ctx, kindAccess, token)
	if err != nil {
		return notFound(err)
	}
	return notFound(s.Revoke(ctx, h.grant, "revoked"))
}

// unitOf returns the grant of the codes and tokens of a fosite request.
func unitOf(ctx context.Context, requester fosite.Requester) (*unit, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	u := r.unit(requester.GetID())
	if u == nil {
		return nil, errors.New("oauth2: codes and tokens need a grant: see Store.NewGrant")
	}
	return u, nil
}

// isClientCredentials reports whether a client requests a token for itself, which needs no grant.
func isClientCredentials(requester fosite.Requester) bool {
	return requester.GetRequestForm().Get("grant_type") == grantTypeCredentials
}

func (s *Store) random(size int) ([]byte, error) {
	raw := make([]byte, size)
	if _, err := io.ReadFull(s.Rand, raw); err != nil {
		return nil, fmt.Errorf("oauth2: randomness: %w", err)
	}
	return raw, nil
}

func clientOf(requester fosite.Requester) (*Client, error) {
	client, ok := requester.GetClient().(*Client)
	if !ok {
		return nil, fmt.Errorf("oauth2: client is %T, not *Client", requester.GetClient())
	}
	return client, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
