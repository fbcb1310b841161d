package oauth2

import (
	"context"
	"time"

	"github.com/ory/fosite"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"

	"github.com/minifed/minifed/storage"
)

// Strategy makes codes and tokens for fosite. Codes and refresh tokens are handles; so are the access tokens of clients that
// want them opaque, and JWT makes those of the others.
//
// What fosite calls the signature of a token is the token itself: the store checks its MAC, and unlike fosite's signature
// methods it can say that the token secrets are out of reach.
type Strategy struct {
	Store *Store
	// JWT signs access tokens: only GenerateAccessToken is called, with a *Session that says what they hold.
	JWT fositeoauth2.AccessTokenStrategy
}

var _ fositeoauth2.CoreStrategy = (*Strategy)(nil)

// GenerateAccessToken fills the session from the grant and makes an access token.
func (s *Strategy) GenerateAccessToken(ctx context.Context, requester fosite.Requester) (token, signature string, err error) {
	session, err := sessionOf(requester)
	if err != nil {
		return "", "", err
	}
	client, err := clientOf(requester)
	if err != nil {
		return "", "", err
	}
	// 1. Of which grant it is.
	u, err := s.unit(ctx, client, requester)
	if err != nil {
		return "", "", err
	}
	if err := s.describe(ctx, session, client, u); err != nil {
		return "", "", err
	}
	// 2. What tells it from the grant's other tokens.
	random, err := s.Store.random(jtiSize)
	if err != nil {
		return "", "", err
	}
	session.jti = tokenID(session.grant, random)
	if session.GetExpiresAt(fosite.AccessToken).IsZero() {
		session.SetExpiresAt(fosite.AccessToken, s.Store.TokenTime().Add(client.lifetimes.AccessToken).Truncate(time.Second))
	}
	// 3. How it looks.
	if client.record.OpaqueAccessTokens {
		token, err = s.Store.opaque(ctx, u.grant(), requester, session.GetExpiresAt(fosite.AccessToken), random)
		return token, token, err
	}
	return s.JWT.GenerateAccessToken(ctx, requester)
}

// unit returns the grant that the token is of: nil for the JWT that a client gets for itself. If that is to be opaque it needs
// a grant as well, because only the store can say what it is worth.
func (s *Strategy) unit(ctx context.Context, client *Client, requester fosite.Requester) (*unit, error) {
	if !forItself(requester) {
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
	if err := s.Store.Draft(ctx, draft); err != nil {
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

// GenerateRefreshToken derives the refresh token that the grant has now, the first one for a grant that is being made.
func (s *Strategy) GenerateRefreshToken(ctx context.Context, requester fosite.Requester) (token, signature string, err error) {
	u, err := unitOf(ctx, requester)
	if err != nil {
		return "", "", err
	}
	token, err = s.Store.currentRefreshToken(ctx, u.grant())
	return token, token, err
}

// GenerateAuthorizeCode derives the code of the grant that Draft announced.
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

// ValidateAccessToken accepts what GetAccessTokenSession found: that has checked everything.
func (s *Strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error { return nil }

// ValidateRefreshToken accepts what GetRefreshTokenSession found: that has checked everything.
func (s *Strategy) ValidateRefreshToken(context.Context, fosite.Requester, string) error { return nil }

// ValidateAuthorizeCode accepts what GetAuthorizeCodeSession found: that has checked everything.
func (s *Strategy) ValidateAuthorizeCode(context.Context, fosite.Requester, string) error { return nil }
