package token

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// idTokenType is the header "typ" of an ID token (RFC 7519 §5.1).
const idTokenType = "JWT"

// idClaims are the claims of an ID token (OpenID Connect Core §2). Claims about the user are at the UserInfo endpoint (§5.4),
// and also here if the client's request or setting includes them.
type idClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	Party     string   `json:"azp"`
	ExpiresAt int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	Nonce     string   `json:"nonce,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	// TokenHash binds the access token that is issued with it (§3.1.3.6).
	TokenHash string `json:"at_hash,omitempty"`
	SessionID string `json:"sid,omitempty"`
	FormerSub any    `json:"urn:minifed:former_sub,omitempty"`
	// ID contains the client's incarnation: see newIDTokenID. Only that client can use the token as a hint.
	ID string `json:"jti"`

	// user are claims about the user: see IDTokens.userClaims.
	user map[string]any
}

// IDTokens issues ID tokens. It replaces fosite's strategy, which reads parameters of the authorization endpoint at the token
// endpoint, uses SHA-256 for every algorithm, and adds a claim "rat".
type IDTokens struct {
	Keys   *keys.Ring
	Store  *oauth2.Store
	Now    func() time.Time
	Random io.Reader
}

// GenerateIDToken implements fosite's OpenIDConnectTokenStrategy.
func (t IDTokens) GenerateIDToken(ctx context.Context, lifespan time.Duration, requester fosite.Requester) (string, error) {
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return "", errNoRequest
	}
	session, ok := requester.GetSession().(*oauth2.Session)
	if !ok {
		return "", fmt.Errorf("token: session is %T", requester.GetSession())
	}
	id, err := newIDTokenID(t.Random, endpoint.IncarnationOf(requester.GetClient()))
	if err != nil {
		return "", err
	}
	described := session.IDTokenClaims()
	algorithm, _ := session.IDTokenHeaders().Get("alg").(string)
	client, now := requester.GetClient().GetID(), t.Now()
	claims := idClaims{
		Issuer:    issuer.URL,
		Subject:   described.Subject,
		Audience:  client,
		Party:     client,
		ExpiresAt: now.Add(lifespan).Unix(),
		IssuedAt:  now.Unix(),
		Nonce:     cmp.Or(described.Nonce, requester.GetRequestForm().Get("nonce")),
		ACR:       described.AuthenticationContextClassReference,
		AMR:       described.AuthenticationMethodsReferences,
		ID:        id,
	}
	if !described.AuthTime.IsZero() {
		claims.AuthTime = described.AuthTime.Unix()
	}
	if response, ok := ctx.Value(fosite.AccessResponseContextKey).(fosite.AccessResponder); ok {
		claims.TokenHash = grants.AccessTokenHash(algorithm, response.GetAccessToken())
	}
	claims.SessionID, _ = described.Extra["sid"].(string)
	claims.FormerSub = described.Extra[oauth2.ClaimFormerSub]
	if claims.user, err = t.userClaims(ctx, ClaimsOf(issuer.Directory), session, requester); err != nil {
		return "", err
	}
	payload, err := claims.encode()
	if err != nil {
		return "", fmt.Errorf("token: encode claims: %w", err)
	}
	return t.Keys.Sign(ctx, issuer.Directory.ID, algorithm, idTokenType, payload)
}

// userClaims returns the claims about the user: those of the granted scopes, if the client's setting includes them in ID tokens, and
// those of the claims parameter.
func (t IDTokens) userClaims(ctx context.Context, of UserClaims, session *oauth2.Session, requester fosite.Requester) (map[string]any, error) {
	client, ok := requester.GetClient().(*oauth2.Client)
	scoped := ok && client.IDTokenClaims()
	grant, asked := session.RequestedClaims()
	if len(asked) == 0 && !scoped {
		return nil, nil
	}
	live, err := t.Store.ActiveGrant(ctx, grant)
	if err != nil {
		return nil, err
	}
	user := WithPlaceholder(live.User, live.Client.Record(), live.Subject)
	claims := map[string]any{}
	if scoped {
		claims = of.scoped(user, requester.GetGrantedScopes())
	}
	maps.Copy(claims, of.idToken(asked, user))
	return claims, nil
}

// encode returns the claims as JSON. It omits claims about the user that do not fit: UserInfo returns them.
func (c idClaims) encode() ([]byte, error) {
	own, err := json.Marshal(c)
	if err != nil || len(c.user) == 0 {
		return own, err
	}
	optional := maps.Clone(c.user)
	for {
		all := maps.Clone(optional)
		if err := json.Unmarshal(own, &all); err != nil { // The token's own claims override claims about the user.
			return nil, err
		}
		payload, err := json.Marshal(all)
		if err != nil || len(payload) <= maxIDTokenPayload || len(optional) == 0 {
			return payload, err
		}
		delete(optional, leastImportant(optional))
	}
}

// Strategy combines the strategies that fosite's handlers require.
type Strategy struct {
	*oauth2.Strategy
	IDTokens
}
