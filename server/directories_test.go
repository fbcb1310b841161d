package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// twoDirectories adds the directory "acme" with a client "mini" of the same name and secret.
func (ts *testServer) twoDirectories() {
	ts.Helper()
	ts.addDirectory(storage.Directory{ID: "acme"})
	app := ts.addMiniProgram("acme-mini", func(c *storage.Client) { c.Directory = "acme" })
	ts.acme = app
}

func TestDirectory_IsSeparateIssuer(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	issuer := ts.url + "/d/acme"
	provider := must(oidc.NewProvider(t.Context(), issuer))(t)
	a := ts.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(ts.acme.Login("alice")))
	token := must(provider.Verifier(&oidc.Config{ClientID: "acme-mini", Now: ts.clock.Now, SupportedSigningAlgs: []string{"ES256"}}).Verify(t.Context(), a.member("id_token")))(t)
	check(t, token.VerifyAccessToken(a.member("access_token")))
	if token.Issuer != issuer || claims(t, a.member("access_token"))["aud"] != issuer {
		t.Errorf("got %s, %v", token.Issuer, claims(t, a.member("access_token")))
	}
}

func TestDirectory_RejectsTokensOfOtherDirectories(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	// The same client ID, secret and mini-program exist in both directories: only the directory distinguishes them.
	twin := must(storage.Get[storage.Client](t.Context(), ts.engine, storage.Key("acme", "acme-mini")))(t).Record
	sealed := ts.sealSecret("default", "acme-mini", string(ts.acme.Credential().Secret))
	twin.Directory = "default"
	twin.Federation = &storage.Federation{AppID: twin.Federation.AppID, AppSecret: sealed, Provisioning: storage.ProvisionBind}
	must(storage.Insert(t.Context(), ts.engine, twin))(t)

	code := ts.acme.Login("alice")
	home := ts.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(code))
	if home.status != http.StatusOK {
		t.Fatal(home.raw)
	}
	if got := ts.userinfo(home.member("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("access token: got %d %s", got.status, got.raw)
	}
	if got := ts.refresh("acme-mini", home.member("refresh_token")); got.status != 400 || got.member("error") != "invalid_grant" {
		t.Errorf("refresh token: got %d %s", got.status, got.raw)
	}
	if got := ts.exchange("acme-mini", code); got.status != 400 || got.member("reason") != "new_code" {
		t.Errorf("repeat of a code: got %d %s", got.status, got.raw)
	}
	ticket := ts.exchange("acme-mini", ts.acme.Login("bob")).member("bind_ticket")
	bind := map[string]any{"method": "register", "bind_ticket": ticket}
	if got := ts.postJSON("acme-mini", "/d/acme"+bindUserPath, bind); got.status != 400 || got.member("reason") != "new_code" {
		t.Errorf("ticket: got %d %s", got.status, got.raw)
	}
	if got := ts.postJSON("acme-mini", bindUserPath, bind); got.status != http.StatusOK {
		t.Errorf("the ticket at home: got %d %s", got.status, got.raw)
	}
	// The WeChat user is unknown in the other directory, and a user of one does not exist in the other.
	if got := ts.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(ts.acme.Login("alice"))); ts.sub(got) != ts.sub(home) {
		t.Errorf("at home: %s, then %s", ts.sub(home), ts.sub(got))
	}
	if got := ts.exchange("acme-mini", ts.acme.Login("alice")); got.member("error") != "registration_required" {
		t.Errorf("alice exists in the other directory: %s", got.raw)
	}
}

func TestDirectory_DoesNotKnowClientsOfOthers(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	for client, path := range map[string]string{"mini": "/d/acme/oauth2/token", "acme-mini": "/oauth2/token"} {
		if a := ts.post(client, path, exchangeForm("x")); a.status != http.StatusUnauthorized {
			t.Errorf("%s at %s: got %d %s", client, path, a.status, a.raw)
		}
	}
}

func TestPaths_HaveOneSpelling(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	ts.addDirectory(storage.Directory{ID: "off", Disabled: true})
	ts.addDirectory(storage.Directory{ID: "hosted", Issuer: "https://id.example"})
	for path, status := range map[string]int{
		"/oauth2/jwks": 200, "/d/acme/oauth2/jwks": 200,
		"/.well-known/openid-configuration": 200, "/d/acme/.well-known/openid-configuration": 200,
		"/.well-known/oauth-authorization-server": 200, "/.well-known/oauth-authorization-server/d/acme": 200,
		"/.well-known/openid-configuration/d/acme": 200, "/.well-known/openid-configuration/d/acme/": 200,
		"/.well-known/openid-configuration/": 200, "/d/acme/.well-known/openid-configuration/": 200,
		"/.well-known/oauth-authorization-server/": 200, "/.well-known/oauth-authorization-server/d/acme/": 200,

		"/oauth2":                    404,
		"/oauth2/":                   404,
		"/oauth2/jwks/":              404,
		"//oauth2/jwks":              404,
		"/oauth2//jwks":              404,
		"/./oauth2/jwks":             404,
		"/x/../oauth2/jwks":          404,
		"/oauth2/../oauth2/jwks":     404,
		"/oauth2%2Fjwks":             404,
		"/oauth2%2fjwks":             404,
		"/oauth2/%6Awks":             404,
		"/oauth2/jwks%00":            404,
		"/oauth2/%2e%2e/oauth2/jwks": 404,
		"/oauth2\\jwks":              404,
		"/oauth2/jwks;x=1":           404,
		"/OAUTH2/jwks":               404,
		"/d/acme":                    404,
		"/d//oauth2/jwks":            404,
		"/d/acme//oauth2/jwks":       404,
		"/d/ACME/oauth2/jwks":        404,
		"/d/nobody/oauth2/jwks":      404,
		"/d/off/oauth2/jwks":         404,
		"/d/hosted/oauth2/jwks":      404,
		"/d/default/oauth2/jwks":     404,
		"/d/acme/d/acme/oauth2/jwks": 404,
		"/d/acme%2Foauth2/jwks":      404,
		"/d/" + strings.Repeat("a", 33) + "/oauth2/jwks": 404,
		"/d/../oauth2/jwks": 404,
		"/d/acme/.well-known/oauth-authorization-server":          404,
		"/.well-known/oauth-authorization-server/d/nobody":        404,
		"/.well-known/oauth-authorization-server/d/default":       404,
		"/.well-known/openid-configuration/d/nobody":              404,
		"/.well-known/openid-configuration/d/default":             404,
		"/.well-known/openid-configuration//":                     404,
		"/.well-known/openid-configuration/d/acme/x":              404,
		"/d/acme/.well-known/openid-configuration//":              404,
		"/.well-known/oauth-authorization-server/d/acme/../other": 404,
	} {
		if got := ts.rawStatus("GET " + path + " HTTP/1.1"); got != status {
			t.Errorf("%s: got %d, want %d", path, got, status)
		}
	}
	if got := ts.rawStatus("GET http://other.example/oauth2/jwks HTTP/1.1"); got != http.StatusOK {
		t.Errorf("absolute form: got %d", got) // The host does not matter: proxies rewrite it.
	}
}

// rawStatus sends a request line unchanged and returns the status. It follows no redirect.
func (ts *testServer) rawStatus(line string) int {
	ts.Helper()
	connection := must(new(net.Dialer).DialContext(ts.Context(), "tcp", strings.TrimPrefix(ts.url, "http://")))(ts.T)
	defer connection.Close()
	must(fmt.Fprintf(connection, "%s\r\nHost: x\r\nConnection: close\r\n\r\n", line))(ts.T)
	response := must(http.ReadResponse(bufio.NewReader(connection), nil))(ts.T)
	defer response.Body.Close()
	must(io.Copy(io.Discard, response.Body))(ts.T)
	if location := response.Header.Get("Location"); location != "" {
		ts.Errorf("%s: redirected to %s", line, location)
	}
	return response.StatusCode
}

func TestDiscovery_ListsMountedFeaturesOnly(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	for _, issuer := range []string{ts.url, ts.url + "/d/acme"} {
		document := ts.get(issuer + "/.well-known/openid-configuration")
		for member, want := range map[string]any{
			"issuer": issuer, "token_endpoint": issuer + "/oauth2/token", "userinfo_endpoint": issuer + "/oauth2/userinfo",
			"jwks_uri":                                         issuer + "/oauth2/jwks",
			"grant_types_supported":                            []any{"authorization_code", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"},
			"token_endpoint_auth_methods_supported":            []any{"client_secret_basic", "client_secret_post", "none", "private_key_jwt"},
			"token_endpoint_auth_signing_alg_values_supported": []any{"ES256", "ES384", "EdDSA", "PS256", "RS256"},
			"revocation_endpoint":                              issuer + "/oauth2/revoke", "introspection_endpoint": issuer + "/oauth2/introspect",
			"introspection_endpoint_auth_methods_supported":            []any{"client_secret_basic", "client_secret_post", "private_key_jwt"},
			"introspection_endpoint_auth_signing_alg_values_supported": []any{"ES256", "ES384", "EdDSA", "PS256", "RS256"},
			"revocation_endpoint_auth_methods_supported":               []any{"client_secret_basic", "client_secret_post", "none", "private_key_jwt"},
			"id_token_signing_alg_values_supported":                    []any{"ES256", "EdDSA", "RS256"},
			"subject_types_supported":                                  []any{"pairwise", "public"},
			"request_uri_parameter_supported":                          false, "request_parameter_supported": false, "claims_parameter_supported": true,
		} {
			if !reflect.DeepEqual(document.body[member], want) {
				t.Errorf("%s: %s is %v, want %v", issuer, member, document.body[member], want)
			}
		}
		for member, value := range document.body {
			if endpoint, ok := value.(string); ok && strings.HasSuffix(member, "_endpoint") {
				if got := ts.do(must(http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, nil))(t)); got.status == http.StatusNotFound {
					t.Errorf("%s: %s is not there", issuer, member)
				}
			}
		}
	}
	oauth := ts.get(ts.url + "/.well-known/oauth-authorization-server/d/acme")
	if openid := ts.get(ts.url + "/d/acme/.well-known/openid-configuration"); openid.raw != oauth.raw {
		t.Error("the two documents differ")
	}
}

func (ts *testServer) get(address string, headers ...string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodGet, address, nil))(ts.T)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return ts.do(request)
}

func TestPublicDocuments_AreCachedAndReadableByEveryOrigin(t *testing.T) {
	ts := newTestServer(t)
	for path, contentType := range map[string]string{
		"/.well-known/openid-configuration": "application/json", "/.well-known/oauth-authorization-server": "application/json",
		"/oauth2/jwks": "application/jwk-set+json",
	} {
		a := ts.get(ts.url+path, "Origin", "https://spa.example")
		etag := a.header.Get("ETag")
		if a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(a.header.Get("Cache-Control"), "public, max-age=") || etag == "" || a.header.Get("Content-Type") != contentType {
			t.Errorf("%s: %v", path, a.header)
		}
		if again := ts.get(ts.url+path, "If-None-Match", etag); again.status != http.StatusNotModified {
			t.Errorf("%s: got %d", path, again.status)
		}
		preflight := must(http.NewRequestWithContext(t.Context(), http.MethodOptions, ts.url+path, nil))(t)
		if got := ts.do(preflight); got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: preflight: %d %v", path, got.status, got.header)
		}
		if got := ts.send(path, ""); got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: POST: %d", path, got.status)
		}
	}
	if got := ts.get(ts.url+"/oauth2/jwks", "Origin", "https://spa.example"); strings.Contains(got.raw, `"d"`) {
		t.Error("the JWK Set has private keys")
	}
}

func TestStoreDown_DiscoveryAndKeysStillWork(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	a := ts.login("mini", "alice")
	ts.get(ts.url + "/d/acme/oauth2/jwks")
	ts.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	ts.clock.Advance(time.Minute)
	for _, path := range []string{"/.well-known/openid-configuration", "/oauth2/jwks", "/d/acme/.well-known/openid-configuration", "/d/acme/oauth2/jwks"} {
		if got := ts.get(ts.url + path); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s", path, got.status, got.raw)
		}
	}
	for name, got := range map[string]response{
		"exchange": ts.exchange("mini", ts.app("mini").Login("alice")), "refresh": ts.refresh("mini", a.member("refresh_token")),
		"userinfo": ts.userinfo(a.member("access_token")), "profile": ts.profile("mini", map[string]any{"code": "x"}),
	} {
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || got.member("error") != "temporarily_unavailable" {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	ts.engine.Before = nil
	if got := ts.refresh("mini", a.member("refresh_token")); got.status != http.StatusOK {
		t.Errorf("after recovery: %d %s", got.status, got.raw)
	}
}
