package token

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// RefreshTokenGrant is the refresh_token grant (RFC 6749 §6, OpenID Connect Core §12). It replaces two handlers of fosite.
// These choose the new refresh token before the rotation succeeds, so that one of two concurrent requests gets an invalid token;
// and they do not support narrowing.
//
// Everything else that can fail is done before the rotation, which is the only write.
type RefreshTokenGrant struct {
	Store         *oauth2.Store
	AccessTokens  fositeoauth2.AccessTokenStrategy
	RefreshTokens fositeoauth2.RefreshTokenStrategy
	IDTokens      openid.OpenIDConnectTokenStrategy
	Targets       target.Targets
}

var _ fosite.TokenEndpointHandler = (*RefreshTokenGrant)(nil)

// RefreshFactory returns the factory of the refresh_token grant.
func RefreshFactory(store *oauth2.Store, strategy *Strategy, targets target.Targets) compose.Factory {
	return func(fosite.Configurator, any, any) any {
		return &RefreshTokenGrant{Store: store, AccessTokens: strategy, RefreshTokens: strategy, IDTokens: strategy, Targets: targets}
	}
}

// CanHandleTokenEndpointRequest reports whether the request is a refresh.
func (h *RefreshTokenGrant) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne(string(fosite.GrantTypeRefreshToken))
}

// CanSkipClientAuth reports that the client has to authenticate.
func (h *RefreshTokenGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

// HandleTokenEndpointRequest checks the refresh token and writes scopes and audience of the new tokens into the request.
func (h *RefreshTokenGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	if !h.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	// 1. Check the client.
	client := request.GetClient()
	if !slices.Contains(client.GetGrantTypes(), string(fosite.GrantTypeRefreshToken)) {
		return fosite.ErrUnauthorizedClient.WithHint("The client may not use the grant type refresh_token.")
	}
	form := request.GetRequestForm()
	token := form.Get("refresh_token")
	if token == "" {
		return fosite.ErrInvalidRequest.WithHint("refresh_token is missing.")
	}
	// 2. Check the token.
	granted, err := h.Store.GetRefreshTokenSession(ctx, token, request.GetSession())
	if err != nil {
		return h.reject(ctx, token, err)
	}
	// 3. Narrow to what is requested, was granted, and is still allowed for the client.
	request.SetID(granted.GetID())
	selected, err := h.selected(ctx, request, granted)
	if err != nil {
		return err
	}
	scopes, err := refreshedScopes(request.GetRequestedScopes(), granted, selected.Scopes(granted.GetGrantedScopes()))
	if err != nil {
		return err
	}
	if err := useTarget(request, selected, scopes); err != nil {
		return err
	}
	audience := selected.Audience(nil)
	request.SetRequestedScopes(scopes)
	request.SetRequestedAudience(audience)
	for _, scope := range scopes {
		request.GrantScope(scope)
	}
	for _, target := range audience {
		request.GrantAudience(target)
	}
	form.Del("nonce") // fosite would copy it into the ID token, which must not have one (OpenID Connect Core §12.2).
	return nil
}

// selected returns what a refresh may have of the granted audience.
func (h *RefreshTokenGrant) selected(ctx context.Context, request fosite.AccessRequester, granted fosite.Requester) (*target.Selection, error) {
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return nil, refreshError(fmt.Errorf("token: client is %T", request.GetClient()))
	}
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return nil, refreshError(errNoRequest)
	}
	selected, err := h.Targets.Granted(ctx, issuer, client, request.GetRequestForm(), granted.GetGrantedAudience())
	if errors.Is(err, target.ErrNothingLeft) {
		return nil, refreshError(fmt.Errorf("%w: %w", oauth2.ErrNoGrant, err))
	}
	return selected, err
}

// refreshedScopes returns the scopes of a refresh: the granted ones that the client may still have. A refresh may request any
// scope of the original request; it gets those that were granted.
func refreshedScopes(named []string, granted fosite.Requester, allowed []string) ([]string, error) {
	named = slices.DeleteFunc(slices.Clone(named), func(scope string) bool { return scope == "" })
	scopes := endpoint.Intersection(granted.GetGrantedScopes(), allowed)
	if len(named) == 0 {
		return scopes, nil
	}
	if others := endpoint.Difference(named, granted.GetRequestedScopes()); len(others) > 0 {
		return nil, endpoint.InvalidScope("The request that this refresh token is from did not ask for the scope", others)
	}
	scopes = endpoint.Intersection(named, scopes)
	if len(scopes) == 0 {
		return nil, endpoint.InvalidScope("Nothing was granted of the scope", named)
	}
	return scopes, nil
}

// PopulateTokenEndpointResponse creates the tokens and rotates the refresh token.
func (h *RefreshTokenGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return refreshError(fmt.Errorf("token: client is %T", request.GetClient()))
	}
	// 1. Steps that can fail and write nothing.
	request.GetSession().SetExpiresAt(fosite.AccessToken, h.Store.TokenTime().Add(client.Lifetimes().AccessToken))
	access, _, err := h.AccessTokens.GenerateAccessToken(ctx, request)
	if err != nil {
		return refreshError(err)
	}
	response.SetAccessToken(access)
	if err := h.issueIDToken(ctx, client, request, response); err != nil {
		return refreshError(err)
	}
	// 2. The rotation, the only write.
	token := request.GetRequestForm().Get("refresh_token")
	if err := h.Store.RotateRefreshToken(ctx, request.GetID(), token); err != nil {
		return h.reject(ctx, token, err)
	}
	// 3. The current refresh token of the grant.
	refresh, _, err := h.RefreshTokens.GenerateRefreshToken(ctx, request)
	if err != nil {
		return refreshError(err)
	}
	response.SetTokenType("bearer")
	response.SetExpiresIn(client.Lifetimes().AccessToken)
	response.SetScopes(request.GetGrantedScopes())
	response.SetExtra("refresh_token", refresh)
	return nil
}

// issueIDToken adds an ID token if openid is granted.
func (h *RefreshTokenGrant) issueIDToken(ctx context.Context, client *oauth2.Client, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !slices.Contains(request.GetGrantedScopes(), "openid") {
		return nil
	}
	session, ok := request.GetSession().(*oauth2.Session)
	if !ok {
		return fmt.Errorf("token: session is %T", request.GetSession())
	}
	helper := openid.IDTokenHandleHelper{IDTokenStrategy: h.IDTokens}
	session.IDTokenClaims().AccessTokenHash = helper.GetAccessTokenHash(ctx, request, response)
	return helper.IssueExplicitIDToken(ctx, client.Lifetimes().IDToken, request, response)
}

// reject ends the grant of a reused token (RFC 9700 §4.14.2) and returns the error for the client.
func (h *RefreshTokenGrant) reject(ctx context.Context, token string, err error) error {
	if errors.Is(err, fosite.ErrInactiveToken) {
		if err := h.Store.DeleteRefreshTokenSession(ctx, token); err != nil {
			return refreshError(err)
		}
	}
	return refreshError(err)
}

// refreshError maps an error to the one sent to the client: temporarily_unavailable if the store failed or the outcome of a
// write is unknown, invalid_grant if the token has no active grant, and otherwise an error without internal details.
func refreshError(err error) error {
	switch {
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNewerVersion), errors.Is(err, fosite.ErrSerializationFailure):
		return fosite.ErrTemporarilyUnavailable.WithWrap(err).WithHint("Repeat the same request in a few seconds.")
	case errors.Is(err, fosite.ErrInactiveToken):
		return fosite.ErrInvalidGrant.WithWrap(err).WithHint("The refresh token was used before. All tokens of its grant are revoked.")
	case errors.Is(err, target.ErrNothingLeft):
		return fosite.ErrInvalidGrant.WithWrap(err).WithHint("The issuer or the resources of the client have changed since the refresh token was issued. The user has to sign in again.")
	case errors.Is(err, oauth2.ErrSessionOver):
		return fosite.ErrInvalidGrant.WithWrap(err).WithHint("The session that the refresh token belongs to has ended. The user has to sign in again.")
	case errors.Is(err, oauth2.ErrNoGrant):
		return fosite.ErrInvalidGrant.WithWrap(err).WithHint("The refresh token is unknown, expired, revoked or another client's.")
	default:
		return fosite.ErrServerError.WithWrap(err).WithDebug(err.Error())
	}
}
