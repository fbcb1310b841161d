package token

import (
	"context"
	"errors"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/token/jwt"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// Configuration is fosite's configuration. What differs between directories it reads from the context, so that one provider
// serves all of them.
type Configuration struct {
	*fosite.Config
	TokenPath string
}

var _ fosite.Configurator = (*Configuration)(nil)

// GetIDTokenIssuer implements fosite.IDTokenIssuerProvider: the issuer of the request's directory.
func (c *Configuration) GetIDTokenIssuer(ctx context.Context) string { return endpoint.IssuerURL(ctx) }

// GetAccessTokenIssuer implements fosite.AccessTokenIssuerProvider: the same.
func (c *Configuration) GetAccessTokenIssuer(ctx context.Context) string {
	return endpoint.IssuerURL(ctx)
}

// GetTokenURLs implements fosite.TokenURLProvider.
func (c *Configuration) GetTokenURLs(ctx context.Context) []string {
	return []string{endpoint.IssuerURL(ctx), endpoint.IssuerURL(ctx) + c.TokenPath}
}

// The lifetimes that fosite falls back to. Clients have lifetimes of their own (oauth2.Client), so these only keep a missing
// one from becoming fosite's hour.
const (
	fallbackTokenLife   = 10 * time.Minute
	fallbackRefreshLife = 7 * 24 * time.Hour
	fallbackCodeLife    = time.Minute
)

// NewFositeConfig sets every field of fosite's configuration, because what is left out would be decided by fosite.
func NewFositeConfig(authenticate fosite.ClientAuthenticationStrategy) *fosite.Config {
	return &fosite.Config{
		// Lifetimes follow from the client and its directory.
		AccessTokenLifespan:   fallbackTokenLife,
		IDTokenLifespan:       fallbackTokenLife,
		RefreshTokenLifespan:  fallbackRefreshLife,
		AuthorizeCodeLifespan: fallbackCodeLife,

		// The issuers depend on the directory: see configurator.
		IDTokenIssuer:     "",
		AccessTokenIssuer: "",
		TokenURL:          "",

		// The client's own method, and one only; private keys are fetched by a client that is guarded.
		ClientAuthenticationStrategy: authenticate,
		// Secrets are verified there, so that fosite's bcrypt (70 ms and more) is never asked.
		ClientSecretsHasher: noHasher{},
		HashCost:            0,
		// Only fosite's own client authentication and request objects would fetch anything, and neither is reachable.
		JWKSFetcherStrategy: nil,
		HTTPClient:          nil,

		// Wildcards would let "OPENID" and "a.*" pass.
		ScopeStrategy: fosite.ExactScopeStrategy,
		// A prefix match would make the root issuer the audience of every directory.
		AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
		// Without offline_access a mini-program has no refresh token: there is no browser session it could end with.
		RefreshTokenScopes: []string{endpoint.ScopeOfflineAccess},
		// A refresh token shown to introspection must not look like an access token.
		DisableRefreshTokenValidation: true,

		// PKCE is decided per client, where the authorization request is (RFC 9700 §2.1.1); plain protects against nobody.
		EnforcePKCE:                    false,
		EnforcePKCEForPublicClients:    true,
		EnablePKCEPlainChallengeMethod: false,
		AllowedPromptValues:            []string{"none", "login", "consent", "select_account", "create"},
		// Custom schemes are registered per client and compared exactly; what is secure is decided at registration.
		RedirectSecureChecker: fosite.IsRedirectURISecureStrict,
		// Short states and nonces are the client's affair (OpenID Connect Core asks for no length).
		MinParameterEntropy:          1,
		OmitRedirectScopeParam:       true,
		ResponseModeHandlerExtension: nil,
		FormPostHTMLTemplate:         nil,
		// What a code needs later is stored by storage/oauth2 by name; redirect_uri must be among it or is never compared.
		SanitationWhiteList: oauth2.CodeParameters(),
		// PAR is required per client.
		IsPushedAuthorizeEnforced:       false,
		PushedAuthorizeRequestURIPrefix: "urn:ietf:params:oauth:request_uri:",
		PushedAuthorizeContextLifespan:  fallbackCodeLife,

		// The error writer of this package writes errors; debug texts are for the log.
		SendDebugMessagesToClients: false,
		UseLegacyErrorFormat:       false,
		MessageCatalog:             nil,
		JWTScopeClaimKey:           jwt.JWTScopeFieldString, // RFC 9068 §2.2.3: "scope", a string.

		// Handles are made by storage/oauth2 from the directory's token secrets, never from a global one.
		GlobalSecret:         nil,
		RotatedGlobalSecrets: nil,
		HMACHasher:           nil,
		TokenEntropy:         32,

		// Not offered: device grant, JWT bearer grant, verifiable credentials.
		DeviceAndUserCodeLifespan:            0,
		DeviceAuthTokenPollingInterval:       0,
		DeviceVerificationURL:                "",
		UserCodeLength:                       0,
		UserCodeSymbols:                      nil,
		GrantTypeJWTBearerCanSkipClientAuth:  false,
		GrantTypeJWTBearerIDOptional:         false,
		GrantTypeJWTBearerIssuedDateOptional: false,
		GrantTypeJWTBearerMaxDuration:        0,
		VerifiableCredentialsNonceLifespan:   0,

		// The token endpoint has one handler, which dispatches, and the authorization endpoint that of the grant
		// authorization_code; both are filled in. The other endpoints call no list of handlers.
		AuthorizeEndpointHandlers:       nil,
		TokenEndpointHandlers:           nil,
		TokenIntrospectionHandlers:      nil,
		RevocationHandlers:              nil,
		PushedAuthorizeEndpointHandlers: nil,
		DeviceEndpointHandlers:          nil,
	}
}

// noHasher stands where fosite wants a hasher of client secrets.
type noHasher struct{}

var errNoHasher = errors.New("server: client secrets are not verified by fosite")

// Compare implements fosite.Hasher: nothing matches.
func (noHasher) Compare(context.Context, []byte, []byte) error { return errNoHasher }

// Hash implements fosite.Hasher.
func (noHasher) Hash(context.Context, []byte) ([]byte, error) { return nil, errNoHasher }

// Grants are the grants of the token endpoint by grant type. Several factories for one type run in their order.
type Grants map[string][]compose.Factory

// NewProvider puts fosite together: its requests and responses, our storage, strategy and client authentication, and one
// handler that dispatches by grant type.
func NewProvider(config *Configuration, store *oauth2.Store, tokens any, factories Grants) (*fosite.Fosite, *Dispatcher, error) {
	dispatch, err := newDispatcher(config, store, tokens, factories)
	if err != nil {
		return nil, nil, err
	}
	config.TokenEndpointHandlers = fosite.TokenEndpointHandlers{dispatch}
	return fosite.NewOAuth2Provider(store, config), dispatch, nil
}
