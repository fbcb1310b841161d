package oauth2

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
)

// Clients looks up clients.
type Clients interface {
	// Client returns a client of a directory, also a disabled one, or storage.ErrNotFound. The result is shared and must not be
	// changed; it may be some seconds old.
	Client(ctx context.Context, directory, id string) (*Client, error)
	// FreshClient is Client with a read of the store.
	FreshClient(ctx context.Context, directory, id string) (*Client, error)
}

// Client adapts a client's record to fosite. It is immutable and safe for concurrent use.
type Client struct {
	record    storage.Client
	issuer    string
	lifetimes Lifetimes
	scopes    fosite.Arguments
	audience  fosite.Arguments
	jwks      *keySet
	// target is nil unless the client is that of one token for resources.
	target *TokenTarget
}

// TokenTarget is what the resources of one token change about it.
type TokenTarget struct {
	// Scopes and Audience may be granted. DefaultScopes are granted to a request without scope, and Audience to one without audience.
	Scopes, DefaultScopes, Audience []string
	// TokenScopes are the scopes that the access token may contain.
	TokenScopes []string
	// Format, Algorithm and Lifetime are those of the access token; zero values are the client's.
	Format    storage.TokenFormat
	Algorithm string
	Lifetime  time.Duration
}

// For returns the client of one token for resources.
func (c *Client) For(target TokenTarget) *Client {
	next := *c
	next.target, next.scopes, next.audience = &target, target.Scopes, target.Audience
	switch target.Format {
	case storage.TokenATJWT:
		next.record.OpaqueAccessTokens, next.record.AccessTokenType = false, ""
	case storage.TokenJWT:
		next.record.OpaqueAccessTokens, next.record.AccessTokenType = false, "JWT"
	case storage.TokenOpaque:
		next.record.OpaqueAccessTokens = true
	}
	next.record.AccessTokenAlgorithm = cmp.Or(target.Algorithm, next.record.AccessTokenAlgorithm)
	next.lifetimes.AccessToken = cmp.Or(target.Lifetime, next.lifetimes.AccessToken)
	return &next
}

// TokenScopes returns the granted scopes that an access token contains: those of its resources (RFC 9068 §2.2.3).
func (c *Client) TokenScopes(granted []string) []string {
	if c.target == nil {
		return granted
	}
	return slices.DeleteFunc(slices.Clone(granted), func(scope string) bool { return !slices.Contains(c.target.TokenScopes, scope) })
}

var (
	_ fosite.ClientWithSecretRotation       = (*Client)(nil)
	_ fosite.OpenIDConnectClient            = (*Client)(nil)
	_ fosite.ResponseModeClient             = (*Client)(nil)
	_ fosite.ClientWithCustomTokenLifespans = (*Client)(nil)
)

// GrantTypeDevice is the grant type of device codes (RFC 8628 §3.4).
const GrantTypeDevice = "urn:ietf:params:oauth:grant-type:device_code"

// The grant types that clients have without registering any (see [NewClient]).
const (
	grantTypeTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantTypeCode          = string(fosite.GrantTypeAuthorizationCode)
	grantTypeRefresh       = string(fosite.GrantTypeRefreshToken)
	grantTypeCredentials   = string(fosite.GrantTypeClientCredentials)
)

// NewClient returns the client of a record of issuer's directory. A record without grant types has those of the client's kind;
// other missing values have the defaults that their fields document. It fails if the record's JWK Set is not valid JSON.
func NewClient(record storage.Client, issuer *Issuer) (*Client, error) {
	jwks, err := parseJWKS(record.JWKS)
	if err != nil {
		return nil, err
	}
	if len(record.GrantTypes) == 0 {
		record.GrantTypes = grantTypes(record.Kind)
	}
	c := &Client{record: record, issuer: issuer.URL, lifetimes: clientLifetimes(record, issuer.Directory), jwks: jwks}
	c.scopes = c.permittedScopes()
	// fosite asks at every refresh whether the client may have the granted audience; what is granted by default must pass.
	for _, value := range slices.Concat(record.Audiences, record.DefaultAudience, []string{issuer.URL}) {
		if !slices.Contains(c.audience, value) {
			c.audience = append(c.audience, value)
		}
	}
	return c, nil
}

func grantTypes(kind storage.ClientKind) []string {
	switch kind {
	case storage.ClientMiniapp:
		return []string{grantTypeTokenExchange, grantTypeRefresh}
	case storage.ClientService:
		return []string{grantTypeCredentials}
	default:
		return []string{grantTypeCode, grantTypeRefresh}
	}
}

// Record returns the record. Its slices and maps are shared and must not be changed.
func (c *Client) Record() storage.Client { return c.record }

// Lifetimes returns the lifetimes of the client's codes, tokens and sessions.
func (c *Client) Lifetimes() Lifetimes { return c.lifetimes }

// ScopeLink is the scope of a token that proves its user to a client which binds accounts. It must be requested explicitly.
const ScopeLink = "urn:minifed:link"

// ScopeAccount is the scope of a token that shows and changes the account of its user. It must be requested explicitly.
const ScopeAccount = "urn:minifed:account"

// DefaultScopes are granted to a request without scope. ScopeLink and ScopeAccount are never among them.
func (c *Client) DefaultScopes() []string {
	if c.target != nil {
		return slices.Clone(c.target.DefaultScopes)
	}
	if len(c.record.DefaultScopes) == 0 && c.record.Kind == storage.ClientMiniapp {
		return []string{"openid", "profile", "offline_access"}
	}
	return slices.DeleteFunc(slices.Clone(c.record.DefaultScopes), func(scope string) bool { return scope == ScopeLink || scope == ScopeAccount })
}

// DefaultAudience is granted to a request without audience and resource: the registered default, or the issuer.
func (c *Client) DefaultAudience() []string {
	if c.target != nil {
		return slices.Clone(c.target.Audience)
	}
	if len(c.record.DefaultAudience) == 0 {
		return []string{c.issuer}
	}
	return slices.Clone(c.record.DefaultAudience)
}

// IDTokenAlgorithm is the signature algorithm of the client's ID tokens (OpenID Connect Registration 1.0 §2: default RS256).
func (c *Client) IDTokenAlgorithm() string { return cmp.Or(c.record.IDTokenAlgorithm, "RS256") }

// IDTokenClaims reports whether ID tokens contain claims of the granted scopes.
func (c *Client) IDTokenClaims() bool {
	return c.record.IDTokenClaims != nil && *c.record.IDTokenClaims
}

// AccessTokenAlgorithm is the signature algorithm of the client's JWT access tokens.
func (c *Client) AccessTokenAlgorithm() string {
	return cmp.Or(c.record.AccessTokenAlgorithm, c.IDTokenAlgorithm())
}

// GetID implements fosite.Client.
func (c *Client) GetID() string { return c.record.ID }

// GetHashedSecret implements fosite.Client: the newest secret's hash.
func (c *Client) GetHashedSecret() []byte {
	if len(c.record.Secrets) == 0 {
		return nil
	}
	return []byte(c.record.Secrets[0])
}

// GetRotatedHashes implements fosite.ClientWithSecretRotation: the hashes of the older secrets that still work.
func (c *Client) GetRotatedHashes() [][]byte {
	var hashes [][]byte
	for _, hash := range c.record.Secrets[min(1, len(c.record.Secrets)):] {
		hashes = append(hashes, []byte(hash))
	}
	return hashes
}

// GetRedirectURIs implements fosite.Client.
func (c *Client) GetRedirectURIs() []string { return c.record.RedirectURIs }

// GetGrantTypes implements fosite.Client.
func (c *Client) GetGrantTypes() fosite.Arguments { return c.record.GrantTypes }

// GetResponseTypes implements fosite.Client: code, for clients that may use it.
func (c *Client) GetResponseTypes() fosite.Arguments {
	if !slices.Contains(c.record.GrantTypes, grantTypeCode) {
		return nil
	}
	return fosite.Arguments{"code"}
}

// GetScopes implements fosite.Client: the scopes that the client may be granted.
func (c *Client) GetScopes() fosite.Arguments { return c.scopes }

// permittedScopes returns the registered scopes. ScopeLink counts only when the operator has confirmed it for this client.
func (c *Client) permittedScopes() fosite.Arguments {
	if len(c.record.Scopes) == 0 {
		return c.DefaultScopes()
	}
	if c.record.AccountLinking || !slices.Contains(c.record.Scopes, ScopeLink) {
		return c.record.Scopes
	}
	return slices.DeleteFunc(slices.Clone(c.record.Scopes), func(scope string) bool { return scope == ScopeLink })
}

// IsPublic implements fosite.Client.
func (c *Client) IsPublic() bool { return c.record.AuthMethod == "none" }

// GetAudience implements fosite.Client: the registered audiences, the default audience and the issuer.
func (c *Client) GetAudience() fosite.Arguments { return c.audience }

// GetRequestURIs implements fosite.OpenIDConnectClient: request objects are not supported.
func (c *Client) GetRequestURIs() []string { return nil }

// GetJSONWebKeysURI implements fosite.OpenIDConnectClient.
func (c *Client) GetJSONWebKeysURI() string { return c.record.JWKSURI }

// GetRequestObjectSigningAlgorithm implements fosite.OpenIDConnectClient: request objects are not supported.
func (c *Client) GetRequestObjectSigningAlgorithm() string { return "" }

// GetTokenEndpointAuthMethod implements fosite.OpenIDConnectClient.
func (c *Client) GetTokenEndpointAuthMethod() string { return c.record.TokenEndpointAuthMethod() }

// GetTokenEndpointAuthSigningAlgorithm implements fosite.OpenIDConnectClient.
func (c *Client) GetTokenEndpointAuthSigningAlgorithm() string { return c.record.AuthAlgorithm }

// GetResponseModes implements fosite.ResponseModeClient.
func (c *Client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeDefault, fosite.ResponseModeQuery, fosite.ResponseModeFormPost}
}

// GetEffectiveLifespan implements fosite.ClientWithCustomTokenLifespans. For a refresh token it is the idle lifetime.
func (c *Client) GetEffectiveLifespan(_ fosite.GrantType, token fosite.TokenType, fallback time.Duration) time.Duration {
	switch token {
	case fosite.AccessToken:
		return c.lifetimes.AccessToken
	case fosite.IDToken:
		return c.lifetimes.IDToken
	case fosite.RefreshToken:
		return c.lifetimes.RefreshIdle
	case fosite.AuthorizeCode:
		return c.lifetimes.Code
	default:
		return fallback
	}
}
