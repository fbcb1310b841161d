package server_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// signer is a client's private key.
type signer struct {
	algorithm string
	id        string
	key       crypto.Signer
}

// signers have one key of every algorithm. The keys are created once.
var signers = sync.OnceValue(func() map[string]signer {
	all := map[string]signer{}
	for _, algorithm := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		all[algorithm] = newSigner(algorithm, "key-"+algorithm)
	}
	return all
})

func newSigner(algorithm, id string) signer {
	var key crypto.Signer
	var err error
	switch algorithm {
	case "RS256", "PS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		panic(err)
	}
	return signer{algorithm, id, key}
}

// jwks is the JWK Set of keys.
func jwks(keys ...signer) json.RawMessage {
	set := jose.JSONWebKeySet{}
	for _, s := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: s.key.Public(), KeyID: s.id, Algorithm: s.algorithm, Use: "sig"})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return raw
}

// sign creates a JWT of claims. headers are further header parameters.
func (s signer) sign(t testing.TB, claims any, headers map[jose.HeaderKey]any) string {
	t.Helper()
	payload, ok := claims.(string)
	if !ok {
		payload = string(must(json.Marshal(claims))(t))
	}
	options := &jose.SignerOptions{ExtraHeaders: headers}
	made := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.algorithm), Key: jose.JSONWebKey{Key: s.key, KeyID: s.id}}, options))(t)
	return must(must(made.Sign([]byte(payload)))(t).CompactSerialize())(t)
}

// newPrivateKeyServer returns a test server with the client "keyed", which authenticates by an ES256 key.
func newPrivateKeyServer(t *testing.T) *testServer {
	ts := newTestServer(t)
	ts.addPrivateKeyClient("keyed", signers()["ES256"])
	return ts
}

func (ts *testServer) addPrivateKeyClient(id string, keys ...signer) {
	ts.Helper()
	ts.addService(id, func(c *storage.Client) { c.AuthMethod, c.Secrets, c.JWKS = "private_key_jwt", nil, jwks(keys...) })
}

// assertionClaims returns the claims of a valid assertion, changed by the pairs; nil removes a claim.
func (ts *testServer) assertionClaims(client string, changes ...any) map[string]any {
	now := ts.clock.Now().Unix()
	claims := map[string]any{"iss": client, "sub": client, "aud": ts.url, "exp": now + 60, "iat": now, "jti": rand.Text()}
	for i := 0; i < len(changes); i += 2 {
		name, _ := changes[i].(string)
		if claims[name] = changes[i+1]; changes[i+1] == nil {
			delete(claims, name)
		}
	}
	return claims
}

// postWithAssertion sends a form to a path with an assertion.
func (ts *testServer) postWithAssertion(path, assertion string, form url.Values) response {
	ts.Helper()
	all := url.Values{"client_assertion": {assertion}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	for name, values := range form {
		all[name] = values
	}
	return ts.send(path, all.Encode())
}

func ownGrant() url.Values { return url.Values{"grant_type": {"client_credentials"}} }

func TestOpenIDConnectCore_9_PrivateKeyJWTWithEveryAlgorithm(t *testing.T) {
	ts := newTestServer(t)
	for algorithm, key := range signers() {
		t.Run(algorithm, func(t *testing.T) {
			client := "keyed-" + algorithm
			ts.addPrivateKeyClient(client, key)
			a := ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims(client), nil), ownGrant())
			if a.status != http.StatusOK || claims(t, a.member("access_token"))["sub"] != client {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			for other, wrong := range signers() {
				forged := signer{wrong.algorithm, key.id, newSigner(other, "").key}
				if a := ts.postWithAssertion("/oauth2/token", forged.sign(t, ts.assertionClaims(client), nil), ownGrant()); a.member("error") != "invalid_client" {
					t.Errorf("signed by another %s key: %d %s", other, a.status, a.raw)
				}
			}
		})
	}
}

// TestRFC9864_Ed25519IsEdDSA: libraries use either name of the algorithm, in the header and in the key.
func TestRFC9864_Ed25519IsEdDSA(t *testing.T) {
	ts := newTestServer(t)
	key := signers()["EdDSA"]
	private, _ := key.key.(ed25519.PrivateKey)
	part := base64.RawURLEncoding.EncodeToString
	sign := func(client string, key ed25519.PrivateKey) string {
		signed := part([]byte(`{"alg":"Ed25519"}`)) + "." + part(must(json.Marshal(ts.assertionClaims(client)))(t))
		return signed + "." + part(ed25519.Sign(key, []byte(signed)))
	}
	ts.addPrivateKeyClient("old", key)
	ts.addPrivateKeyClient("new", signer{"Ed25519", key.id, key.key})
	ts.addPrivateKeyClient("rsa", signers()["RS256"])
	_, otherKey, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	for name, row := range map[string]struct {
		assertion string
		status    int
	}{
		"both names":                    {sign("old", private), http.StatusOK},
		"the new name":                  {sign("new", private), http.StatusOK},
		"the old name":                  {key.sign(t, ts.assertionClaims("new"), nil), http.StatusOK},
		"an unknown issuer":             {sign("new", otherKey), http.StatusBadRequest},
		"a client of RSA":               {sign("rsa", private), http.StatusBadRequest},
		"a signature of an unknown key": {sign("new", private)[:40] + "." + part([]byte("{}")) + ".", http.StatusBadRequest},
	} {
		if a := ts.postWithAssertion("/oauth2/token", row.assertion, ownGrant()); a.status != row.status {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
	}
}

func TestRFC7523_3_WhatAnAssertionMustSay(t *testing.T) {
	ts := newPrivateKeyServer(t)
	key := signers()["ES256"]
	now := ts.clock.Now().Unix()
	for _, row := range []struct {
		name    string
		changes []any
		good    bool
	}{
		{"aud is the issuer", nil, true},
		{"aud is the token endpoint", []any{"aud", ts.url + "/oauth2/token"}, true},
		{"aud is an array of both", []any{"aud", []string{ts.url, ts.url + "/oauth2/token"}}, true},
		{"without iat", []any{"iat", nil}, true},
		{"exp five minutes ahead", []any{"exp", now + 300}, true},
		{"exp with fractions", []any{"exp", float64(now) + 59.5}, true},
		{"iat 8 s in the future", []any{"iat", now + 8}, true},
		{"nbf 8 s in the future", []any{"nbf", now + 8}, true},
		{"a clock 8 s ahead that allows five minutes", []any{"iat", now + 8, "exp", now + 308}, true},
		{"iat five minutes ago", []any{"iat", now - 300}, true},
		{"further claims", []any{"nonce", "x", "nested", map[string]any{"a": []int{1}}}, true},

		{"aud missing", []any{"aud", nil}, false},
		{"aud empty", []any{"aud", []string{}}, false},
		{"aud of another issuer", []any{"aud", "https://other.example"}, false},
		{"aud with one foreign value", []any{"aud", []string{ts.url, "https://other.example"}}, false},
		{"aud of another endpoint", []any{"aud", ts.url + "/oauth2/introspect"}, false},
		{"aud with a trailing slash", []any{"aud", ts.url + "/"}, false},
		{"aud of another directory", []any{"aud", ts.url + "/d/acme"}, false},
		{"aud that is a number", []any{"aud", 7}, false},
		{"iss missing", []any{"iss", nil}, false},
		{"iss of another client", []any{"iss", "mini"}, false},
		{"sub missing", []any{"sub", nil}, false},
		{"sub of another client", []any{"sub", "mini"}, false},
		{"exp missing", []any{"exp", nil}, false},
		{"exp in the past", []any{"exp", now - 1}, false},
		{"exp is now", []any{"exp", now}, false},
		{"exp six minutes ahead", []any{"exp", now + 360}, false},
		{"exp in an hour", []any{"exp", now + 3600}, false},
		{"exp that is text", []any{"exp", "soon"}, false},
		{"exp beyond all numbers", []any{"exp", json.Number("1e300")}, false},
		{"iat 90 s in the future", []any{"iat", now + 90, "exp", now + 95}, false},
		{"nbf 90 s in the future", []any{"nbf", now + 90, "exp", now + 95}, false},
		{"a negative iat", []any{"iat", -1}, false},
		{"jti missing", []any{"jti", nil}, false},
		{"jti empty", []any{"jti", ""}, false},
		{"jti too long", []any{"jti", strings.Repeat("x", 257)}, false},
		{"jti that is a number", []any{"jti", 7}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims("keyed", row.changes...), nil), ownGrant())
			if row.good != (a.status == http.StatusOK) || !row.good && (a.status != http.StatusBadRequest || a.member("error") != "invalid_client") {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
}

// headersOf returns header parameters from pairs.
func headersOf(pairs ...any) map[jose.HeaderKey]any {
	all := map[jose.HeaderKey]any{}
	for i := 0; i < len(pairs); i += 2 {
		all[jose.HeaderKey(pairs[i].(string))] = pairs[i+1]
	}
	return all
}

func TestRFC8725_AnAssertionIsACompactJWTSignedByTheClientsKeyAlone(t *testing.T) {
	ts := newPrivateKeyServer(t)
	key := signers()["ES256"]
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	good := func() string { return key.sign(t, ts.assertionClaims("keyed"), nil) }
	claimsText := func() string { return string(must(json.Marshal(ts.assertionClaims("keyed")))(t)) }
	secretKey := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(jwks(key))}, nil))(t)
	symmetric := must(must(secretKey.Sign([]byte(claimsText())))(t).CompactSerialize())(t)
	otherKey := newSigner("ES256", "key-ES256")
	embedded := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: otherKey.key}, &jose.SignerOptions{EmbedJWK: true}))(t)
	signature := good()[strings.LastIndex(good(), "."):]
	for name, assertion := range map[string]string{
		"no signature, alg none":          part(`{"alg":"none"}`) + "." + part(claimsText()) + ".",
		"alg None":                        part(`{"alg":"None"}`) + "." + part(claimsText()) + ".",
		"HS256 with the public key":       symmetric,
		"another's key in the header":     must(must(embedded.Sign([]byte(claimsText())))(t).CompactSerialize())(t),
		"an unknown key":                  otherKey.sign(t, ts.assertionClaims("keyed"), nil),
		"an unknown kid":                  signer{key.algorithm, "other", key.key}.sign(t, ts.assertionClaims("keyed"), nil),
		"an access token's typ":           key.sign(t, ts.assertionClaims("keyed"), headersOf("typ", "at+jwt")),
		"a DPoP proof's typ":              key.sign(t, ts.assertionClaims("keyed"), headersOf("typ", "dpop+jwt")),
		"a typ that is a number":          key.sign(t, ts.assertionClaims("keyed"), headersOf("typ", 7)),
		"a critical extension":            key.sign(t, ts.assertionClaims("keyed"), headersOf("crit", []string{"exp"}, "exp", 1)),
		"an unencoded payload":            key.sign(t, ts.assertionClaims("keyed"), headersOf("crit", []string{"b64"}, "b64", false)),
		"claims that appear twice":        key.sign(t, strings.Replace(claimsText(), `{`, `{"sub":"keyed",`, 1), nil),
		"claims that are no object":       key.sign(t, `["keyed"]`, nil),
		"claims that are no JSON":         key.sign(t, `keyed`, nil),
		"claims that nest deep":           key.sign(t, strings.Replace(claimsText(), `{`, `{"x":`+strings.Repeat("[", 50)+strings.Repeat("]", 50)+`,`, 1), nil),
		"a signature that was cut":        good()[:len(good())-4],
		"the signature of another":        strings.TrimSuffix(good(), signature)[:strings.LastIndex(good(), ".")] + signature,
		"empty parts":                     "..",
		"no JWT":                          "x",
		"the JSON serialization":          `{"payload":"` + part(claimsText()) + `","signatures":[]}`,
		"a JWE":                           "a.b.c.d.e",
		"an assertion of 9 KB":            key.sign(t, ts.assertionClaims("keyed", "x", strings.Repeat("y", 9<<10)), nil),
		"the client's own access token":   ts.postWithAssertion("/oauth2/token", good(), ownGrant()).member("access_token"),
		"an unknown client":               key.sign(t, ts.assertionClaims("nobody"), nil),
		"a client registered for Basic":   key.sign(t, ts.assertionClaims("mini"), nil),
		"a client of a name with a slash": key.sign(t, ts.assertionClaims("default/keyed"), nil),
	} {
		t.Run(name, func(t *testing.T) {
			a := ts.postWithAssertion("/oauth2/token", assertion, ownGrant())
			if a.status != http.StatusBadRequest || a.member("error") != "invalid_client" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
	for _, typ := range []string{"JWT", "jwt", "client-authentication+jwt"} {
		if a := ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims("keyed"), headersOf("typ", typ)), ownGrant()); a.status != http.StatusOK {
			t.Errorf("typ %s: %d %s", typ, a.status, a.raw)
		}
	}
}

func TestPrivateKeyJWT_RequiresRegisteredAlgorithmAndMethod(t *testing.T) {
	ts := newTestServer(t)
	rsaKey := signers()["RS256"]
	pss := signer{"PS256", rsaKey.id, rsaKey.key}
	set := jwks(signer{"", rsaKey.id, rsaKey.key})
	ts.addService("picky", func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.JWKS, c.AuthAlgorithm = "private_key_jwt", []string{fastHash(secretOfMini)}, set, "RS256"
	})
	ts.addService("basic", func(c *storage.Client) { c.JWKS = set })
	ts.addService("off", func(c *storage.Client) { c.AuthMethod, c.JWKS, c.Disabled = "private_key_jwt", set, true })
	for name, row := range map[string]struct {
		ask  func() response
		code string
	}{
		"its algorithm": {func() response {
			return ts.postWithAssertion("/oauth2/token", rsaKey.sign(t, ts.assertionClaims("picky"), nil), ownGrant())
		}, ""},
		"another algorithm": {func() response {
			return ts.postWithAssertion("/oauth2/token", pss.sign(t, ts.assertionClaims("picky"), nil), ownGrant())
		}, "invalid_client"},
		"its old secret": {func() response { return ts.credentials("picky") }, "invalid_client"},
		"a key for Basic": {func() response {
			return ts.postWithAssertion("/oauth2/token", rsaKey.sign(t, ts.assertionClaims("basic"), nil), ownGrant())
		}, "invalid_client"},
		"a disabled client": {func() response {
			return ts.postWithAssertion("/oauth2/token", rsaKey.sign(t, ts.assertionClaims("off"), nil), ownGrant())
		}, "invalid_client"},
		"as a public client": {func() response { return ts.send("/oauth2/token", "grant_type=client_credentials&client_id=picky") }, "invalid_client"},
	} {
		if a := row.ask(); a.member("error") != row.code {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
	}
}

func TestRFC6749_2_3_AnAssertionIsNotShownTogetherWithAnythingElse(t *testing.T) {
	ts := newPrivateKeyServer(t)
	key := signers()["ES256"]
	body := func(further string) string {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {key.sign(t, ts.assertionClaims("keyed"), nil)},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		return form.Encode() + further
	}
	for _, row := range []struct {
		name, body string
		headers    []string
		code       string
	}{
		{"with its client_id", body("&client_id=keyed"), nil, ""},
		{"with Basic", body(""), []string{"Authorization", basic("keyed", secretOfMini)}, "invalid_request"},
		{"with Basic of another client", body(""), []string{"Authorization", basic("mini", secretOfMini)}, "invalid_request"},
		{"with a secret", body("&client_secret=x"), nil, "invalid_request"},
		{"with another client_id", body("&client_id=mini"), nil, "invalid_request"},
		{"of another type", strings.Replace(body(""), "jwt-bearer", "saml2-bearer", 1), nil, "invalid_client"},
		{"without type", "grant_type=client_credentials&client_assertion=" + key.sign(t, ts.assertionClaims("keyed"), nil), nil, "invalid_client"},
		{"a type without assertion", "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer", nil, "invalid_client"},
		{"twice", body("&client_assertion=x"), nil, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if a := ts.send("/oauth2/token", row.body, row.headers...); a.member("error") != row.code {
				t.Errorf("got %d %s, want %q", a.status, a.raw, row.code)
			}
		})
	}
}

func TestRFC7523_3_AnAssertionIsGoodOnce(t *testing.T) {
	ts := newPrivateKeyServer(t)
	other := ts.secondInstance()
	key := signers()["ES256"]
	assertion := key.sign(t, ts.assertionClaims("keyed"), nil)
	instances := []*testServer{ts, other}
	var winners atomic.Int32
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			// Both instances use the issuer of the first: they are one server.
			a := instances[i%2].postWithAssertion("/oauth2/token", assertion, ownGrant())
			switch {
			case a.status == http.StatusOK:
				winners.Add(1)
			case a.status != http.StatusBadRequest || a.member("error") != "invalid_client" || !strings.Contains(a.member("error_description"), "used before"):
				t.Errorf("a rejected call got %d %s", a.status, a.raw)
			}
		})
	}
	group.Wait()
	if winners.Load() != 1 {
		t.Errorf("%d calls won", winners.Load())
	}
	ts.clock.Advance(61 * time.Second)
	if a := ts.postWithAssertion("/oauth2/token", assertion, ownGrant()); a.member("error") != "invalid_client" {
		t.Errorf("after it expired: %d %s", a.status, a.raw)
	}
}

func TestPrivateKeyJWT_JTIIsScopedToClientAndDirectory(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	key := signers()["ES256"]
	ts.addPrivateKeyClient("one", key)
	ts.addPrivateKeyClient("two", key)
	ts.addService("one", func(c *storage.Client) {
		c.Directory, c.AuthMethod, c.Secrets, c.JWKS = "acme", "private_key_jwt", nil, jwks(key)
	})
	for _, ask := range []func() response{
		func() response {
			return ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims("one", "jti", "same"), nil), ownGrant())
		},
		func() response {
			return ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims("two", "jti", "same"), nil), ownGrant())
		},
		func() response {
			return ts.postWithAssertion("/d/acme/oauth2/token", key.sign(t, ts.assertionClaims("one", "jti", "same", "aud", ts.url+"/d/acme"), nil), ownGrant())
		},
	} {
		if a := ask(); a.status != http.StatusOK {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	}
	foreign := key.sign(t, ts.assertionClaims("one"), nil)
	if a := ts.postWithAssertion("/d/acme/oauth2/token", foreign, ownGrant()); a.member("error") != "invalid_client" {
		t.Errorf("the root issuer's assertion in another directory: %d %s", a.status, a.raw)
	}
}

func TestPrivateKeyJWT_WorksAtEveryEndpoint(t *testing.T) {
	ts := newPrivateKeyServer(t)
	key := signers()["ES256"]
	ts.addMiniProgram("keyedmini", func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.JWKS = "private_key_jwt", nil, jwks(key)
	})
	ts.addService("keyedweb", func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets, c.JWKS = storage.ClientWeb, "private_key_jwt", nil, jwks(key)
		c.RedirectURIs, c.Scopes = []string{"https://web.example/callback"}, []string{"openid"}
	})
	for path, row := range map[string]struct {
		client string
		form   url.Values
		status int
	}{
		"/oauth2/token":                       {"keyed", ownGrant(), 200},
		"/oauth2/revoke":                      {"keyed", url.Values{"token": {"x"}}, 200},
		"/oauth2/introspect":                  {"keyed", url.Values{"token": {"x"}}, 200},
		"/federation/wechat/miniapp/profile":  {"keyedmini", url.Values{"code": {ts.app("keyedmini").Login("alice")}}, 200},
		"/federation/wechat/miniapp/bindUser": {"keyedmini", url.Values{"method": {"register"}, "code": {ts.app("keyedmini").Login("bob")}}, 200},
		"/oauth2/par": {"keyedweb", url.Values{
			"response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {"https://web.example/callback"},
		}, 201},
	} {
		t.Run(path, func(t *testing.T) {
			elsewhere := key.sign(t, ts.assertionClaims(row.client, "aud", ts.url+"/oauth2/elsewhere"), nil)
			if a := ts.postWithAssertion(path, elsewhere, row.form); a.member("error") != "invalid_client" {
				t.Errorf("for another endpoint: %d %s", a.status, a.raw)
			}
			here := key.sign(t, ts.assertionClaims(row.client, "aud", ts.url+path), nil)
			if a := ts.postWithAssertion(path, here, row.form); a.status != row.status {
				t.Errorf("for this endpoint: %d %s", a.status, a.raw)
			}
		})
	}
}

func TestPrivateKeyJWT_RejectsAssertionThatCannotBeStored(t *testing.T) {
	ts := newPrivateKeyServer(t)
	key := signers()["ES256"]
	ts.postWithAssertion("/oauth2/token", key.sign(t, ts.assertionClaims("keyed"), nil), ownGrant())
	assertion := key.sign(t, ts.assertionClaims("keyed"), nil)
	ts.engine.Before = unavailable(storage.KindAssertion)
	if a := ts.postWithAssertion("/oauth2/token", assertion, ownGrant()); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	ts.engine.Before = nil
	if a := ts.postWithAssertion("/oauth2/token", assertion, ownGrant()); a.status != http.StatusOK {
		t.Errorf("when the store is back: %d %s", a.status, a.raw)
	}
}

// keyServer serves a JWK Set and counts the requests.
type keyServer struct {
	*httptest.Server
	asked atomic.Int32
	mu    sync.Mutex
	body  []byte
	down  bool
}

func newKeyServer(t *testing.T, keys ...signer) *keyServer {
	s := &keyServer{body: jwks(keys...)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.down {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Write(s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(body []byte, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.down = body, down
}

// newKeyFetchingServer returns a test server that may fetch from this machine. The keys of its client "remote" are at source.
func newKeyFetchingServer(t *testing.T, source *keyServer) *testServer {
	ts := newTestServer(t).withConfig(func(c *server.Config) {
		c.Fetch.AllowPrivate = true
	})
	ts.addService("remote", func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.JWKSURI = "private_key_jwt", nil, source.URL+"/jwks"
	})
	return ts
}

func (ts *testServer) tokenBySigner(key signer) response {
	ts.Helper()
	assertion := key.sign(ts.T, ts.assertionClaims("remote", "aud", ts.config.PublicURL), nil)
	return ts.postWithAssertion("/oauth2/token", assertion, ownGrant())
}

func TestJWKSURI_FetchesKeysOnceAndAfterChange(t *testing.T) {
	old, next := newSigner("ES256", "old"), newSigner("EdDSA", "next")
	source := newKeyServer(t, old)
	ts := newKeyFetchingServer(t, source)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if a := ts.tokenBySigner(old); a.status != http.StatusOK {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
	group.Wait()
	if n := source.asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	source.set(jwks(old, next), false)
	if a := ts.tokenBySigner(next); a.member("error") != "invalid_client" || source.asked.Load() != 1 {
		t.Errorf("within the pause: %d %s, fetched %d times", a.status, a.raw, source.asked.Load())
	}
	ts.clock.Advance(31 * time.Second)
	if a := ts.tokenBySigner(next); a.status != http.StatusOK || source.asked.Load() != 2 {
		t.Errorf("a new key: %d %s, fetched %d times", a.status, a.raw, source.asked.Load())
	}
	for range 10 {
		if a := ts.tokenBySigner(newSigner("ES256", "guess")); a.member("error") != "invalid_client" {
			t.Errorf("an unknown key: %d %s", a.status, a.raw)
		}
	}
	if n := source.asked.Load(); n != 2 {
		t.Errorf("unknown keys caused %d fetches", n)
	}
	source.set(jwks(next), false)
	ts.clock.Advance(5*time.Minute + time.Second)
	if a := ts.tokenBySigner(old); a.member("error") != "invalid_client" {
		t.Errorf("a removed key: %d %s", a.status, a.raw)
	}
}

func TestJWKSURI_UsesCachedKeysForAnHour(t *testing.T) {
	key := newSigner("ES256", "key")
	source := newKeyServer(t, key)
	ts := newKeyFetchingServer(t, source)
	ts.tokenBySigner(key)
	source.set(nil, true)
	ts.clock.Advance(30 * time.Minute)
	if a := ts.tokenBySigner(key); a.status != http.StatusOK {
		t.Errorf("half an hour later: %d %s", a.status, a.raw)
	}
	ts.clock.Advance(31 * time.Minute)
	if a := ts.tokenBySigner(key); a.status != http.StatusServiceUnavailable || a.member("reason") != "retry" || a.header.Get("Retry-After") != "30" {
		t.Errorf("an hour later: %d %s", a.status, a.raw)
	}
	asked := source.asked.Load()
	ts.tokenBySigner(key)
	if source.asked.Load() != asked {
		t.Error("a source that is down is called at every request")
	}
	source.set(jwks(key), false)
	ts.clock.Advance(31 * time.Second)
	if a := ts.tokenBySigner(key); a.status != http.StatusOK {
		t.Errorf("when it is back: %d %s", a.status, a.raw)
	}
}

func TestJWKSURI_RejectsInvalidSetsAndWeakKeys(t *testing.T) {
	key := newSigner("ES256", "key")
	weak := signer{"RS256", "weak", must(rsa.GenerateKey(rand.Reader, 1024))(t)}
	private := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.key, KeyID: "key"}}}))(t)
	for name, row := range map[string]struct {
		body []byte
		key  signer
		code string
	}{
		"no JSON":                           {[]byte("<html>"), key, "temporarily_unavailable"},
		"another JSON":                      {[]byte(`{"error":"not_found"}`), key, "temporarily_unavailable"},
		"70 KB":                             {append(jwks(key), bytes.Repeat([]byte(" "), 70<<10)...), key, "temporarily_unavailable"},
		"a hundred keys":                    {[]byte(`{"keys":[` + strings.TrimSuffix(strings.Repeat("{},", 100), ",") + `]}`), key, "temporarily_unavailable"},
		"a private key":                     {private, key, "invalid_client"},
		"a key for encryption":              {bytes.Replace(jwks(key), []byte(`"use":"sig"`), []byte(`"use":"enc"`), 1), key, "invalid_client"},
		"a key of another algorithm":        {bytes.Replace(jwks(key), []byte(`"alg":"ES256"`), []byte(`"alg":"ES384"`), 1), key, "invalid_client"},
		"RSA of 1024 bits":                  {jwks(weak), weak, "invalid_client"},
		"unknown keys before the right one": {bytes.Replace(jwks(key), []byte(`[`), []byte(`[{"kty":"AKP","kid":"pq"},{"kty":"oct","k":"c2VjcmV0"},7,`), 1), key, ""},
	} {
		t.Run(name, func(t *testing.T) {
			source := newKeyServer(t)
			source.set(row.body, false)
			if a := newKeyFetchingServer(t, source).tokenBySigner(row.key); a.member("error") != row.code {
				t.Errorf("got %d %s, want %q", a.status, a.raw, row.code)
			}
		})
	}
}
