package oauth2_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	fositeoauth2 "github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"

	"github.com/minifed/minifed/server/target"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

const (
	spaRedirect = "https://spa.example/callback"
	verifier    = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge   = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// fakeSecrets derives MACs from nothing but their inputs.
type fakeSecrets struct {
	mu                sync.Mutex
	current, previous uint32
	err               error
}

func (f *fakeSecrets) Generation(context.Context, string) (current, previous uint32, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current, f.previous, f.err
}

func (f *fakeSecrets) MAC(_ context.Context, directory string, generation uint32, purpose string, message []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	if generation == 0 || generation > f.current {
		return nil, storage.ErrNotFound
	}
	mac := hmac.New(sha256.New, fmt.Appendf(nil, "%s/%d/%s", directory, generation, purpose))
	mac.Write(message)
	return mac.Sum(nil), nil
}

// fakeClients holds clients by directory and ID.
type fakeClients map[string]*oauth2.Client

func (f fakeClients) Client(_ context.Context, directory, id string) (*oauth2.Client, error) {
	if client, ok := f[directory+"/"+id]; ok {
		return client, nil
	}
	return nil, storage.ErrNotFound
}

func (f fakeClients) FreshClient(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	return f.Client(ctx, directory, id)
}

// kit is a minimal server: fosite with a Store on an engine in memory.
type kit struct {
	t        testing.TB
	memory   *storagetest.Memory
	hooks    *storagetest.Hooks
	secrets  *fakeSecrets
	clients  fakeClients
	store    *oauth2.Store
	strategy *oauth2.Strategy
	provider fosite.OAuth2Provider
	issuer   *oauth2.Issuer
}

func newKit(t testing.TB) *kit {
	t.Helper()
	memory := storagetest.NewMemory(time.Now)
	k := &kit{
		t:       t,
		memory:  memory,
		hooks:   &storagetest.Hooks{Engine: memory},
		secrets: &fakeSecrets{current: 1, previous: 1},
		clients: fakeClients{},
		issuer:  &oauth2.Issuer{Directory: storage.Directory{ID: "main"}, URL: "https://id.example"},
	}
	k.store = &oauth2.Store{Engine: k.hooks, Clients: k.clients, Secrets: k.secrets, Now: time.Now, Rand: rand.Reader}
	k.serve()
	k.register(storage.Client{
		ID: "spa", Kind: storage.ClientSPA, AuthMethod: "none", RedirectURIs: []string{spaRedirect},
		Scopes: []string{"openid", "profile", "email", "offline_access"}, Audiences: []string{"https://api.example"},
	})
	k.register(storage.Client{ID: "mini", Kind: storage.ClientMiniapp, AuthMethod: "client_secret_basic"})
	k.register(storage.Client{ID: "service", Kind: storage.ClientService, AuthMethod: "client_secret_basic", Scopes: []string{"read"}})
	insert(t, k, storage.User{Directory: "main", ID: "alice", Status: storage.UserActive, Epoch: 3})
	return k
}

// serve composes fosite with the handlers that a server uses.
func (k *kit) serve() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		k.t.Fatal(err)
	}
	config := &fosite.Config{
		AccessTokenIssuer:              k.issuer.URL,
		IDTokenIssuer:                  k.issuer.URL,
		ScopeStrategy:                  fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:       fosite.ExactAudienceMatchingStrategy,
		SanitationWhiteList:            oauth2.CodeParameters(),
		MinParameterEntropy:            1,
		RefreshTokenScopes:             []string{},
		JWTScopeClaimKey:               jwt.JWTScopeFieldString,
		EnforcePKCEForPublicClients:    true,
		EnablePKCEPlainChallengeMethod: false,
		ClientAuthenticationStrategy: func(ctx context.Context, _ *http.Request, form url.Values) (fosite.Client, error) {
			client, err := k.store.GetClient(ctx, form.Get("client_id"))
			if err != nil {
				return nil, fosite.ErrInvalidClient.WithWrap(err)
			}
			return client, nil
		},
	}
	signer := &jwt.DefaultSigner{GetPrivateKey: func(context.Context) (any, error) { return key, nil }}
	k.strategy = &oauth2.Strategy{Store: k.store, JWT: &fositeoauth2.DefaultJWTStrategy{Signer: signer, Config: config}}
	common := &compose.CommonStrategy{
		CoreStrategy:               k.strategy,
		OpenIDConnectTokenStrategy: &openid.DefaultStrategy{Signer: signer, Config: config},
		Signer:                     signer,
	}
	k.provider = compose.Compose(config, k.store, common,
		compose.OAuth2AuthorizeExplicitFactory,
		compose.OpenIDConnectExplicitFactory,
		compose.OAuth2PKCEFactory,
		compose.OAuth2ClientCredentialsGrantFactory,
		compose.OAuth2TokenRevocationFactory,
		func(fosite.Configurator, any, any) any {
			return &token.RefreshTokenGrant{Store: k.store, AccessTokens: k.strategy, RefreshTokens: k.strategy, IDTokens: common, Targets: target.Targets{Resources: noResources{}}}
		},
		func(fosite.Configurator, any, any) any { return &exchange{k: k, idTokens: common} },
	)
}

// register adds a client to the kit's directory.
func (k *kit) register(record storage.Client) *oauth2.Client {
	k.t.Helper()
	record.Directory = k.issuer.Directory.ID
	client, err := oauth2.NewClient(record, k.issuer)
	if err != nil {
		k.t.Fatal(err)
	}
	k.clients[record.Directory+"/"+record.ID] = client
	return client
}

func (k *kit) client(id string) *oauth2.Client { return k.clients[k.issuer.Directory.ID+"/"+id] }

// begin starts a request.
func (k *kit) begin() context.Context { return oauth2.Begin(k.t.Context(), k.issuer) }

func insert[R storage.Record](t testing.TB, k *kit, record R) {
	t.Helper()
	if _, err := storage.Insert(t.Context(), k.memory, record); err != nil {
		t.Fatal(err)
	}
}

// update changes a stored record without the Store, as another instance would.
func update[R storage.Record](t testing.TB, k *kit, id string, change func(*R)) {
	t.Helper()
	entry, err := storage.Get[R](t.Context(), k.memory, "main/"+id)
	if err != nil {
		t.Fatal(err)
	}
	change(&entry.Record)
	if _, err := entry.Replace(t.Context(), k.memory, entry.Record); err != nil {
		t.Fatal(err)
	}
}

// stored returns a grant as it is stored.
func (k *kit) stored(id string) storage.Grant {
	k.t.Helper()
	entry, err := storage.Get[storage.Grant](k.t.Context(), k.memory, "main/"+id)
	if err != nil {
		k.t.Fatal(err)
	}
	return entry.Record
}

// grantOf finds the grant of an access token that is a JWT.
func (k *kit) grantOf(accessToken string) storage.Grant {
	k.t.Helper()
	id, ok := oauth2.GrantOf(claims(k.t, accessToken)["jti"].(string))
	if !ok {
		k.t.Fatalf("jti names no grant: %v", claims(k.t, accessToken))
	}
	return k.stored(id)
}

// authorize creates a code for alice, as a server does when she has signed in. change may be nil.
func (k *kit) authorize(params url.Values, change func(*storage.Grant)) (code string, err error) {
	k.t.Helper()
	ctx := k.begin()
	query := url.Values{
		"client_id": {"spa"}, "response_type": {"code"}, "redirect_uri": {spaRedirect}, "state": {"12345678"},
		"scope": {"openid profile offline_access"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}, "nonce": {"n-0S6_WzA2Mj"},
	}
	for name, values := range params {
		query[name] = values
		if len(values) == 0 {
			delete(query, name)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://id.example/oauth2/authorize?"+query.Encode(), nil)
	if err != nil {
		k.t.Fatal(err)
	}
	ar, err := k.provider.NewAuthorizeRequest(ctx, r)
	if err != nil {
		return "", err
	}
	for _, scope := range ar.GetRequestedScopes() {
		ar.GrantScope(scope)
	}
	ar.GrantAudience(k.issuer.URL)
	ar.GrantAudience("https://api.example")
	id, err := k.store.NewGrantID(ctx)
	if err != nil {
		return "", err
	}
	grant := storage.Grant{
		ID: id.ID, SecretGeneration: id.SecretGeneration, User: "alice", UserEpoch: 3,
		SID: "sid-1", AuthTime: time.Now().Add(-time.Minute), AMR: []string{"pwd"}, ACR: "1", Claims: json.RawMessage(`{"userinfo":{"email":null}}`),
	}
	if change != nil {
		change(&grant)
	}
	if err := k.store.NewGrant(ctx, grant); err != nil {
		return "", err
	}
	ar.SetID(grant.ID)
	session := &oauth2.Session{}
	session.IDTokenClaims().Subject = "alice"
	response, err := k.provider.NewAuthorizeResponse(ctx, ar, session)
	if err != nil {
		return "", err
	}
	return response.GetCode(), nil
}

func (k *kit) mustAuthorize(params url.Values, change func(*storage.Grant)) string {
	k.t.Helper()
	code, err := k.authorize(params, change)
	if err != nil {
		k.t.Fatalf("authorize: %v", explain(err))
	}
	return code
}

// tokenResponse is a token response or error.
type tokenResponse struct {
	status      int
	error       string
	access      string
	refresh     string
	id          string
	scope       string
	expiresIn   float64
	explanation string
}

// token sends a token request.
func (k *kit) token(form url.Values) tokenResponse { return k.tokenIn(k.begin(), form) }

func (k *kit) tokenIn(ctx context.Context, form url.Values) tokenResponse {
	k.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://id.example/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		k.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request, err := k.provider.NewAccessRequest(ctx, r, &oauth2.Session{})
	if err != nil {
		return errorResponse(err)
	}
	for _, scope := range request.GetRequestedScopes() {
		if form.Get("grant_type") == "client_credentials" {
			request.GrantScope(scope)
		}
	}
	response, err := k.provider.NewAccessResponse(ctx, request)
	if err != nil {
		return errorResponse(err)
	}
	a := tokenResponse{status: http.StatusOK, access: response.GetAccessToken()}
	a.refresh, _ = response.GetExtra("refresh_token").(string)
	a.id, _ = response.GetExtra("id_token").(string)
	a.scope, _ = response.GetExtra("scope").(string)
	if seconds, ok := response.GetExtra("expires_in").(int64); ok {
		a.expiresIn = float64(seconds)
	}
	return a
}

// errorResponse is the error response of a server, as the package's documentation requires.
func errorResponse(err error) tokenResponse {
	is := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
	e := fosite.ErrorToRFC6749Error(err)
	switch {
	case is(storage.ErrUnavailable, storage.ErrNewerVersion, fosite.ErrSerializationFailure):
		e = fosite.ErrTemporarilyUnavailable
	case is(oauth2.ErrNoGrant, fosite.ErrInactiveToken, fosite.ErrInvalidatedAuthorizeCode):
		e = fosite.ErrInvalidGrant
	}
	return tokenResponse{status: e.CodeField, error: e.ErrorField, explanation: explain(err)}
}

func explain(err error) string {
	if e, ok := errors.AsType[*fosite.RFC6749Error](err); ok {
		return fmt.Sprintf("%s %s (%s): %v", e.ErrorField, e.HintField, e.DebugField, e.Cause())
	}
	return fmt.Sprint(err)
}

func (k *kit) redeem(code string) tokenResponse {
	k.t.Helper()
	return k.token(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {code}, "redirect_uri": {spaRedirect}, "code_verifier": {verifier},
	})
}

func (k *kit) refresh(token string) tokenResponse {
	k.t.Helper()
	return k.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {token}})
}

// signIn is authorize and redeem.
func (k *kit) signIn() tokenResponse {
	k.t.Helper()
	a := k.redeem(k.mustAuthorize(nil, nil))
	wantOK(k.t, a)
	return a
}

// operations counts reads and writes of the engine while do runs.
func (k *kit) operations(do func()) (reads, writes int) {
	k.t.Helper()
	var mu sync.Mutex
	before := k.hooks.Before
	defer func() { k.hooks.Before = before }()
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		mu.Lock()
		defer mu.Unlock()
		if operation.Write() {
			writes++
		} else {
			reads++
		}
		return nil
	}
	do()
	return reads, writes
}

func wantOK(t testing.TB, a tokenResponse) {
	t.Helper()
	if a.status != http.StatusOK || a.access == "" {
		t.Fatalf("got %d %s: %s", a.status, a.error, a.explanation)
	}
}

func wantError(t testing.TB, a tokenResponse, status int, code string) {
	t.Helper()
	if a.status != status || a.error != code {
		t.Fatalf("got %d %q (%s), want %d %q", a.status, a.error, a.explanation, status, code)
	}
}

// claims decodes a JWT without verifying it.
func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", token)
	}
	return decodeSegment(t, parts[1])
}

func header(t testing.TB, token string) map[string]any {
	t.Helper()
	return decodeSegment(t, strings.Split(token, ".")[0])
}

func decodeSegment(t testing.TB, segment string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// exchange replaces the token exchange handler. It verifies no code, prepares a grant as a server's resolver does, and issues and
// stores tokens in the order of the grants package.
type exchange struct {
	k        *kit
	idTokens openid.OpenIDConnectTokenStrategy
}

const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"

func (e *exchange) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne(exchangeGrant)
}

func (e *exchange) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (e *exchange) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	form := request.GetRequestForm()
	client := request.GetClient().(*oauth2.Client)
	ids, err := e.k.store.GrantIDs(ctx, "wechat", client.GetID(), "wxsim", form.Get("subject_token"))
	if err != nil {
		return err
	}
	asked := storage.Digest(form.Get("scope"), form.Get("nonce"))
	live, err := e.k.store.Repeat(ctx, client, ids, asked)
	id := ids[0].ID
	switch {
	case err == nil:
		id = live.Grant.ID
	case errors.Is(err, storage.ErrNotFound):
		err := e.k.store.NewGrant(ctx, storage.Grant{
			ID: ids[0].ID, SecretGeneration: ids[0].SecretGeneration, User: "alice", UserEpoch: 3, Asked: asked,
		})
		if err != nil {
			return err
		}
	default:
		return err
	}
	request.SetID(id)
	for _, scope := range []string{"openid", "profile", "offline_access"} {
		request.GrantScope(scope)
	}
	request.GrantAudience(e.k.issuer.URL)
	session := request.GetSession().(*oauth2.Session)
	session.SetSubject("alice")
	session.IDTokenClaims().AuthTime = time.Now()
	session.IDTokenClaims().AuthenticationMethodsReferences = []string{"wechat_miniapp"}
	session.IDTokenClaims().Add("sid", "sid-of-mini")
	session.IDTokenClaims().Nonce = form.Get("nonce")
	return nil
}

func (e *exchange) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !e.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	access, accessSignature, err := e.k.strategy.GenerateAccessToken(ctx, request)
	if err != nil {
		return err
	}
	refresh, refreshSignature, err := e.k.strategy.GenerateRefreshToken(ctx, request)
	if err != nil {
		return err
	}
	response.SetAccessToken(access)
	response.SetTokenType("bearer")
	response.SetExtra("refresh_token", refresh)
	helper := openid.IDTokenHandleHelper{IDTokenStrategy: e.idTokens}
	if err := helper.IssueExplicitIDToken(ctx, time.Minute, request, response); err != nil {
		return err
	}
	ctx, err = e.k.store.BeginTX(ctx)
	if err != nil {
		return err
	}
	kept := request.Sanitize(nil)
	if err := e.k.store.CreateAccessTokenSession(ctx, accessSignature, kept); err != nil {
		return err
	}
	if err := e.k.store.CreateRefreshTokenSession(ctx, refreshSignature, accessSignature, kept); err != nil {
		return err
	}
	if err := e.k.store.Commit(ctx); err != nil {
		return errors.Join(err, e.k.store.Rollback(ctx))
	}
	return nil
}

// exchange sends a token exchange with this code.
func (k *kit) exchange(code string) tokenResponse {
	k.t.Helper()
	return k.token(url.Values{"grant_type": {exchangeGrant}, "client_id": {"mini"}, "subject_token": {code}})
}

// noResources is a directory without resources.
type noResources struct{}

func (noResources) Find(context.Context, *oauth2.Issuer, string) (*storage.Resource, error) {
	return nil, storage.ErrNotFound
}

func (noResources) FindAudience(context.Context, *oauth2.Issuer, string) (*storage.Resource, error) {
	return nil, storage.ErrNotFound
}
