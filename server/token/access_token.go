package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

const (
	// accessTokenType is the header "typ" of an access token (RFC 9068 §2.1). ID tokens have "JWT", so that the two are not
	// confused.
	accessTokenType = "at+jwt"
	// accessTokenUse is the claim token_use of access tokens whose "typ" is JWT. No other token has the claim.
	accessTokenUse = "access"
)

// accessClaims are the claims of an access token (RFC 9068 §2.2).
type accessClaims struct {
	Issuer    string            `json:"iss"`
	Subject   string            `json:"sub"`
	Audience  endpoint.Audience `json:"aud"`
	ClientID  string            `json:"client_id"`
	ExpiresAt int64             `json:"exp"`
	IssuedAt  int64             `json:"iat"`
	// ID is the ID of the grant, so that a resource server can check whether the grant is still active.
	ID       string   `json:"jti"`
	Scope    string   `json:"scope,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	// Incarnation is that of the client, in a token of the client itself, which has no grant.
	Incarnation string `json:"urn:minifed:client_incarnation,omitempty"`
	// TokenUse is accessTokenUse in a token whose "typ" is JWT.
	TokenUse string `json:"token_use,omitempty"`
}

// isAccessToken reports whether the header "typ" and the claims are those of an access token. An ID token never is one.
func (c accessClaims) isAccessToken(typ string) bool {
	return typ == accessTokenType || typ == idTokenType && c.TokenUse == accessTokenUse
}

// AccessTokens signs and verifies access tokens that are JWTs.
type AccessTokens struct {
	Keys *keys.Ring
	Now  func() time.Time
}

// GenerateAccessToken implements fosite's AccessTokenStrategy for oauth2.Strategy, which set the session's claims.
func (t AccessTokens) GenerateAccessToken(ctx context.Context, requester fosite.Requester) (token, signature string, err error) {
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return "", "", errNoRequest
	}
	session, ok := requester.GetSession().(*oauth2.Session)
	if !ok {
		return "", "", fmt.Errorf("token: session is %T", requester.GetSession())
	}
	client, ok := requester.GetClient().(*oauth2.Client)
	if !ok {
		return "", "", fmt.Errorf("token: client is %T", requester.GetClient())
	}
	subject := session.IDTokenClaims()
	claims := accessClaims{
		Issuer:    issuer.URL,
		Subject:   session.GetSubject(),
		Audience:  slices.Clone(endpoint.Audience(requester.GetGrantedAudience())),
		ClientID:  client.GetID(),
		ExpiresAt: session.GetExpiresAt(fosite.AccessToken).Unix(),
		IssuedAt:  t.Now().Unix(),
		ID:        session.JTI(),
		Scope:     strings.Join(client.TokenScopes(requester.GetGrantedScopes()), " "),
		ACR:       subject.AuthenticationContextClassReference,
		AMR:       subject.AuthenticationMethodsReferences,
	}
	if !subject.AuthTime.IsZero() {
		claims.AuthTime = subject.AuthTime.Unix()
	}
	if _, ok := oauth2.GrantOf(claims.ID); !ok {
		claims.Incarnation = client.Record().Incarnation
	}
	algorithm, _ := session.GetJWTHeader().Get("alg").(string)
	typ := accessTokenType
	if client.Record().AccessTokenType == idTokenType {
		typ, claims.TokenUse = idTokenType, accessTokenUse
	}
	token, err = Sign(ctx, t.Keys, issuer, algorithm, typ, claims)
	return token, token, err
}

// AccessTokenSignature implements fosite's AccessTokenStrategy. JWTs are not stored, so that no lookup uses it.
func (AccessTokens) AccessTokenSignature(_ context.Context, token string) string { return token }

// ValidateAccessToken implements fosite's AccessTokenStrategy. fosite validates no access token here; see verify.
func (AccessTokens) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return errors.New("token: fosite validates no access tokens")
}

// errAccessToken means that a text is not a valid access token of this issuer.
var errAccessToken = errors.New("token: not a valid access token")

// verify returns the claims of an unexpired access token that this issuer signed (RFC 9068 §4), or errAccessToken. The caller
// checks the grant and the audience.
func (t AccessTokens) verify(ctx context.Context, issuer *oauth2.Issuer, token string) (accessClaims, error) {
	verified, err := t.Keys.Verify(ctx, issuer.Directory.ID, token)
	if errors.Is(err, keys.ErrInvalid) {
		return accessClaims{}, fmt.Errorf("%w: %w", errAccessToken, err)
	}
	if err != nil {
		return accessClaims{}, err
	}
	var claims accessClaims
	switch {
	case json.Unmarshal(verified.Payload, &claims) != nil:
		return accessClaims{}, fmt.Errorf("%w: its claims cannot be read", errAccessToken)
	case !claims.isAccessToken(verified.Type):
		return accessClaims{}, fmt.Errorf("%w: it is of another type", errAccessToken)
	case claims.Issuer != issuer.URL:
		return accessClaims{}, fmt.Errorf("%w: it is another issuer's", errAccessToken)
	case t.Now().Unix() >= claims.ExpiresAt:
		return accessClaims{}, fmt.Errorf("%w: it has expired", errAccessToken)
	case oauth2.IssuedAhead(time.Unix(claims.IssuedAt, 0), t.Now()):
		return accessClaims{}, fmt.Errorf("%w: it was issued by a clock ahead", errAccessToken)
	}
	return claims, nil
}

// Sign returns the compact JWS of claims.
func Sign(ctx context.Context, ring *keys.Ring, issuer *oauth2.Issuer, algorithm, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("token: encode claims: %w", err)
	}
	return ring.Sign(ctx, issuer.Directory.ID, algorithm, typ, payload)
}
