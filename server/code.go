package server

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/ory/fosite"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// codes makes the authorization codes (RFC 6749 §4.1.2) of requests that their users allowed.
type codes struct {
	provider fosite.OAuth2Provider
	store    *oauth2.Store
	subjects subjects
	now      func() time.Time
}

// errAnswered says that an authorization request got its code before.
var errAnswered = errors.New("server: authorization request was answered before")

// issue stores the grant of a request and returns its code. allowed is what the user lets the client have. The request of an
// interaction, and a pushed one, gets one code alone: errAnswered.
func (c codes) issue(ctx context.Context, a *authorization, i *interaction, current *signedIn, allowed []string) (string, error) {
	// 1. Which grant it is.
	id, err := c.grantID(ctx, a, i)
	if err != nil {
		return "", err
	}
	// 2. What it is about.
	claims, err := a.claims.within(allowed).encode()
	if err != nil {
		return "", fmt.Errorf("server: claims: %w", err)
	}
	session, user := current.Record, current.user
	sid, err := c.subjects.session(ctx, a.client.Record(), session.ID)
	if err != nil {
		return "", fmt.Errorf("server: sid: %w", err)
	}
	draft := storage.Grant{
		ID: id.ID, SecretGeneration: id.SecretGeneration, User: user.ID, UserEpoch: user.Epoch,
		ClientEpoch: user.ClientEpoch(a.client.GetID()), Session: session.ID, SID: sid,
		AuthTime: session.AuthTime, AMR: session.AMR, ACR: session.ACR, Claims: claims, ExpiresAt: c.rememberedUntil(a, i),
	}
	scopes := slices.DeleteFunc(slices.Clone(a.scopes), func(scope string) bool { return !slices.Contains(allowed, scope) })
	if slices.Contains(scopes, scopeOfflineAccess) {
		draft.Session = "" // It outlives the session (OpenID Connect Core §11).
	}
	if err := c.store.Draft(ctx, draft); err != nil {
		return "", answered(err)
	}
	// 3. Its code.
	response, err := c.provider.NewAuthorizeResponse(ctx, a.fositeRequest(id.ID, scopes), new(oauth2.Session))
	if err != nil {
		return "", answered(err)
	}
	return response.GetCode(), nil
}

func answered(err error) error {
	if errors.Is(err, storage.ErrExists) {
		return errAnswered
	}
	return err
}

// grantID derives the ID of the grant from what can be answered once, and is random for anything else.
func (c codes) grantID(ctx context.Context, a *authorization, i *interaction) (oauth2.GrantID, error) {
	var parts []string
	switch {
	case a.pushed != "":
		parts = []string{"pushed request", a.pushed}
	case i != nil:
		parts = []string{"interaction", i.ID}
	default:
		return c.store.NewGrantID(ctx)
	}
	ids, err := c.store.GrantIDs(ctx, parts...)
	if err != nil {
		return oauth2.GrantID{}, err
	}
	for _, before := range ids[1:] { // While token secrets are switched it may have been answered under the others.
		_, err := storage.Get[storage.Grant](ctx, c.store.Engine, storage.Key(a.client.Record().Directory, before.ID))
		if err == nil {
			return oauth2.GrantID{}, errAnswered
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return oauth2.GrantID{}, err
		}
	}
	return ids[0], nil
}

// rememberedUntil is how long the grant has to stay, whatever becomes of it, so that the request is not answered again.
func (c codes) rememberedUntil(a *authorization, i *interaction) time.Time {
	switch {
	case a.pushed != "": // Other tabs may have opened it, and each has an interaction of its own.
		return storage.Instant(c.now().Add(pushedLife + interactionLife))
	case i != nil:
		return time.Unix(i.Ends, 0).UTC()
	default:
		return time.Time{}
	}
}

// means reports whether a client that names subject means that user: one who was merged into the user counts as the user. An
// empty subject means anybody.
func (c codes) means(ctx context.Context, client *oauth2.Client, subject string, user storage.User) (bool, error) {
	if subject == "" {
		return true, nil
	}
	for _, id := range append([]string{user.ID}, user.Aliases...) {
		known, err := c.subjects.of(ctx, client, id)
		if err != nil {
			return false, fmt.Errorf("server: subject: %w", err)
		}
		if known == subject {
			return true, nil
		}
	}
	return false, nil
}

// fositeRequest is the request as fosite's handlers take it: checked, with what is granted.
func (a *authorization) fositeRequest(grant string, scopes []string) *fosite.AuthorizeRequest {
	request := fosite.NewAuthorizeRequest()
	request.ID = grant
	request.Client = a.client
	request.ResponseTypes = fosite.Arguments{responseTypeCode}
	request.State = a.state
	request.RedirectURI = &url.URL{} // It was matched as text, which is all there is to know of it.
	request.Form = url.Values{}
	for _, name := range oauth2.CodeParameters() {
		if value := a.form.Get(name); value != "" {
			request.Form.Set(name, value)
		}
	}
	request.RequestedScope, request.GrantedScope = scopes, scopes
	request.RequestedAudience, request.GrantedAudience = a.audience, a.audience
	return request
}

// codeGrant is the grant authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.6, OpenID Connect Core §3.1.3): fosite's handlers in
// one unit of work. Everything that can fail comes before the one write that redeems the code, so that a client whose answer
// failed can ask again.
type codeGrant struct {
	store    *oauth2.Store
	explicit *fositeoauth2.AuthorizeExplicitGrantHandler
	pkce     *pkce.Handler
	tokens   *tokens
}

var (
	_ fosite.AuthorizeEndpointHandler = (*codeGrant)(nil)
	_ fosite.TokenEndpointHandler     = (*codeGrant)(nil)
)

func newCodeGrant(config *configurator, store *oauth2.Store, strategy *tokens) *codeGrant {
	records := codeStorage{store}
	return &codeGrant{
		store: store,
		explicit: &fositeoauth2.AuthorizeExplicitGrantHandler{
			AccessTokenStrategy: strategy, RefreshTokenStrategy: strategy, AuthorizeCodeStrategy: strategy,
			CoreStorage: records, TokenRevocationStorage: store, Config: codeConfig{config},
		},
		pkce:   &pkce.Handler{AuthorizeCodeStrategy: strategy, Storage: store, Config: config},
		tokens: strategy,
	}
}

// factory is codeGrant as the dispatcher takes it.
func (g *codeGrant) factory(fosite.Configurator, any, any) any { return g }

// codeConfig is the configuration of this grant: unlike a mini-program's, its refresh token needs no offline_access, because
// without it the token ends with the browser session.
type codeConfig struct{ *configurator }

// GetRefreshTokenScopes implements fosite.RefreshTokenScopesProvider.
func (codeConfig) GetRefreshTokenScopes(context.Context) []string { return nil }

// GetRedirectSecureChecker implements fosite.RedirectSecureCheckerProvider. What may be redirected to was decided when it was
// registered, and compared before a code is made.
func (codeConfig) GetRedirectSecureChecker(context.Context) func(context.Context, *url.URL) bool {
	return func(context.Context, *url.URL) bool { return true }
}

// HandleAuthorizeEndpointRequest implements fosite.AuthorizeEndpointHandler.
func (g *codeGrant) HandleAuthorizeEndpointRequest(ctx context.Context, request fosite.AuthorizeRequester, response fosite.AuthorizeResponder) error {
	if err := g.explicit.HandleAuthorizeEndpointRequest(ctx, request, response); err != nil {
		return err
	}
	return g.pkce.HandleAuthorizeEndpointRequest(ctx, request, response)
}

// CanHandleTokenEndpointRequest implements fosite.TokenEndpointHandler.
func (g *codeGrant) CanHandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) bool {
	return g.explicit.CanHandleTokenEndpointRequest(ctx, request)
}

// CanSkipClientAuth implements fosite.TokenEndpointHandler.
func (g *codeGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest implements fosite.TokenEndpointHandler: the code is good, and whoever shows it is who asked for it.
func (g *codeGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	if request.GetRequestForm().Get("code") == "" {
		return refusal(fosite.ErrInvalidRequest, "The parameter code is missing.")
	}
	if err := g.explicit.HandleTokenEndpointRequest(ctx, request); err != nil {
		return err
	}
	if err := g.pkce.HandleTokenEndpointRequest(ctx, request); err != nil {
		return err
	}
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return fmt.Errorf("server: client is %T", request.GetClient())
	}
	// fosite has a clock of its own.
	request.GetSession().SetExpiresAt(fosite.AccessToken, g.store.Now().Add(client.Lifetimes().AccessToken))
	return nil
}

// PopulateTokenEndpointResponse implements fosite.TokenEndpointHandler.
func (g *codeGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	ctx, err := g.store.BeginTX(ctx)
	if err != nil {
		return err
	}
	if err := g.populate(ctx, request, response); err != nil {
		return errors.Join(err, g.store.Rollback(ctx))
	}
	if err := g.store.Commit(ctx); err != nil {
		return fosite.ErrServerError.WithWrap(err) // As fosite's handler does: the error writer knows what is behind it.
	}
	return nil
}

func (g *codeGrant) populate(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if err := g.explicit.PopulateTokenEndpointResponse(ctx, request, response); err != nil {
		return err
	}
	client, ok := request.GetClient().(*oauth2.Client)
	if !ok {
		return fmt.Errorf("server: client is %T", request.GetClient())
	}
	response.SetExpiresIn(client.Lifetimes().AccessToken)
	if !slices.Contains(request.GetGrantedScopes(), scopeOpenID) {
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

// codeStorage is the store as fosite's handler sees it: without its unit of work, which is codeGrant's, and with the audience
// that the token request narrows it to (RFC 8707 §2.2).
type codeStorage struct {
	fositeoauth2.CoreStorage
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
	targets, err := targetsOf(asking.GetRequestForm(), request.GrantedAudience)
	if err != nil {
		return nil, invalidTarget("The resource or audience is not among those that the authorization request was granted.")
	}
	if len(targets) > 0 {
		request.RequestedAudience, request.GrantedAudience = targets, targets
	}
	return request, nil
}
