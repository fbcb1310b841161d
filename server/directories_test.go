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
func (w *world) twoDirectories() {
	w.Helper()
	w.addDirectory(storage.Directory{ID: "acme"})
	app := w.addMiniProgram("acme-mini", func(c *storage.Client) { c.Directory = "acme" })
	w.acme = app
}

func TestAFurtherDirectoryIsAnIssuerOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.twoDirectories()
	issuer := w.url + "/d/acme"
	provider := must(oidc.NewProvider(t.Context(), issuer))(t)
	a := w.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(w.acme.Login("alice")))
	token := must(provider.Verifier(&oidc.Config{ClientID: "acme-mini", Now: w.clock.Now, SupportedSigningAlgs: []string{"ES256"}}).Verify(t.Context(), a.text("id_token")))(t)
	check(t, token.VerifyAccessToken(a.text("access_token")))
	if token.Issuer != issuer || claims(t, a.text("access_token"))["aud"] != issuer {
		t.Errorf("got %s, %v", token.Issuer, claims(t, a.text("access_token")))
	}
}

func TestWhatOneDirectoryIssuedIsWorthNothingInAnother(t *testing.T) {
	w := newWorld(t)
	w.twoDirectories()
	// The same client ID, secret and mini-program exist in both directories, so that only the directory tells them apart.
	twin := must(storage.Get[storage.Client](t.Context(), w.engine, storage.Key("acme", "acme-mini")))(t).Record
	sealed := w.sealSecret("default", "acme-mini", string(w.acme.Credential().Secret))
	twin.Directory = "default"
	twin.Federation = &storage.Federation{AppID: twin.Federation.AppID, AppSecret: sealed, Provisioning: storage.ProvisionBind}
	must(storage.Insert(t.Context(), w.engine, twin))(t)

	code := w.acme.Login("alice")
	home := w.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(code))
	if home.status != http.StatusOK {
		t.Fatal(home.raw)
	}
	if got := w.userinfo(home.text("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("access token: got %d %s", got.status, got.raw)
	}
	if got := w.refresh("acme-mini", home.text("refresh_token")); got.status != 400 || got.text("error") != "invalid_grant" {
		t.Errorf("refresh token: got %d %s", got.status, got.raw)
	}
	if got := w.exchange("acme-mini", code); got.status != 400 || got.text("reason") != "new_code" {
		t.Errorf("repeat of a code: got %d %s", got.status, got.raw)
	}
	ticket := w.exchange("acme-mini", w.acme.Login("bob")).text("bind_ticket")
	bind := map[string]any{"method": "register", "bind_ticket": ticket}
	if got := w.postJSON("acme-mini", "/d/acme"+bindUserPath, bind); got.status != 400 || got.text("reason") != "new_code" {
		t.Errorf("ticket: got %d %s", got.status, got.raw)
	}
	if got := w.postJSON("acme-mini", bindUserPath, bind); got.status != http.StatusOK {
		t.Errorf("the ticket at home: got %d %s", got.status, got.raw)
	}
	// The person is a stranger in the other directory, and the user of one is nobody in the other.
	if got := w.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(w.acme.Login("alice"))); w.sub(got) != w.sub(home) {
		t.Errorf("at home: %s, then %s", w.sub(home), w.sub(got))
	}
	if got := w.exchange("acme-mini", w.acme.Login("alice")); got.text("error") != "registration_required" {
		t.Errorf("alice is known elsewhere: %s", got.raw)
	}
}

func TestAClientOfOneDirectoryIsUnknownInAnother(t *testing.T) {
	w := newWorld(t)
	w.twoDirectories()
	for client, path := range map[string]string{"mini": "/d/acme/oauth2/token", "acme-mini": "/oauth2/token"} {
		if a := w.post(client, path, exchangeForm("x")); a.status != http.StatusUnauthorized {
			t.Errorf("%s at %s: got %d %s", client, path, a.status, a.raw)
		}
	}
}

func TestPathsHaveOneSpelling(t *testing.T) {
	w := newWorld(t)
	w.twoDirectories()
	w.addDirectory(storage.Directory{ID: "off", Disabled: true})
	w.addDirectory(storage.Directory{ID: "hosted", Issuer: "https://id.example"})
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
		if got := w.raw("GET " + path + " HTTP/1.1"); got != status {
			t.Errorf("%s: got %d, want %d", path, got, status)
		}
	}
	if got := w.raw("GET http://other.example/oauth2/jwks HTTP/1.1"); got != http.StatusOK {
		t.Errorf("absolute form: got %d", got) // The host does not matter: proxies rewrite it.
	}
}

// raw sends a request line as it is and returns the status. A redirect counts as what it is.
func (w *world) raw(line string) int {
	w.Helper()
	connection := must(new(net.Dialer).DialContext(w.Context(), "tcp", strings.TrimPrefix(w.url, "http://")))(w.T)
	defer connection.Close()
	must(fmt.Fprintf(connection, "%s\r\nHost: x\r\nConnection: close\r\n\r\n", line))(w.T)
	response := must(http.ReadResponse(bufio.NewReader(connection), nil))(w.T)
	defer response.Body.Close()
	must(io.Copy(io.Discard, response.Body))(w.T)
	if location := response.Header.Get("Location"); location != "" {
		w.Errorf("%s: redirected to %s", line, location)
	}
	return response.StatusCode
}

func TestDiscoveryNamesWhatIsThereAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.twoDirectories()
	for _, issuer := range []string{w.url, w.url + "/d/acme"} {
		document := w.get(issuer + "/.well-known/openid-configuration")
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
				if got := w.do(must(http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, nil))(t)); got.status == http.StatusNotFound {
					t.Errorf("%s: %s is not there", issuer, member)
				}
			}
		}
	}
	oauth := w.get(w.url + "/.well-known/oauth-authorization-server/d/acme")
	if openid := w.get(w.url + "/d/acme/.well-known/openid-configuration"); openid.raw != oauth.raw {
		t.Error("the two documents differ")
	}
}

func (w *world) get(address string, headers ...string) answer {
	w.Helper()
	request := must(http.NewRequestWithContext(w.Context(), http.MethodGet, address, nil))(w.T)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return w.do(request)
}

func TestPublicDocumentsAreCachedAndReadableByEveryOrigin(t *testing.T) {
	w := newWorld(t)
	for path, contentType := range map[string]string{
		"/.well-known/openid-configuration": "application/json", "/.well-known/oauth-authorization-server": "application/json",
		"/oauth2/jwks": "application/jwk-set+json",
	} {
		a := w.get(w.url+path, "Origin", "https://spa.example")
		etag := a.header.Get("ETag")
		if a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(a.header.Get("Cache-Control"), "public, max-age=") || etag == "" || a.header.Get("Content-Type") != contentType {
			t.Errorf("%s: %v", path, a.header)
		}
		if again := w.get(w.url+path, "If-None-Match", etag); again.status != http.StatusNotModified {
			t.Errorf("%s: got %d", path, again.status)
		}
		preflight := must(http.NewRequestWithContext(t.Context(), http.MethodOptions, w.url+path, nil))(t)
		if got := w.do(preflight); got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: preflight: %d %v", path, got.status, got.header)
		}
		if got := w.send(path, ""); got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: POST: %d", path, got.status)
		}
	}
	if got := w.get(w.url+"/oauth2/jwks", "Origin", "https://spa.example"); strings.Contains(got.raw, `"d"`) {
		t.Error("the JWK Set has private keys")
	}
}

func TestWithTheDatabaseDownDiscoveryAndKeysStillAnswerAndTheRestSays503(t *testing.T) {
	w := newWorld(t)
	w.twoDirectories()
	a := w.login("mini", "alice")
	w.get(w.url + "/d/acme/oauth2/jwks")
	w.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	w.clock.Advance(time.Minute)
	for _, path := range []string{"/.well-known/openid-configuration", "/oauth2/jwks", "/d/acme/.well-known/openid-configuration", "/d/acme/oauth2/jwks"} {
		if got := w.get(w.url + path); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s", path, got.status, got.raw)
		}
	}
	for name, got := range map[string]answer{
		"exchange": w.exchange("mini", w.app("mini").Login("alice")), "refresh": w.refresh("mini", a.text("refresh_token")),
		"userinfo": w.userinfo(a.text("access_token")), "profile": w.profile("mini", map[string]any{"code": "x"}),
	} {
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || got.text("error") != "temporarily_unavailable" {
			t.Errorf("%s: got %d %s", name, got.status, got.raw)
		}
	}
	w.engine.Before = nil
	if got := w.refresh("mini", a.text("refresh_token")); got.status != http.StatusOK {
		t.Errorf("after recovery: %d %s", got.status, got.raw)
	}
}
