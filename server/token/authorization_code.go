package token

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/ory/fosite"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/storage/oauth2"
)

// CodeGrant is the authorization_code grant (RFC 6749 §4.1.3, RFC 7636 §4.6, OpenID Connect Core §3.1.3): fosite's handlers in
// one unit of work. Redeeming the code is the last step that can fail, so that a client can repeat a failed request.
type CodeGrant struct {
	store    *oauth2.Store
	explicit *fositeoauth2.AuthorizeExplicitGrantHandler
	pkce     *pkce.Handler
	tokens   *Strategy
}

var (
	_ fosite.AuthorizeEndpointHandler = (*CodeGrant)(nil)
	_ fosite.TokenEndpointHandler     = (*CodeGrant)(nil)
)

// NewCodeGrant returns the authorization_code grant.
func NewCodeGrant(config *Configuration, store *oauth2.Store, strategy *Strategy, targets target.Targets) *CodeGrant {
	records := codeStorage{store, targets}
	return &CodeGrant{
		store: store,
		explicit: &fositeoauth2.AuthorizeExplicitGrantHandler{
			AccessTokenStrategy: strategy, RefreshTokenStrategy: strategy, AuthorizeCodeStrategy: strategy,
			CoreStorage: records, TokenRevocationStorage: store, Config: codeConfig{config},
		},
		pkce:   &pkce.Handler{AuthorizeCodeStrategy: strategy, Storage: store, Config: config},
		tokens: strategy,
	}
}

// Factory returns the grant as a handler for the dispatcher.
func (g *CodeGrant) Factory(fosite.Configurator, any, any) any { return g }

// codeConfig is the configuration of this grant. Its refresh token does not require offline_access, unlike a mini-program's:
// without that scope the token ends with the browser session.
type codeConfig struct{ *Configuration }

// GetRefreshTokenScopes implements fosite.RefreshTokenScopesProvider.
func (codeConfig) GetRefreshTokenScopes(context.Context) []string { return nil }

// GetRedirectSecureChecker implements fosite.RedirectSecureCheckerProvider. Registration checks redirect URIs, and the
// authorization endpoint compares them before it issues a code.
func (codeConfig) GetRedirectSecureChecker(context.Context) func(context.Context, *url.URL) bool {
	return func(context.Context, *url.URL) bool { return true }
}

// HandleAuthorizeEndpointRequest implements fosite.AuthorizeEndpointHandler.
func (g *CodeGrant) HandleAuthorizeEndpointRequest(ctx context.Context, request fosite.AuthorizeRequester, response fosite.AuthorizeResponder) error {
	if err := g.explicit.HandleAuthorizeEndpointRequest(ctx, request, response); err != nil {
		return err
	}
	return g.pkce.HandleAuthorizeEndpointRequest(ctx, request, response)
}

// CanHandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (g *CodeGrant) CanHandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) bool {
	return g.explicit.CanHandleTokenEndpointRequest(ctx, request)
}

// CanSkipClientAuth implements fosite.TokenEndpointHandler.
func (g *CodeGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler. It checks the code and that this client requested it.
func (g *CodeGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	if request.GetRequestForm().Get("code") == "" {
		return endpoint.NewError(fosite.ErrInvalidRequest, "The parameter code is missing.")
	}
	if err := g.explicit.HandleTokenEndpointRequest(ctx, request); err != nil {
		return err
	}
	if err := g.pkce.HandleTokenEndpointRequest(ctx, request); err != nil {
		return err
	}
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return fmt.Errorf("token: client is %T", request.GetClient())
	}
	// fosite uses its own clock.
	request.GetSession().SetExpiresAt(fosite.AccessToken, g.store.TokenTime().Add(client.Lifetimes().AccessToken))
	return nil
}

// PopulateTokenEndpointResponse implements fosite.TokenEndpointHandler.
func (g *CodeGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	ctx, err := g.store.BeginTX(ctx)
	if err != nil {
		return err
	}
	if err := g.populate(ctx, request, response); err != nil {
		return errors.Join(err, g.store.Rollback(ctx))
	}
	if err := g.store.Commit(ctx); err != nil {
		return fosite.ErrServerError.WithWrap(err) // As fosite's handler does; the error writer unwraps it.
	}
	return nil
}

func (g *CodeGrant) populate(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if err := g.explicit.PopulateTokenEndpointResponse(ctx, request, response); err != nil {
		return err
	}
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return fmt.Errorf("token: client is %T", request.GetClient())
	}
	response.SetExpiresIn(client.Lifetimes().AccessToken)
	if !slices.Contains(request.GetGrantedScopes(), endpoint.ScopeOpenID) {
		return nil
	}
	authorized, err := g.store.GetOpenIDConnectSession(ctx, request.GetRequestForm().Get("code"), request)
	if err != nil {
		return err
	}
	idToken, err := g.tokens.GenerateIDToken(ctx, client.Lifetimes().IDToken, authorized)
	if err != nil {
		return err
	}
	response.SetExtra("id_token", idToken)
	return nil
}

// codeStorage is the store for fosite's handler, without the unit of work, which is CodeGrant's. It narrows audience and scopes to
// those of the token request (RFC 8707 §2.2).
type codeStorage struct {
	fositeoauth2.CoreStorage
	targets target.Targets
}

// GetAuthorizeCodeSession implements fosite's AuthorizeCodeStorage.
func (s codeStorage) GetAuthorizeCodeSession(ctx context.Context, code string, session fosite.Session) (fosite.Requester, error) {
	authorized, err := s.CoreStorage.GetAuthorizeCodeSession(ctx, code, session)
	if err != nil {
		return authorized, err
	}
	asking, ok := ctx.Value(fosite.AccessRequestContextKey).(fosite.AccessRequester)
	request, isRequest := authorized.(*fosite.Request)
	if !ok || !isRequest {
		return authorized, nil
	}
	return request, s.narrow(ctx, request, asking)
}

// narrow reduces an authorized request to what a token request may have of it.
func (s codeStorage) narrow(ctx context.Context, authorized *fosite.Request, asking fosite.AccessRequester) error {
	client, ok := authorized.Client.(*oauth2.Client)
	if !ok {
		return fmt.Errorf("token: client is %T", authorized.Client)
	}
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return errNoRequest
	}
	selected, err := s.targets.Granted(ctx, issuer, client, asking.GetRequestForm(), authorized.GrantedAudience)
	if errors.Is(err, target.ErrNothingLeft) {
		return endpoint.InvalidTarget("The client may not ask for tokens any more for what the authorization request was granted.")
	}
	if err != nil {
		return err
	}
	scopes := endpoint.Intersection(authorized.GrantedScope, selected.Scopes(authorized.GrantedScope))
	if err := useTarget(asking, selected, scopes); err != nil {
		return err
	}
	audience := selected.Audience(nil)
	authorized.GrantedScope, authorized.RequestedAudience, authorized.GrantedAudience = scopes, audience, audience
	return nil
}
