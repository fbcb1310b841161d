package token

import (
	"context"
	"net/url"
	"slices"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage/oauth2"
)

// credentialsGrant is client_credentials (RFC 6749 §4.4): a client gets an access token for itself. A JWT belongs to no grant,
// so that the store is not used. An opaque token has a grant without a user.
type credentialsGrant struct {
	store  *oauth2.Store
	tokens fositeoauth2.AccessTokenStrategy
}

var _ fosite.TokenEndpointHandler = (*credentialsGrant)(nil)

// ClientCredentials returns the factory of the client_credentials grant.
func ClientCredentials(store *oauth2.Store, strategy *Strategy) compose.Factory {
	return func(fosite.Configurator, any, any) any { return &credentialsGrant{store: store, tokens: strategy} }
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
func (g *credentialsGrant) HandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) error {
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok || client.IsPublic() {
		return endpoint.NewError(fosite.ErrUnauthorizedClient, "This client is public: it has no credentials to get a token for (RFC 6749 section 4.4).")
	}
	scopes, err := ownScopes(client, request.GetRequestedScopes())
	if err != nil {
		return err
	}
	audience, err := ownAudience(client, request.GetRequestForm())
	if err != nil {
		return err
	}
	for _, scope := range scopes {
		request.GrantScope(scope)
	}
	for _, target := range audience {
		request.GrantAudience(target)
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

// ownScopes returns the scopes of a client's own token: the requested ones, or the client's defaults (RFC 6749 §3.3). Scopes
// about a user are excluded.
func ownScopes(client *oauth2.Client, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return slices.DeleteFunc(client.DefaultScopes(), func(scope string) bool {
			return ofUser(scope) || !slices.Contains(client.GetScopes(), scope)
		}), nil
	}
	if slices.Contains(asked, endpoint.ScopeOpenID) {
		return nil, endpoint.NewError(fosite.ErrInvalidScope, "A client that acts for itself has no user: leave out the scope openid.")
	}
	return endpoint.RegisteredScopes(asked, slices.DeleteFunc(slices.Clone(client.GetScopes()), ofUser))
}

// ofUser reports whether a scope is about a user.
func ofUser(scope string) bool { return slices.Contains(endpoint.ScopesSupported(), scope) }

// ownAudience returns the audience of the token: the requested resource and audience (RFC 8707 §2), or the client's default.
func ownAudience(client *oauth2.Client, form url.Values) ([]string, error) {
	targets, err := endpoint.RequestedAudience(form, client.GetAudience())
	if err != nil || len(targets) > 0 {
		return targets, err
	}
	return client.DefaultAudience(), nil
}
