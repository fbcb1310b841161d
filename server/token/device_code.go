package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/storage/oauth2"
)

// deviceGrant is the grant of device codes (RFC 8628 §3.4): a device polls until the user has decided, and then gets its tokens once.
type deviceGrant struct {
	store   *oauth2.Store
	tokens  *Strategy
	polls   *devicePolls
	targets target.Targets
}

var _ fosite.TokenEndpointHandler = (*deviceGrant)(nil)

// DeviceCode returns the factory of the grant of device codes.
func DeviceCode(store *oauth2.Store, strategy *Strategy, now func() time.Time, targets target.Targets) compose.Factory {
	return func(fosite.Configurator, any, any) any {
		return &deviceGrant{store: store, tokens: strategy, polls: newDevicePolls(now), targets: targets}
	}
}

// CanHandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (*deviceGrant) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne(oauth2.GrantTypeDevice)
}

// CanSkipClientAuth implements fosite.TokenEndpointHandler.
func (*deviceGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler. It writes what the user allowed into the request.
func (g *deviceGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return fmt.Errorf("token: client is %T", request.GetClient())
	}
	form := request.GetRequestForm()
	code := form.Get("device_code")
	if code == "" {
		return endpoint.NewError(fosite.ErrInvalidRequest, "The parameter device_code is missing.")
	}
	// 1. The pace of the device, which needs no read.
	id, err := g.store.DeviceCodeGrant(ctx, code)
	if err != nil {
		return deviceError(err)
	}
	if g.polls.tooEarly(id) {
		return endpoint.NewError(fosite.ErrSlowDown, "The device asks too often. From now on it has to wait five seconds longer between two requests.")
	}
	// 2. The decision of the user.
	allowed, err := g.store.AllowedDevice(ctx, client, code)
	if err != nil {
		return deviceError(err)
	}
	// 3. The resources, of which the request can name some (RFC 8707 §2.2).
	if client, err = g.narrow(ctx, request, allowed); err != nil {
		return err
	}
	form.Del("nonce") // The device authorization request has none.
	request.GetSession().SetExpiresAt(fosite.AccessToken, g.store.TokenTime().Add(client.Lifetimes().AccessToken))
	return nil
}

// narrow writes into a request what it may have of the grant, and returns the client of its token.
func (g *deviceGrant) narrow(ctx context.Context, request fosite.AccessRequester, allowed *oauth2.ActiveGrant) (*oauth2.Client, error) {
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return nil, errNoRequest
	}
	selected, err := g.targets.Granted(ctx, issuer, allowed.Client, request.GetRequestForm(), allowed.Grant.Audience)
	if errors.Is(err, target.ErrNothingLeft) {
		return nil, endpoint.InvalidTarget("The client may not ask for tokens any more for what the device authorization request was granted.")
	}
	if err != nil {
		return nil, err
	}
	scopes := endpoint.Intersection(allowed.Grant.Scopes, selected.Scopes(allowed.Grant.Scopes))
	client, err := selected.ForToken(scopes)
	if err != nil {
		return nil, err
	}
	grant(request, allowed, scopes, selected.Audience(nil))
	return client, setClient(request, client)
}

// grant writes the granted scopes and audience into a request.
func grant(request fosite.AccessRequester, allowed *oauth2.ActiveGrant, scopes, audience []string) {
	request.SetID(allowed.Grant.ID)
	request.SetRequestedScopes(scopes)
	request.SetRequestedAudience(audience)
	for _, scope := range scopes {
		request.GrantScope(scope)
	}
	for _, value := range audience {
		request.GrantAudience(value)
	}
}

// PopulateTokenEndpointResponse implements fosite.TokenEndpointHandler.
func (g *deviceGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	ctx, err := g.store.BeginTX(ctx)
	if err != nil {
		return err
	}
	if err := g.populate(ctx, request, response); err != nil {
		return errors.Join(deviceError(err), g.store.Rollback(ctx))
	}
	if err := g.store.Commit(ctx); err != nil {
		return deviceError(err)
	}
	return nil
}

// populate creates the tokens. The device code is used at Commit, which is the only write.
func (g *deviceGrant) populate(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return fmt.Errorf("token: client is %T", request.GetClient())
	}
	scopes := request.GetGrantedScopes()
	refreshes := slices.Contains(scopes, endpoint.ScopeOfflineAccess) && slices.Contains(client.GetGrantTypes(), string(fosite.GrantTypeRefreshToken))
	if err := g.store.RedeemDevice(ctx, client, request.GetID(), refreshes); err != nil {
		return err
	}
	access, _, err := g.tokens.GenerateAccessToken(ctx, request)
	if err != nil {
		return err
	}
	response.SetAccessToken(access)
	response.SetTokenType("bearer")
	response.SetExpiresIn(client.Lifetimes().AccessToken)
	response.SetScopes(scopes)
	if refreshes {
		refresh, _, err := g.tokens.GenerateRefreshToken(ctx, request)
		if err != nil {
			return err
		}
		response.SetExtra("refresh_token", refresh)
	}
	if !slices.Contains(scopes, endpoint.ScopeOpenID) {
		return nil
	}
	idToken, err := g.tokens.GenerateIDToken(ctx, client.Lifetimes().IDToken, request)
	if err != nil {
		return err
	}
	response.SetExtra("id_token", idToken)
	return nil
}

// deviceError maps an error to the one sent to the device (RFC 8628 §3.5).
func deviceError(err error) error {
	switch {
	case errors.Is(err, oauth2.ErrDevicePending):
		return endpoint.NewError(fosite.ErrAuthorizationPending, "The user has not decided yet. Repeat the request after the interval.")
	case errors.Is(err, oauth2.ErrDeviceDenied):
		return endpoint.NewError(deniedDevice(), "The user denied the request.")
	case errors.Is(err, oauth2.ErrDeviceExpired):
		return endpoint.NewError(expiredDevice(), "The device_code has expired. Request a new one.")
	case errors.Is(err, oauth2.ErrNoGrant):
		return endpoint.CausedBy(endpoint.NewError(fosite.ErrInvalidGrant, "The device_code is unknown, was used, or is another client's, or its user ended it."), err)
	default:
		return err
	}
}

// deniedDevice is access_denied with the status of the token endpoint (RFC 6749 §5.2).
func deniedDevice() *fosite.RFC6749Error {
	denied := *fosite.ErrAccessDenied
	denied.CodeField = fosite.ErrInvalidGrant.CodeField
	return &denied
}

// expiredDevice is expired_token, which has another name in fosite.
func expiredDevice() *fosite.RFC6749Error {
	expired := *fosite.ErrInvalidGrant
	expired.ErrorField = "expired_token"
	return &expired
}
