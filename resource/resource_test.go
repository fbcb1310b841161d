package resource_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/resource"
)

const api = "https://api.example.com/orders"

// testIssuer is an issuer whose documents a test can change.
type testIssuer struct {
	*testing.T
	*httptest.Server
	clock *clock

	mu sync.Mutex
	// keys are in the JWK Set, extra are further raw keys; guarded by mu.
	keys  []jose.JSONWebKey
	extra []json.RawMessage
	// status replaces the status of the documents unless it is zero; guarded by mu.
	status int
	// metadata edits the metadata; guarded by mu.
	metadata func(map[string]any)
	// active are the responses of introspection by token; guarded by mu.
	active map[string]map[string]any

	sets, questions atomic.Int64
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newIssuer(t *testing.T) *testIssuer {
	t.Helper()
	i := &testIssuer{T: t, clock: &clock{now: time.Now()}, active: map[string]map[string]any{}}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		document := map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/jwks", "introspection_endpoint": i.URL + "/introspect"}
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.metadata != nil {
			i.metadata(document)
		}
		i.write(w, document)
	})
	routes.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		i.sets.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		keys := append([]json.RawMessage{}, i.extra...)
		for _, key := range i.keys {
			raw, err := json.Marshal(key.Public())
			check(t, err)
			keys = append(keys, raw)
		}
		i.write(w, map[string]any{"keys": keys})
	})
	routes.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		i.questions.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		id, secret, _ := r.BasicAuth()
		if id != "api%3A1" || secret != "s%26t" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		found := i.active[r.PostFormValue("token")]
		if found == nil {
			found = map[string]any{"active": false}
		}
		i.write(w, found)
	})
	i.Server = httptest.NewServer(routes)
	t.Cleanup(i.Close)
	i.addKey("first")
	return i
}

// write writes a JSON document. The caller has locked mu.
func (i *testIssuer) write(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	if i.status != 0 {
		w.WriteHeader(i.status)
	}
	check(i.T, json.NewEncoder(w).Encode(document))
}

func (i *testIssuer) edit(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

func (i *testIssuer) addKey(id string) jose.JSONWebKey {
	i.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(i.T, err)
	key := jose.JSONWebKey{Key: private, KeyID: id, Algorithm: "ES256", Use: "sig"}
	i.edit(func() { i.keys = append(i.keys, key) })
	return key
}

// claims are those of a valid token.
func (i *testIssuer) claims() map[string]any {
	now := i.clock.Now().Unix()
	return map[string]any{
		"iss": i.URL, "sub": "wanda", "aud": api, "client_id": "shop", "exp": now + 600, "iat": now, "jti": "1", "scope": "orders profile",
		"auth_time": now, "acr": "1", "amr": []string{"pwd"},
	}
}

// sign signs claims by the first key.
func (i *testIssuer) sign(claims map[string]any) string { return i.signAs("at+jwt", i.keys[0], claims) }

func (i *testIssuer) signAs(typ string, key jose.JSONWebKey, claims map[string]any) string {
	i.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	check(i.T, err)
	payload, err := json.Marshal(claims)
	check(i.T, err)
	signed, err := signer.Sign(payload)
	check(i.T, err)
	text, err := signed.CompactSerialize()
	check(i.T, err)
	return text
}

func (i *testIssuer) server(edits ...func(*resource.Config)) *resource.Server {
	i.Helper()
	config := resource.Config{Issuer: i.URL, Resource: api, Now: i.clock.Now, Name: "Orders", Scopes: []string{"orders"}}
	for _, edit := range edits {
		edit(&config)
	}
	s, err := resource.New(config)
	check(i.T, err)
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRFC9068_4_AcceptsValidToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := i.server()
	token, err := s.Verify(t.Context(), i.sign(i.claims()))
	check(t, err)
	if token.Subject != "wanda" || token.ClientID != "shop" || !token.HasScope("orders") || token.HasScope("admin") || token.ACR != "1" || token.ExpiresAt.IsZero() {
		t.Errorf("%+v", token)
	}
	var own struct{ JTI string }
	check(t, token.Claims(&own))
	if own.JTI != "1" {
		t.Errorf("claims %+v", own)
	}
	for name, edit := range map[string]func(map[string]any){
		"several audiences":          func(c map[string]any) { c["aud"] = []string{"https://other.example", api} },
		"capital letters in aud":     func(c map[string]any) { c["aud"] = "HTTPS://API.example.com/orders" },
		"expired within the skew":    func(c map[string]any) { c["exp"] = i.clock.Now().Unix() - 10 },
		"issued ahead, in the skew":  func(c map[string]any) { c["iat"] = i.clock.Now().Unix() + 10 },
		"a fraction in a time":       func(c map[string]any) { c["exp"] = float64(i.clock.Now().Unix()) + 600.5 },
		"no claims that it can lack": func(c map[string]any) { delete(c, "auth_time"); delete(c, "acr"); delete(c, "scope") },
	} {
		claims := i.claims()
		edit(claims)
		if _, err := s.Verify(t.Context(), i.sign(claims)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, typ := range []string{"AT+JWT", "application/at+jwt"} {
		if _, err := s.Verify(t.Context(), i.signAs(typ, i.keys[0], i.claims())); err != nil {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
	plain := i.claims()
	plain["token_use"] = "access"
	if _, err := s.Verify(t.Context(), i.signAs("JWT", i.keys[0], plain)); err != nil {
		t.Errorf("typ JWT with token_use: %v", err)
	}
	if sets := i.sets.Load(); sets != 1 {
		t.Errorf("the keys were fetched %d times", sets)
	}
}

func TestRFC9068_4_RejectsOtherTokens(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := i.server()
	with := func(name string, value any) string {
		claims := i.claims()
		claims[name] = value
		return i.sign(claims)
	}
	without := func(name string) string {
		claims := i.claims()
		delete(claims, name)
		return i.sign(claims)
	}
	now := i.clock.Now().Unix()
	valid := i.sign(i.claims())
	parts := strings.Split(valid, ".")
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	stranger := jose.JSONWebKey{Key: newKey(t), KeyID: "first"}
	for name, token := range map[string]string{
		"empty": "", "no JWT": "opaque", "two points": "..", "too long": strings.Repeat("x", 20<<10),
		"an ID token":                i.signAs("JWT", i.keys[0], i.claims()),
		"no typ":                     i.signAs("", i.keys[0], i.claims()),
		"a logout token":             i.signAs("logout+jwt", i.keys[0], i.claims()),
		"another issuer":             with("iss", i.URL+"/d/other"),
		"the issuer with a slash":    with("iss", i.URL+"/"),
		"another audience":           with("aud", "https://api.example.com/orders/archive"),
		"the beginning of the API":   with("aud", "https://api.example.com"),
		"no audience":                without("aud"),
		"an empty audience":          with("aud", []string{}),
		"expired":                    with("exp", now-31),
		"no exp":                     without("exp"),
		"exp is a text":              with("exp", "soon"),
		"exp is huge":                with("exp", 1e300),
		"issued ahead":               with("iat", now+60),
		"not valid yet":              with("nbf", now+60),
		"no sub":                     without("sub"),
		"another key of the same ID": i.signAs("at+jwt", stranger, i.claims()),
		"alg none":                   encode(`{"alg":"none","typ":"at+jwt"}`) + "." + parts[1] + ".",
		"HS256 with the public key":  hmacToken(t, i),
		"other claims":               parts[0] + "." + encode(`{"sub":"admin"}`) + "." + parts[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
	} {
		if found, err := s.Verify(t.Context(), token); !errors.Is(err, resource.ErrInvalidToken) {
			t.Errorf("%s: %v, %v", name, found, err)
		} else if strings.Contains(err.Error(), "wanda") || len(token) > 40 && strings.Contains(err.Error(), token[len(token)-20:]) {
			t.Errorf("%s: the error has parts of the token: %v", name, err)
		}
	}
}

func newKey(t *testing.T) crypto.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

// hmacToken is signed with the public key of the issuer as the secret (RFC 8725 §2.1).
func hmacToken(t *testing.T, i *testIssuer) string {
	t.Helper()
	public, err := json.Marshal(i.keys[0].Public())
	check(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "first"))
	check(t, err)
	payload, err := json.Marshal(i.claims())
	check(t, err)
	signed, err := signer.Sign(payload)
	check(t, err)
	text, err := signed.CompactSerialize()
	check(t, err)
	return text
}

func TestKeys_RotateAndSurviveTheIssuer(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.edit(func() {
		i.extra = []json.RawMessage{[]byte(`{"kty":"XYZ","kid":"new"}`), []byte(`{"kty":"oct","kid":"o","k":"AAAA"}`), []byte(`7`)}
	})
	s := i.server()
	verify := func(token string) error {
		_, err := s.Verify(context.Background(), token)
		return err
	}
	check(t, verify(i.sign(i.claims()))) // Keys of unknown types do not spoil the others.
	// 1. A new key is fetched, but not for every unknown one.
	second := i.addKey("second")
	i.clock.Advance(31 * time.Second)
	check(t, verify(i.signAs("at+jwt", second, i.claims())))
	fetched := i.sets.Load()
	for n := range 50 {
		unknown := jose.JSONWebKey{Key: newKey(t), KeyID: fmt.Sprint("unknown ", n)}
		if err := verify(i.signAs("at+jwt", unknown, i.claims())); !errors.Is(err, resource.ErrInvalidToken) {
			t.Fatal(err)
		}
	}
	if more := i.sets.Load() - fetched; more > 1 {
		t.Errorf("50 unknown keys caused %d fetches", more)
	}
	// 2. A token without kid.
	bare := second
	bare.KeyID = ""
	check(t, verify(i.signAs("at+jwt", bare, i.claims())))
	// 3. A removed key is not accepted any more.
	first := i.keys[0]
	i.edit(func() { i.keys = i.keys[1:] })
	i.clock.Advance(6 * time.Minute)
	if err := verify(i.signAs("at+jwt", first, i.claims())); !errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("a removed key: %v", err)
	}
	// 4. The issuer is away: known keys work for a day.
	i.edit(func() { i.status = http.StatusServiceUnavailable })
	i.clock.Advance(23 * time.Hour)
	check(t, verify(i.sign(i.claims())))
	i.clock.Advance(2 * time.Hour)
	if err := verify(i.sign(i.claims())); !errors.Is(err, resource.ErrUnavailable) {
		t.Errorf("after a day: %v", err)
	}
	// 5. It is back.
	i.edit(func() { i.status = 0 })
	i.clock.Advance(6 * time.Second)
	check(t, verify(i.sign(i.claims())))
}

func TestKeys_ManyRequestsCauseOneFetch(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s, token := i.server(), i.sign(i.claims())
	var asking sync.WaitGroup
	for range 32 {
		asking.Go(func() {
			if _, err := s.Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	if sets := i.sets.Load(); sets != 1 {
		t.Errorf("%d fetches", sets)
	}
}

func TestIssuer_MetadataIsChecked(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(map[string]any){
		"another issuer":      func(m map[string]any) { m["issuer"] = "https://evil.example" },
		"keys without TLS":    func(m map[string]any) { m["jwks_uri"] = "http://id.example.com/jwks" },
		"no keys":             func(m map[string]any) { delete(m, "jwks_uri") },
		"the issuer, a slash": func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "/" },
	} {
		i := newIssuer(t)
		i.metadata = edit
		if _, err := i.server().Verify(t.Context(), i.sign(i.claims())); !errors.Is(err, resource.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRFC7662_OpaqueTokens(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	config := &resource.Introspection{ClientID: "api:1", ClientSecret: "s&t", CacheFor: time.Minute}
	s := i.server(func(c *resource.Config) { c.Introspection = config })
	active := i.claims()
	active["active"] = true
	foreign := maps.Clone(active)
	foreign["aud"] = "https://other.example"
	i.active = map[string]map[string]any{"good": active, "foreign": foreign}
	for range 3 {
		token, err := s.Verify(t.Context(), "good")
		check(t, err)
		if token.Subject != "wanda" || !token.HasScope("orders") {
			t.Errorf("%+v", token)
		}
		for _, bad := range []string{"foreign", "unknown"} {
			if _, err := s.Verify(t.Context(), bad); !errors.Is(err, resource.ErrInvalidToken) {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
	if asked := i.questions.Load(); asked != 3 {
		t.Errorf("%d questions for three tokens", asked)
	}
	i.edit(func() { i.active = nil })
	i.clock.Advance(61 * time.Second)
	if _, err := s.Verify(t.Context(), "good"); !errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("a revoked token after the life of the cache: %v", err)
	}
	i.edit(func() { i.status = http.StatusServiceUnavailable })
	if _, err := s.Verify(t.Context(), "another"); !errors.Is(err, resource.ErrUnavailable) {
		t.Errorf("the issuer is away: %v", err)
	}
	if _, err := i.server().Verify(t.Context(), "good"); !errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("without introspection: %v", err)
	}
}

func TestRFC7662_AlwaysAsksAboutJWT(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := i.server(func(c *resource.Config) {
		c.Introspection = &resource.Introspection{ClientID: "api:1", ClientSecret: "s&t", Always: true, CacheFor: -1}
	})
	token, active := i.sign(i.claims()), i.claims()
	active["active"] = true
	i.active[token] = active
	if _, err := s.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	i.edit(func() { delete(i.active, token) })
	if _, err := s.Verify(t.Context(), token); !errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("a revoked token: %v", err)
	}
}

// call sends a request with a header Authorization to a handler that needs something.
func call(s *resource.Server, required resource.Requirement, authorization ...string) *http.Response {
	handler := s.Protect(required, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := resource.FromContext(r.Context())
		_, _ = fmt.Fprint(w, token.Subject)
	}))
	request := httptest.NewRequest(http.MethodGet, "/orders?access_token=x", nil)
	for _, value := range authorization {
		request.Header.Add("Authorization", value)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func TestProtect_Challenges(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := i.server()
	old := i.claims()
	old["auth_time"] = i.clock.Now().Add(-time.Hour).Unix()
	none := i.claims()
	delete(none, "auth_time")
	const at = `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/orders"`
	orders := resource.Requirement{Scopes: []string{"orders"}}
	fresh := resource.Requirement{MaxAge: 5 * time.Minute}
	for name, row := range map[string]struct {
		required      resource.Requirement
		authorization []string
		status        int
		challenge     string
	}{
		"valid":           {orders, []string{"bearer " + i.sign(i.claims())}, 200, ""},
		"no token":        {orders, nil, 401, `Bearer ` + at + `, scope="orders"`},
		"another scheme":  {resource.Requirement{}, []string{"Basic eDp5"}, 401, `Bearer ` + at},
		"two headers":     {orders, []string{"Bearer a", "Bearer b"}, 400, `Bearer error="invalid_request", `},
		"two tokens":      {orders, []string{"Bearer a b"}, 400, `Bearer error="invalid_request", `},
		"invalid token":   {orders, []string{"Bearer x"}, 401, `Bearer error="invalid_token", `},
		"missing scope":   {resource.Requirement{Scopes: []string{"orders", "admin"}}, []string{"Bearer " + i.sign(i.claims())}, 403, `scope="orders admin"`},
		"old sign-in":     {fresh, []string{"Bearer " + i.sign(old)}, 401, `max_age="300"`},
		"unknown sign-in": {fresh, []string{"Bearer " + i.sign(none)}, 401, `Bearer error="insufficient_user_authentication", `},
		"fresh sign-in":   {fresh, []string{"Bearer " + i.sign(i.claims())}, 200, ""},
		"one factor":      {resource.Requirement{ACRValues: []string{"2"}}, []string{"Bearer " + i.sign(i.claims())}, 401, `acr_values="2"`},
	} {
		got := call(s, row.required, row.authorization...)
		challenge := got.Header.Get("WWW-Authenticate")
		if got.StatusCode != row.status || !strings.Contains(challenge, row.challenge) || (row.status == 200) != (challenge == "") {
			t.Errorf("%s: %d %s", name, got.StatusCode, challenge)
		}
		if row.status != 200 && !strings.Contains(challenge, at) {
			t.Errorf("%s: no metadata in %s", name, challenge)
		}
	}
	i.edit(func() { i.status = http.StatusBadGateway })
	cold := i.server()
	if got := call(cold, orders, "Bearer "+i.sign(i.claims())); got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
		t.Errorf("the issuer is away: %d", got.StatusCode)
	}
}

func TestProtect_LogsTheCause(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	var causes []string
	s := i.server(func(c *resource.Config) {
		c.Log = func(_ *http.Request, cause error) { causes = append(causes, cause.Error()) }
	})
	call(s, resource.Requirement{}, "Bearer "+i.signAs("JWT", i.keys[0], i.claims()))
	if len(causes) != 1 || !strings.Contains(causes[0], `typ is "JWT"`) {
		t.Errorf("%v", causes)
	}
}

func TestRFC9728_Metadata(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	s := i.server()
	if s.MetadataPath() != "/.well-known/oauth-protected-resource/orders" {
		t.Errorf("path %s", s.MetadataPath())
	}
	recorder := httptest.NewRecorder()
	s.Metadata().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, s.MetadataPath(), nil))
	var got map[string]any
	check(t, json.Unmarshal(recorder.Body.Bytes(), &got))
	if recorder.Header().Get("Access-Control-Allow-Origin") != "*" || got["resource"] != api || got["authorization_servers"].([]any)[0] != i.URL ||
		got["scopes_supported"].([]any)[0] != "orders" || got["resource_name"] != "Orders" || got["bearer_methods_supported"].([]any)[0] != "header" {
		t.Errorf("%v %v", recorder.Header(), got)
	}
	for method, status := range map[string]int{http.MethodOptions: 204, http.MethodPost: 405, http.MethodHead: 200} {
		recorder := httptest.NewRecorder()
		s.Metadata().ServeHTTP(recorder, httptest.NewRequest(method, s.MetadataPath(), nil))
		if recorder.Code != status {
			t.Errorf("%s: %d", method, recorder.Code)
		}
	}
	for identifier, address := range map[string]string{
		"https://api.example.com":      "https://api.example.com/.well-known/oauth-protected-resource",
		"https://api.example.com/":     "https://api.example.com/.well-known/oauth-protected-resource",
		"https://api.example.com/mcp/": "https://api.example.com/.well-known/oauth-protected-resource/mcp",
	} {
		if s := i.server(func(c *resource.Config) { c.Resource = identifier }); s.MetadataURL() != address {
			t.Errorf("%s: %s", identifier, s.MetadataURL())
		}
	}
}

func TestNew_ReportsWrongConfiguration(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]resource.Config{
		"no issuer":           {Resource: api},
		"http":                {Issuer: "http://id.example.com", Resource: api},
		"a trailing slash":    {Issuer: "https://id.example.com/", Resource: api},
		"no resource":         {Issuer: "https://id.example.com"},
		"a fragment":          {Issuer: "https://id.example.com", Resource: api + "#x"},
		"a query":             {Issuer: "https://id.example.com", Resource: api + "?x=1"},
		"a relative resource": {Issuer: "https://id.example.com", Resource: "orders"},
		"HS256":               {Issuer: "https://id.example.com", Resource: api, Algorithms: []string{"HS256"}},
		"none":                {Issuer: "https://id.example.com", Resource: api, Algorithms: []string{"none"}},
		"a long skew":         {Issuer: "https://id.example.com", Resource: api, ClockSkew: time.Hour},
		"half a credential":   {Issuer: "https://id.example.com", Resource: api, Introspection: &resource.Introspection{ClientID: "x"}},
	} {
		if _, err := resource.New(config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s, err := resource.New(resource.Config{Issuer: "http://127.0.0.1:1", Resource: api, Client: &http.Client{Transport: noNetwork{}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.AAAA")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := s.Verify(t.Context(), token); err == nil {
			t.Error("a random token is accepted")
		}
	})
}

// noNetwork is a network without the issuer.
type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) { return nil, &url.Error{Op: "Get"} }
