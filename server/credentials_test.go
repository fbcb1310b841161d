package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/minifed/minifed/storage"
)

// addService registers a service of the default directory. Its secret is secretOfMini unless edit changes it.
func (ts *testServer) addService(id string, edit func(*storage.Client)) {
	ts.Helper()
	client := storage.Client{
		Directory: "default", ID: id, Kind: storage.ClientService, AuthMethod: "client_secret_basic", Secrets: []string{fastHash(secretOfMini)},
		Scopes: []string{"orders", "stock"}, DefaultScopes: []string{"orders"}, IDTokenAlgorithm: "ES256", CreatedAt: ts.clock.Now(),
	}
	edit(&client)
	must(storage.Insert(ts.Context(), ts.engine, client))(ts.T)
}

// credentials requests a token for the client itself, with further parameters in pairs.
func (ts *testServer) credentials(client string, further ...string) response {
	ts.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(further); i += 2 {
		form.Add(further[i], further[i+1])
	}
	return ts.post(client, "/oauth2/token", form)
}

// newServiceServer returns a test server with the client "service".
func newServiceServer(t *testing.T) *testServer {
	ts := newTestServer(t)
	ts.addService("service", func(*storage.Client) {})
	return ts
}

func TestRFC6749_4_4_3_TheResponseIsAnAccessTokenAndNothingElse(t *testing.T) {
	ts := newServiceServer(t)
	a := ts.credentials("service", "scope", "stock orders")
	if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %v %s", a.status, a.header, a.raw)
	}
	for name := range a.body {
		switch name {
		case "access_token", "token_type", "expires_in", "scope":
		default:
			t.Errorf("the response has %s: %s", name, a.raw)
		}
	}
	if a.member("token_type") != "bearer" || a.body["expires_in"] != 600.0 || a.member("scope") != "stock orders" {
		t.Errorf("got %s", a.raw)
	}
}

func TestRFC9068_2_2_TheSubjectOfAClientsOwnTokenIsTheClient(t *testing.T) {
	ts := newServiceServer(t)
	token := ts.credentials("service").member("access_token")
	if header := jwtHeader(t, token); header["typ"] != "at+jwt" || header["alg"] != "ES256" {
		t.Errorf("header is %v", header)
	}
	all := claims(t, token)
	for name, want := range map[string]any{
		"iss": ts.url, "sub": "service", "client_id": "service", "aud": ts.url, "scope": "orders", "iat": float64(ts.clock.Now().Unix()),
	} {
		if all[name] != want {
			t.Errorf("%s is %v, want %v", name, all[name], want)
		}
	}
	for _, name := range []string{"auth_time", "acr", "amr", "sid"} {
		if all[name] != nil {
			t.Errorf("it has a claim of a login: %s is %v", name, all[name])
		}
	}
	if id, _ := all["jti"].(string); id == "" || strings.Contains(id, ".") {
		t.Errorf("jti is %v: it has no grant to name", all["jti"])
	}
	if again := claims(t, ts.credentials("service").member("access_token")); again["jti"] == all["jti"] {
		t.Error("two tokens have one jti")
	}
	provider := must(oidc.NewProvider(t.Context(), ts.url))(t)
	verifier := provider.Verifier(&oidc.Config{SkipClientIDCheck: true, Now: ts.clock.Now})
	must(verifier.Verify(t.Context(), token))(t)
}

func TestRFC6749_3_3_AClientGetsWhatItMayAskForItself(t *testing.T) {
	ts := newServiceServer(t)
	var many string
	for i := range 65 {
		many += fmt.Sprintf("scope%d ", i)
	}
	ts.change("service", func(c *storage.Client) {
		c.Scopes = append(strings.Fields(many), "orders", "stock", "openid", "offline_access")
		c.DefaultScopes = []string{"openid", "orders", "offline_access"}
		c.Audiences = []string{"https://orders.example", "https://stock.example/v1"}
	})
	for _, row := range []struct {
		name    string
		further []string
		code    string // empty when it is granted
		scope   string
		aud     any
	}{
		{name: "nothing: its defaults, but what speaks of a user", scope: "orders", aud: ts.url},
		{name: "a scope", further: []string{"scope", "stock"}, scope: "stock", aud: ts.url},
		{name: "a resource", further: []string{"resource", "https://orders.example"}, scope: "orders", aud: "https://orders.example"},
		{name: "an audience", further: []string{"audience", "https://stock.example/v1"}, scope: "orders", aud: "https://stock.example/v1"},
		{name: "an unknown scope", further: []string{"scope", "admin"}, code: "invalid_scope"},
		{name: "a scope in capitals", further: []string{"scope", "ORDERS"}, code: "invalid_scope"},
		{name: "openid", further: []string{"scope", "openid"}, code: "invalid_scope"},
		{name: "offline_access", further: []string{"scope", "offline_access"}, code: "invalid_scope"},
		{name: "too many scopes", further: []string{"scope", many}, code: "invalid_scope"},
		{name: "an unknown resource", further: []string{"resource", "https://other.example"}, code: "invalid_target"},
		{name: "the prefix of an audience", further: []string{"audience", "https://stock.example"}, code: "invalid_target"},
		{name: "a relative resource", further: []string{"resource", "orders"}, code: "invalid_target"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := ts.credentials("service", row.further...)
			if row.code != "" {
				if a.status != http.StatusBadRequest || a.member("error") != row.code {
					t.Errorf("got %d %s, want %s", a.status, a.raw, row.code)
				}
				return
			}
			if a.status != http.StatusOK || a.member("scope") != row.scope {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			if all := claims(t, a.member("access_token")); all["aud"] != row.aud || all["scope"] != row.scope {
				t.Errorf("claims are %v", all)
			}
		})
	}
}

func TestClientCredentials_WithoutScopeOmitsScope(t *testing.T) {
	ts := newTestServer(t)
	ts.addService("bare", func(c *storage.Client) { c.Scopes, c.DefaultScopes = nil, nil })
	a := ts.credentials("bare")
	if _, has := a.body["scope"]; a.status != http.StatusOK || has {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if all := claims(t, a.member("access_token")); all["scope"] != nil {
		t.Errorf("claims are %v", all)
	}
}

func TestRFC6749_4_4_OnlyConfidentialClientsWithTheGrantGetOne(t *testing.T) {
	ts := newTestServer(t)
	ts.addService("public", func(c *storage.Client) {
		c.AuthMethod, c.Secrets, c.GrantTypes = "none", nil, []string{"client_credentials"}
	})
	a := ts.send("/oauth2/token", "grant_type=client_credentials&client_id=public")
	if a.status != http.StatusBadRequest || a.member("error") != "unauthorized_client" {
		t.Errorf("public: got %d %s", a.status, a.raw)
	}
	if a := ts.credentials("mini"); a.status != http.StatusBadRequest || a.member("error") != "unauthorized_client" {
		t.Errorf("without the grant type: got %d %s", a.status, a.raw)
	}
	ts.change("mini", func(c *storage.Client) {
		c.GrantTypes = []string{"client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"}
	})
	if a := ts.credentials("mini"); a.status != http.StatusOK || a.body["refresh_token"] != nil || a.body["id_token"] != nil || a.body["scope"] != nil {
		t.Errorf("a mini-program's backend: got %d %s", a.status, a.raw)
	}
}

func TestClientCredentials_TokenHasNoUserInfo(t *testing.T) {
	ts := newServiceServer(t)
	ts.addService("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"service", "opaque"} {
		if a := ts.userinfo(ts.credentials(client).member("access_token")); a.status != http.StatusUnauthorized || !strings.Contains(a.header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("%s: UserInfo: %d %s", client, a.status, a.raw)
		}
	}
}

func TestClientCredentials_TokenIsForItsDirectory(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	ts.addService("service", func(*storage.Client) {})
	ts.addService("service", func(c *storage.Client) { c.Directory = "acme" })
	token := ts.credentials("service").member("access_token")
	if a := ts.post("service", "/d/acme/oauth2/introspect", url.Values{"token": {token}}); a.status != http.StatusOK || a.raw != `{"active":false}` {
		t.Errorf("another directory: %d %s", a.status, a.raw)
	}
	if a := ts.post("service", "/oauth2/introspect", url.Values{"token": {token}}); a.body["active"] != true {
		t.Errorf("its own: %d %s", a.status, a.raw)
	}
	if a := ts.post("service", "/d/acme/oauth2/revoke", url.Values{"token": {token}}); a.status != http.StatusOK {
		t.Errorf("revoked in another directory: %d %s", a.status, a.raw)
	}
	if a := ts.post("service", "/oauth2/introspect", url.Values{"token": {token}}); a.body["active"] != true {
		t.Error("another directory revoked it")
	}
}

func TestClientCredentials_OpaqueTokenExpiresAsStated(t *testing.T) {
	ts := newTestServer(t)
	ts.addService("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	token := ts.credentials("opaque", "scope", "stock").member("access_token")
	if !strings.HasPrefix(token, "mf_at_") {
		t.Fatalf("it is not opaque: %s", token)
	}
	ts.clock.Advance(9*time.Minute + 58*time.Second)
	if a := ts.introspect("opaque", token); a.body["active"] != true || a.member("sub") != "opaque" || a.member("scope") != "stock" {
		t.Errorf("while it lives: %s", a.raw)
	}
	ts.clock.Advance(3 * time.Second)
	if a := ts.introspect("opaque", token); a.body["active"] != false {
		t.Errorf("after it: %s", a.raw)
	}
}
