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

// Configuration is fosite's configuration. It reads the settings of a directory from the context, so that one provider serves
// all directories.
type Configuration struct {
	*fosite.Config
	TokenPath string
}

var _ fosite.Configurator = (*Configuration)(nil)

// GetIDTokenIssuer implements fosite.IDTokenIssuerProvider: the issuer of the request's directory.
func (c *Configuration) GetIDTokenIssuer(ctx context.Context) string { return issuerURL(ctx) }

// GetAccessTokenIssuer implements fosite.AccessTokenIssuerProvider: the issuer of the request's directory.
func (c *Configuration) GetAccessTokenIssuer(ctx context.Context) string {
	return issuerURL(ctx)
}

// GetTokenURLs implements fosite.TokenURLProvider.
func (c *Configuration) GetTokenURLs(ctx context.Context) []string {
	return []string{issuerURL(ctx), issuerURL(ctx) + c.TokenPath}
}

// issuerURL returns the issuer of a request; empty outside one.
func issuerURL(ctx context.Context) string {
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return ""
	}
	return issuer.URL
}

// errNoRequest means that a context contains no request.
var errNoRequest = errors.New("token: the context belongs to no request")

// The default lifetimes of fosite. Each client has its own lifetimes (oauth2.Client); these replace fosite's default of one
// hour if one is missing.
const (
	fallbackTokenLife   = 10 * time.Minute
	fallbackRefreshLife = 7 * 24 * time.Hour
	fallbackCodeLife    = time.Minute
)

// NewFositeConfig sets every field of fosite's configuration, so that no default of fosite applies.
func NewFositeConfig(authenticate fosite.ClientAuthenticationStrategy) *fosite.Config {
	return &fosite.Config{
		// Lifetimes follow from the client and its directory.
		AccessTokenLifespan:   fallbackTokenLife,
		IDTokenLifespan:       fallbackTokenLife,
		RefreshTokenLifespan:  fallbackRefreshLife,
		AuthorizeCodeLifespan: fallbackCodeLife,

		// The issuers depend on the directory: see Configuration.
		IDTokenIssuer:     "",
		AccessTokenIssuer: "",
		TokenURL:          "",

		// Only the method that the client registered; its keys are fetched by an HTTP client with SSRF protection.
		ClientAuthenticationStrategy: authenticate,
		// That strategy verifies secrets, so that fosite's bcrypt (70 ms and more) is never used.
		ClientSecretsHasher: noHasher{},
		HashCost:            0,
		// Only fosite's own client authentication and request objects would use them, and neither is reachable.
		JWKSFetcherStrategy: nil,
		HTTPClient:          nil,

		// Wildcards would accept "OPENID" and "a.*".
		ScopeStrategy: fosite.ExactScopeStrategy,
		// A prefix match would make the root issuer the audience of every directory.
		AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
		// Without offline_access a mini-program has no refresh token, because it has no browser session that would end the token.
		RefreshTokenScopes: []string{endpoint.ScopeOfflineAccess},
		// Introspection of a refresh token must not return an access token.
		DisableRefreshTokenValidation: true,

		// The authorization endpoint requires PKCE per client (RFC 9700 §2.1.1). The method plain gives no protection.
		EnforcePKCE:                    false,
		EnforcePKCEForPublicClients:    true,
		EnablePKCEPlainChallengeMethod: false,
		AllowedPromptValues:            []string{"none", "login", "consent", "select_account", "create"},
		// Custom schemes are registered per client and compared exactly; registration decides which are secure.
		RedirectSecureChecker: fosite.IsRedirectURISecureStrict,
		// The client chooses the length of state and nonce (OpenID Connect Core has no minimum).
		MinParameterEntropy:          1,
		OmitRedirectScopeParam:       true,
		ResponseModeHandlerExtension: nil,
		FormPostHTMLTemplate:         nil,
		// storage/oauth2 stores the parameters that a code needs later. redirect_uri must be one of them, or it is never compared.
		SanitationWhiteList: oauth2.CodeParameters(),
		// PAR is required per client.
		IsPushedAuthorizeEnforced:       false,
		PushedAuthorizeRequestURIPrefix: "urn:ietf:params:oauth:request_uri:",
		PushedAuthorizeContextLifespan:  fallbackCodeLife,

		// Package endpoint writes errors; debug texts are for the log.
		SendDebugMessagesToClients: false,
		UseLegacyErrorFormat:       false,
		MessageCatalog:             nil,
		JWTScopeClaimKey:           jwt.JWTScopeFieldString, // RFC 9068 §2.2.3: "scope", a string.

		// storage/oauth2 creates tokens with the directory's token secrets, never with a global one.
		GlobalSecret:         nil,
		RotatedGlobalSecrets: nil,
		HMACHasher:           nil,
		TokenEntropy:         32,

		// Package device has the device grant. JWT bearer grant and verifiable credentials are not supported.
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

		// The token endpoint has one handler, the dispatcher. The authorization endpoint has that of the grant authorization_code.
		// Both are set later. The other endpoints do not use fosite's handlers.
		AuthorizeEndpointHandlers:       nil,
		TokenEndpointHandlers:           nil,
		TokenIntrospectionHandlers:      nil,
		RevocationHandlers:              nil,
		PushedAuthorizeEndpointHandlers: nil,
		DeviceEndpointHandlers:          nil,
	}
}

// noHasher satisfies fosite, which requires a hasher of client secrets.
type noHasher struct{}

var errNoHasher = errors.New("token: client secrets are not verified by fosite")

// Compare implements fosite.Hasher. It always fails.
func (noHasher) Compare(context.Context, []byte, []byte) error { return errNoHasher }

// Hash implements fosite.Hasher.
func (noHasher) Hash(context.Context, []byte) ([]byte, error) { return nil, errNoHasher }

// Grants maps grant types to their factories, which run in order.
type Grants map[string][]compose.Factory

// NewProvider returns fosite's provider with our storage, strategy and client authentication, and one handler that dispatches
// by grant type.
func NewProvider(config *Configuration, store *oauth2.Store, tokens any, factories Grants) (*fosite.Fosite, *Dispatcher, error) {
	dispatch, err := newDispatcher(config, store, tokens, factories)
	if err != nil {
		return nil, nil, err
	}
	config.TokenEndpointHandlers = fosite.TokenEndpointHandlers{dispatch}
	return fosite.NewOAuth2Provider(store, config), dispatch, nil
}
