package grants_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
)

const (
	issuer   = "https://id.example"
	clientID = "shop"
	secret   = "shop-secret"
	api      = "https://api.example"
)

// server is a complete fosite server with the grant and nothing else of minifed, and with fakes of WeChat and of the user
// table.
type server struct {
	http.Handler
	config     *fosite.Config
	memory     *storage.MemoryStore
	client     *fosite.DefaultClient
	wechat     *fakeWeChat
	users      *fakeUsers
	grant      grants.MiniProgramConfig
	signer     *signer
	newSession func() fosite.Session

	storage  any
	strategy any
}

// newServer composes a server with opaque access tokens and fosite's default session; adjust changes it before.
func newServer(t testing.TB, adjust ...func(*server)) *server {
	t.Helper()
	s := &server{
		config: &fosite.Config{
			GlobalSecret:             []byte("thirty-two bytes of test secret!"),
			IDTokenIssuer:            issuer,
			AccessTokenIssuer:        issuer,
			AccessTokenLifespan:      10 * time.Minute,
			RefreshTokenLifespan:     24 * time.Hour,
			IDTokenLifespan:          10 * time.Minute,
			ScopeStrategy:            fosite.ExactScopeStrategy,
			AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
			ClientSecretsHasher:      plainHasher{},
		},
		memory: storage.NewMemoryStore(),
		client: &fosite.DefaultClient{
			ID: clientID, Secret: []byte(secret),
			GrantTypes: []string{grants.GrantType, "refresh_token"},
			Scopes:     []string{"openid", "profile", "offline_access"},
			Audience:   []string{api, "https://files.example/", issuer},
		},
		wechat:     &fakeWeChat{users: map[string]wechat.OpenID{}, spent: map[string]bool{}},
		users:      &fakeUsers{},
		signer:     newSigner(t, jose.ES256),
		newSession: func() fosite.Session { return openid.NewDefaultSession() },
	}
	s.grant = grants.MiniProgramConfig{Exchanger: s.wechat, Resolver: s.users}
	s.storage = s.memory
	withSigner(s)
	for _, change := range adjust {
		change(s)
	}
	s.memory.Clients[clientID] = s.client
	provider := compose.Compose(s.config, s.storage, s.strategy,
		grants.NewMiniProgramFactory(s.grant), compose.OAuth2RefreshTokenGrantFactory, compose.OpenIDConnectRefreshFactory)
	s.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		request, err := provider.NewAccessRequest(r.Context(), r, s.newSession())
		if err != nil {
			grants.WriteAccessError(r.Context(), provider, rw, request, err)
			return
		}
		response, err := provider.NewAccessResponse(r.Context(), request)
		if err != nil {
			grants.WriteAccessError(r.Context(), provider, rw, request, err)
			return
		}
		provider.WriteAccessResponse(r.Context(), rw, request, response)
	})
	return s
}

// tokenResponse is the response that a client gets.
type tokenResponse struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

func (a tokenResponse) member(name string) string {
	value, _ := a.body[name].(string)
	return value
}

// post sends form to the token endpoint, authenticated as the client.
func (s *server) post(t testing.TB, ctx context.Context, form url.Values) tokenResponse {
	t.Helper()
	return s.send(t, ctx, clientID, form.Encode())
}

func (s *server) send(t testing.TB, ctx context.Context, client, body string) tokenResponse {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/oauth2/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, secret)
	rw := httptest.NewRecorder()
	s.ServeHTTP(rw, r)
	a := tokenResponse{status: rw.Code, header: rw.Header(), text: rw.Body.String()}
	if err := json.Unmarshal(rw.Body.Bytes(), &a.body); err != nil {
		t.Fatalf("the response is not JSON: %v\n%s", err, a.text)
	}
	return a
}

// handle passes form to the handler itself and returns the error for the operator.
func (s *server) handle(ctx context.Context, form url.Values) error {
	request := fosite.NewAccessRequest(s.newSession())
	request.GrantTypes, request.Client, request.Form = fosite.Arguments{grants.GrantType}, s.client, form
	handler := grants.NewMiniProgramFactory(s.grant)(s.config, s.storage, s.strategy).(fosite.TokenEndpointHandler)
	return handler.HandleTokenEndpointRequest(ctx, request)
}

// exchange returns the smallest request, with pairs of further parameters.
func exchange(code string, pairs ...string) url.Values {
	form := url.Values{
		"grant_type":         {grants.GrantType},
		"subject_token":      {code},
		"subject_token_type": {grants.SubjectTokenType},
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

// fakeWeChat accepts codes that start with "good", each once.
type fakeWeChat struct {
	mu    sync.Mutex
	users map[string]wechat.OpenID // by code; any other good code is of user "o-1"
	spent map[string]bool
	calls atomic.Int32

	failure error                     // returned instead
	hold    func(ctx context.Context) // runs after the code is spent and before the result is returned
}

func (f *fakeWeChat) ExchangeCode(ctx context.Context, client fosite.Client, code string) (wechat.Session, error) {
	f.calls.Add(1)
	if f.failure != nil {
		return wechat.Session{}, f.failure
	}
	session, err := f.spend(code)
	if f.hold != nil {
		f.hold(ctx)
	}
	return session, err
}

func (f *fakeWeChat) spend(code string) (wechat.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !strings.HasPrefix(code, "good"):
		return wechat.Session{}, &wechat.Error{API: "code2Session", Code: 40029, Class: wechat.ClassCode}
	case f.spent[code]:
		return wechat.Session{}, &wechat.Error{API: "code2Session", Code: 40163, Class: wechat.ClassCode}
	}
	f.spent[code] = true
	if openID, ok := f.users[code]; ok {
		return wechat.Session{OpenID: openID}, nil
	}
	return wechat.Session{OpenID: "o-1"}, nil
}

// fakeUsers gives user "u-1" to OpenID "o-1", and records the calls.
type fakeUsers struct {
	subject grants.Subject // further claims of the tokens
	failure error

	mu    sync.Mutex
	asked []grants.Exchange
}

func (f *fakeUsers) ResolveSubject(_ context.Context, request grants.Exchange, session wechat.Session) (grants.Subject, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, request)
	subject := f.subject
	subject.ID = strings.Replace(string(session.OpenID), "o-", "u-", 1)
	return subject, f.failure
}

// signer is a jwt.Signer for every algorithm of the design. fosite's own supports fewer.
type signer struct {
	jwt.Signer // the methods that nothing here calls
	algorithm  jose.SignatureAlgorithm
	jose       jose.Signer
	public     crypto.PublicKey
	signatures atomic.Int32
}

func newSigner(t testing.TB, algorithm jose.SignatureAlgorithm) *signer {
	t.Helper()
	key := newKey(t, algorithm)
	inner, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{algorithm: algorithm, jose: inner, public: key.Public()}
}

func newKey(t testing.TB, algorithm jose.SignatureAlgorithm) (key crypto.Signer) {
	t.Helper()
	var err error
	switch algorithm {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s *signer) Generate(_ context.Context, claims jwt.MapClaims, _ jwt.Mapper) (string, string, error) {
	s.signatures.Add(1)
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", "", err
	}
	signed, err := s.jose.Sign(payload)
	if err != nil {
		return "", "", err
	}
	token, err := signed.CompactSerialize()
	return token, token[strings.LastIndex(token, ".")+1:], err
}

// bothSession is a session for ID tokens and JWT access tokens.
type bothSession struct {
	*openid.DefaultSession
	access *jwt.JWTClaims
}

func newBothSession() fosite.Session {
	return &bothSession{openid.NewDefaultSession(), &jwt.JWTClaims{}}
}

func (s *bothSession) GetJWTClaims() jwt.JWTClaimsContainer { return s.access }
func (s *bothSession) GetJWTHeader() *jwt.Headers           { return jwt.NewHeaders() }
func (s *bothSession) Clone() fosite.Session {
	access := *s.access
	return &bothSession{s.DefaultSession.Clone().(*openid.DefaultSession), &access}
}

// withSigner configures the server to issue opaque access tokens, and ID tokens by the signer.
func withSigner(s *server) {
	s.strategy = compose.CommonStrategy{
		CoreStrategy:               compose.NewOAuth2HMACStrategy(s.config),
		OpenIDConnectTokenStrategy: &openid.DefaultStrategy{Signer: s.signer, Config: s.config},
	}
}

// withJWTAccessTokens configures the server to issue JWT access tokens.
func withJWTAccessTokens(s *server) {
	s.newSession = newBothSession
	s.config.JWTScopeClaimKey = jwt.JWTScopeFieldString
	hmac := compose.NewOAuth2HMACStrategy(s.config)
	s.strategy = compose.CommonStrategy{
		CoreStrategy:               &oauth2.DefaultJWTStrategy{Signer: s.signer, HMACSHAStrategy: hmac, Config: s.config},
		OpenIDConnectTokenStrategy: &openid.DefaultStrategy{Signer: s.signer, Config: s.config},
	}
}

// claimsOf reads a JWT without verifying it.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is not a JWT", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// plainHasher compares client secrets unhashed, so that tests are fast.
type plainHasher struct{}

func (plainHasher) Hash(_ context.Context, data []byte) ([]byte, error) { return data, nil }

func (plainHasher) Compare(_ context.Context, hash, data []byte) error {
	if string(hash) != string(data) {
		return errors.New("wrong secret")
	}
	return nil
}

// shortLived is a client with its own lifespans for the exchange.
type shortLived struct{ fosite.Client }

func (shortLived) GetEffectiveLifespan(grant fosite.GrantType, token fosite.TokenType, fallback time.Duration) time.Duration {
	switch {
	case grant != grants.GrantType:
		return fallback
	case token == fosite.AccessToken:
		return time.Minute
	default:
		return 30 * time.Second
	}
}
