package oauth2

import (
	"context"
	"time"

	"github.com/ory/fosite"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"

	"github.com/minifed/minifed/storage"
)

// Strategy creates codes and tokens for fosite. Codes, refresh tokens and opaque access tokens are handles; JWT creates the other
// access tokens.
//
// fosite's "signature" of a token is the token itself here: the store checks its MAC. Unlike fosite's signature methods, the
// store can report that the token secrets are unavailable.
type Strategy struct {
	Store *Store
	// JWT signs access tokens: only GenerateAccessToken is called, with a *Session that has their content.
	JWT fositeoauth2.AccessTokenStrategy
}

var _ fositeoauth2.CoreStrategy = (*Strategy)(nil)

// GenerateAccessToken fills the session from the grant and creates an access token.
func (s *Strategy) GenerateAccessToken(ctx context.Context, requester fosite.Requester) (token, signature string, err error) {
	session, err := sessionOf(requester)
	if err != nil {
		return "", "", err
	}
	client, err := clientOf(requester)
	if err != nil {
		return "", "", err
	}
	// 1. The grant.
	u, err := s.unit(ctx, client, requester)
	if err != nil {
		return "", "", err
	}
	if err := s.describe(ctx, session, client, u); err != nil {
		return "", "", err
	}
	// 2. The unique ID of the token.
	random, err := s.Store.random(jtiSize)
	if err != nil {
		return "", "", err
	}
	session.jti = tokenID(session.grant, random)
	if session.GetExpiresAt(fosite.AccessToken).IsZero() {
		session.SetExpiresAt(fosite.AccessToken, s.Store.TokenTime().Add(client.lifetimes.AccessToken).Truncate(time.Second))
	}
	// 3. The format.
	if client.record.OpaqueAccessTokens {
		token, err = s.Store.opaque(ctx, u.grant(), requester, session.GetExpiresAt(fosite.AccessToken), random)
		return token, token, err
	}
	return s.JWT.GenerateAccessToken(ctx, requester)
}

// unit returns the grant of the token: nil for the JWT of client_credentials. An opaque one needs a grant, because its state is
// in the store.
func (s *Strategy) unit(ctx context.Context, client *Client, requester fosite.Requester) (*unit, error) {
	if !isClientCredentials(requester) {
		return unitOf(ctx, requester)
	}
	if !client.record.OpaqueAccessTokens {
		return nil, nil
	}
	id, err := s.Store.NewGrantID(ctx)
	if err != nil {
		return nil, err
	}
	draft := storage.Grant{ID: id.ID, SecretGeneration: id.SecretGeneration, GrantType: grantTypeCredentials}
	if err := s.Store.NewGrant(ctx, draft); err != nil {
		return nil, err
	}
	requester.SetID(id.ID)
	return unitOf(ctx, requester)
}

func (s *Strategy) describe(ctx context.Context, session *Session, client *Client, u *unit) error {
	if u == nil {
		session.describeClient(client, client.GetID())
		return nil
	}
	g := u.grant()
	subject, err := s.Store.subject(ctx, client, g.User)
	if err != nil {
		return err
	}
	session.describe(g, client, subject)
	return nil
}

// GenerateRefreshToken derives the current refresh token of the grant; for a new grant it is the first one.
func (s *Strategy) GenerateRefreshToken(ctx context.Context, requester fosite.Requester) (token, signature string, err error) {
	u, err := unitOf(ctx, requester)
	if err != nil {
		return "", "", err
	}
	token, err = s.Store.currentRefreshToken(ctx, u.grant())
	return token, token, err
}

// GenerateAuthorizeCode derives the code of the grant from NewGrant.
func (s *Strategy) GenerateAuthorizeCode(ctx context.Context, requester fosite.Requester) (token, signature string, err error) {
	u, err := unitOf(ctx, requester)
	if err != nil {
		return "", "", err
	}
	g := u.grant()
	token, err = s.Store.seal(ctx, kindCode, handle{generation: g.SecretGeneration, grant: g.ID})
	return token, token, err
}

// AccessTokenSignature returns the token.
func (s *Strategy) AccessTokenSignature(_ context.Context, token string) string { return token }

// RefreshTokenSignature returns the token.
func (s *Strategy) RefreshTokenSignature(_ context.Context, token string) string { return token }

// AuthorizeCodeSignature returns the code.
func (s *Strategy) AuthorizeCodeSignature(_ context.Context, code string) string { return code }

// ValidateAccessToken returns nil: GetAccessTokenSession has already checked the token.
func (s *Strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error { return nil }

// ValidateRefreshToken returns nil: GetRefreshTokenSession has already checked the token.
func (s *Strategy) ValidateRefreshToken(context.Context, fosite.Requester, string) error { return nil }

// ValidateAuthorizeCode returns nil: GetAuthorizeCodeSession has already checked the code.
func (s *Strategy) ValidateAuthorizeCode(context.Context, fosite.Requester, string) error { return nil }
