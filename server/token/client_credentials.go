package token

import (
	"context"
	"slices"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/storage/oauth2"
)

// credentialsGrant is client_credentials (RFC 6749 §4.4): a client gets an access token for itself. A JWT belongs to no grant,
// so that the store is not used. An opaque token has a grant without a user.
type credentialsGrant struct {
	store   *oauth2.Store
	tokens  fositeoauth2.AccessTokenStrategy
	targets target.Targets
}

var _ fosite.TokenEndpointHandler = (*credentialsGrant)(nil)

// ClientCredentials returns the factory of the client_credentials grant.
func ClientCredentials(store *oauth2.Store, strategy *Strategy, targets target.Targets) compose.Factory {
	return func(fosite.Configurator, any, any) any {
		return &credentialsGrant{store: store, tokens: strategy, targets: targets}
	}
}

// CanHandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (*credentialsGrant) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne(string(fosite.GrantTypeClientCredentials))
}

// CanSkipClientAuth implements fosite.TokenEndpointHandler. This grant consists of the client's authentication.
func (*credentialsGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler. It checks the requested scopes and audience and writes
// them into the request.
func (g *credentialsGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok || client.IsPublic() {
		return endpoint.NewError(fosite.ErrUnauthorizedClient, "This client is public: it has no credentials to get a token for (RFC 6749 section 4.4).")
	}
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return errNoRequest
	}
	selected, err := g.targets.Requested(ctx, issuer, client, request.GetRequestForm())
	if err != nil {
		return err
	}
	scopes, err := ownScopes(selected, request.GetRequestedScopes())
	if err != nil {
		return err
	}
	if err := useTarget(request, selected, scopes); err != nil {
		return err
	}
	for _, scope := range scopes {
		request.GrantScope(scope)
	}
	for _, audience := range selected.Audience(scopes) {
		request.GrantAudience(audience)
	}
	return nil
}

// PopulateTokenEndpointResponse implements fosite.TokenEndpointHandler. The response is an access token only (RFC 6749
// §4.4.3).
func (g *credentialsGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	token, signature, err := g.tokens.GenerateAccessToken(ctx, request)
	if err != nil {
		return err
	}
	if err := g.store.CreateAccessTokenSession(ctx, signature, request); err != nil {
		return err
	}
	response.SetAccessToken(token)
	response.SetTokenType("bearer")
	response.SetExpiresIn(fosite.GetEffectiveLifespan(request.GetClient(), fosite.GrantTypeClientCredentials, fosite.AccessToken, fallbackTokenLife))
	if scopes := request.GetGrantedScopes(); len(scopes) > 0 {
		response.SetScopes(scopes)
	}
	return nil
}

// ownScopes returns the scopes of a client's own token: the requested ones, or the defaults (RFC 6749 §3.3). Scopes about a user
// are excluded.
func ownScopes(selected *target.Selection, asked []string) ([]string, error) {
	allowed := slices.DeleteFunc(slices.Clone(selected.Scopes(nil)), ofUser)
	if len(asked) == 0 {
		return endpoint.Intersection(selected.AllDefaultScopes(), allowed), nil
	}
	if slices.Contains(asked, endpoint.ScopeOpenID) {
		return nil, endpoint.NewError(fosite.ErrInvalidScope, "A client that acts for itself has no user: leave out the scope openid.")
	}
	return endpoint.RegisteredScopes(asked, allowed)
}

// ofUser reports whether a scope is about a user.
func ofUser(scope string) bool { return slices.Contains(endpoint.ScopesSupported(), scope) }
