package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/minifed/minifed/storage"
)

func TestRFC6749_5_2_UnsupportedGrantType(t *testing.T) {
	ts := newTestServer(t)
	for _, grant := range []string{"password", "implicit", "urn:example:unknown", "refresh_token password"} {
		a := ts.post("mini", "/oauth2/token", url.Values{"grant_type": {grant}})
		if a.status != 400 || a.member("error") != "unsupported_grant_type" {
			t.Errorf("%s: got %d %s", grant, a.status, a.raw)
		}
	}
	if a := ts.post("mini", "/oauth2/token", url.Values{"x": {"y"}}); a.status != 400 || a.member("error") != "invalid_request" {
		t.Errorf("none: got %d %s", a.status, a.raw)
	}
}

func TestRFC6749_5_2_UnauthorizedClient(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("limited", func(c *storage.Client) { c.GrantTypes = []string{"refresh_token"} })
	code := ts.app("limited").Login("alice")
	if a := ts.exchange("limited", code); a.status != 400 || a.member("error") != "unauthorized_client" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if ts.sim.TimesSent(code) != 0 {
		t.Error("the code was spent")
	}
}

func TestRFC6749_3_2_ParametersAreFormEncodedAndAppearOnce(t *testing.T) {
	ts := newTestServer(t)
	code := ts.app("mini").Login("alice")
	good := exchangeForm(code).Encode()
	auth := []string{"Authorization", basic("mini", secretOfMini)}
	with := func(headers ...string) []string { return append(headers, auth...) }
	for _, row := range []struct {
		name, path, body string
		headers          []string
		status           int
	}{
		{"grant_type twice", "", good + "&grant_type=refresh_token", auth, 400},
		{"subject_token twice", "", good + "&subject_token=" + code, auth, 400},
		{"scope twice", "", good + "&scope=openid&scope=profile", auth, 400},
		{"an unknown parameter twice", "", good + "&x=1&x=2", auth, 400},
		{"an empty parameter twice", "", good + "&nonce=&nonce=", auth, 400},
		{"client_id twice", "", good + "&client_id=mini&client_id=mini", auth, 400},
		{"a secret in the query", "?client_secret=x", good, auth, 400},
		{"the code in the query", "?subject_token=" + code, good, auth, 400},
		{"everything in the query", "?" + good, "", auth, 400},
		{"a malformed query", "?%zz", good, auth, 400},
		{"JSON", "", `{"grant_type":"refresh_token"}`, with("Content-Type", "application/json"), 400},
		{"an empty body", "", "", auth, 400},
		{"a malformed body", "", "grant_type=%zz", auth, 400},
		{"a semicolon as separator", "", "grant_type=refresh_token;refresh_token=x", auth, 400},
		{"not UTF-8", "", good + "&nonce=%ff%fe", auth, 400},
		{"too many parameters", "", good + strings.Repeat("&resource=https://a.example", 200), auth, 400},
		{"a body of 70 KB", "", good + "&x=" + strings.Repeat("y", 70<<10), auth, 413},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := ts.send("/oauth2/token"+row.path, row.body, row.headers...)
			if a.status != row.status || a.member("error") != "invalid_request" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
	multipart := "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nrefresh_token\r\n--b--\r\n"
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, ts.url+"/oauth2/token", strings.NewReader(multipart)))(t)
	request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	request.SetBasicAuth("mini", secretOfMini)
	if a := ts.do(request); a.status != 400 || a.member("error") != "invalid_request" {
		t.Errorf("multipart: got %d %s", a.status, a.raw)
	}
	if n := ts.sim.TimesSent(code); n != 0 {
		t.Errorf("the code was sent %d times", n)
	}
	// Unknown query parameters are ignored, and parameters of the media type do not matter.
	if a := ts.send("/oauth2/token?trace=1", good, with("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")...); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestRFC6749_3_2_OnlyPOST(t *testing.T) {
	ts := newTestServer(t)
	for _, path := range []string{"/oauth2/token", profilePath, bindUserPath} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
			a := ts.do(must(http.NewRequestWithContext(t.Context(), method, ts.url+path, nil))(t))
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: got %d, Allow %q", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
}

func TestRFC8693_2_2_1_TheResponse(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice")
	for member, want := range map[string]any{
		"token_type": "bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "expires_in": 600.0,
		"scope": "openid profile offline_access",
	} {
		if a.body[member] != want {
			t.Errorf("%s is %v, want %v", member, a.body[member], want)
		}
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("headers: %v", a.header)
	}
}

func TestRFC8693_2_2_2_WhatIsAskedForMustBeAllowed(t *testing.T) {
	ts := newTestServer(t)
	ts.change("mini", func(c *storage.Client) {
		c.Audiences = []string{"https://orders.example", "https://stock.example/v1"}
		c.DefaultAudience = []string{"https://orders.example"}
	})
	code := ts.app("mini").Login("alice")
	for _, row := range []struct {
		name    string
		further []string
		code    string
	}{
		{"an unknown scope", []string{"scope", "admin"}, "invalid_scope"},
		{"a scope in capitals", []string{"scope", "OPENID"}, "invalid_scope"},
		{"an unknown audience", []string{"audience", "https://other.example"}, "invalid_target"},
		{"a prefix of an audience", []string{"audience", "https://stock.example"}, "invalid_target"},
		{"an unknown resource", []string{"resource", "https://other.example"}, "invalid_target"},
		{"a relative resource", []string{"resource", "orders"}, "invalid_target"},
		{"a resource with a fragment", []string{"resource", "https://orders.example#x"}, "invalid_target"},
		{"one good and one bad resource", []string{"resource", "https://orders.example", "resource", "https://other.example"}, "invalid_target"},
		{"another requested_token_type", []string{"requested_token_type", "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"},
		{"an actor", []string{"actor_token", "x", "actor_token_type", "y"}, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if a := ts.exchange("mini", code, row.further...); a.status != 400 || a.member("error") != row.code {
				t.Errorf("got %d %s, want %s", a.status, a.raw, row.code)
			}
		})
	}
	if n := ts.sim.TimesSent(code); n != 0 {
		t.Fatalf("the code was sent %d times", n)
	}
	a := ts.login("mini", "alice", "resource", "https://orders.example", "audience", "https://stock.example/v1")
	if aud := claims(t, a.member("access_token"))["aud"]; len(aud.([]any)) != 2 {
		t.Errorf("aud is %v", aud)
	}
	if aud := claims(t, ts.login("mini", "alice").member("access_token"))["aud"]; aud != "https://orders.example" {
		t.Errorf("aud by default is %v", aud)
	}
}

func TestRFC9068_2_TheAccessToken(t *testing.T) {
	ts := newTestServer(t)
	ts.clock.Advance(ts.clock.Now().Truncate(time.Second).Add(1700 * time.Millisecond).Sub(ts.clock.Now()))
	a := ts.login("mini", "alice", "scope", "openid orders")
	token := a.member("access_token")
	if header := jwtHeader(t, token); header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" {
		t.Errorf("header is %v", header)
	}
	all := claims(t, token)
	for name, want := range map[string]any{
		"iss": ts.url, "sub": ts.sub(a), "aud": ts.url, "client_id": "mini", "scope": "openid orders",
		"iat": float64(ts.clock.Now().Unix()), "auth_time": float64(ts.clock.Now().Unix()),
	} {
		if all[name] != want {
			t.Errorf("%s is %v, want %v", name, all[name], want)
		}
	}
	if life := all["exp"].(float64) - all["iat"].(float64); life != a.body["expires_in"] {
		t.Errorf("it lives %v s, and expires_in is %v", life, a.body["expires_in"])
	}
	grant, random, found := strings.Cut(all["jti"].(string), ".")
	if grants := list[storage.Grant](ts); !found || random == "" || grants[0].ID != grant {
		t.Errorf("jti is %v", all["jti"])
	}
}

func TestOpenIDConnectCore_2_IDTokenHasClaimsOfTheLogin(t *testing.T) {
	ts := newTestServer(t)
	a := ts.profile("mini", map[string]any{"code": ts.app("mini").Login("alice"), "nonce": "n-0S6_WzA2Mj", "user": map[string]any{"name": "Alice"}})
	all := claims(t, a.member("id_token"))
	allowed := []string{"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "sid", "jti"}
	if len(all) != len(allowed) {
		t.Errorf("claims are %v", all)
	}
	for _, name := range allowed {
		if all[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if all["azp"] != "mini" || all["aud"] != "mini" || all["nonce"] != "n-0S6_WzA2Mj" || all["amr"].([]any)[0] != "wechat_miniapp" {
		t.Errorf("claims are %v", all)
	}
}

func TestTokenExchange_ScopesDecideWhichTokensAreIssued(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice", "scope", "orders")
	if a.body["id_token"] != nil || a.body["refresh_token"] != nil || a.member("scope") != "orders" {
		t.Errorf("got %s", a.raw)
	}
	if info := ts.userinfo(a.member("access_token")); info.status != http.StatusForbidden || !strings.Contains(info.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("userinfo: %d %v", info.status, info.header)
	}
}

func TestOpenIDConnectCore_3_1_3_6_EveryAlgorithmHasTheRightAccessTokenHash(t *testing.T) {
	algorithms := []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	ts := newTestServer(t)
	ts.addDirectory(storage.Directory{ID: "all", Policy: storage.Policy{SigningAlgorithms: algorithms}})
	provider := must(oidc.NewProvider(t.Context(), ts.url+"/d/all"))(t)
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			client := "mini" + strings.ToLower(algorithm)
			app := ts.addMiniProgram(client, func(c *storage.Client) { c.Directory, c.IDTokenAlgorithm = "all", algorithm })
			verifier := provider.Verifier(&oidc.Config{ClientID: client, Now: ts.clock.Now, SupportedSigningAlgs: algorithms})
			a := ts.post(client, "/d/all/oauth2/token", exchangeForm(app.Login("alice")))
			if a.status != http.StatusOK {
				t.Fatal(a.raw)
			}
			refreshed := ts.post(client, "/d/all/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.member("refresh_token")}})
			for _, issued := range []response{a, refreshed} {
				token := must(verifier.Verify(context.Background(), issued.member("id_token")))(t)
				check(t, token.VerifyAccessToken(issued.member("access_token")))
				if header := jwtHeader(t, issued.member("access_token")); header["alg"] != algorithm || header["typ"] != "at+jwt" {
					t.Errorf("header of the access token is %v", header)
				}
			}
		})
	}
}

func TestIDToken_DefaultsToRS256(t *testing.T) {
	ts := newTestServer(t)
	ts.change("mini", func(c *storage.Client) { c.IDTokenAlgorithm = "" })
	if header := jwtHeader(t, ts.login("mini", "alice").member("id_token")); header["alg"] != "RS256" || header["typ"] != "JWT" {
		t.Errorf("header is %v", header)
	}
}

func TestTokenExchange_IgnoresAuthorizationParameters(t *testing.T) {
	ts := newTestServer(t)
	a := ts.exchange("mini", ts.app("mini").Login("alice"), "id_token_hint", "x", "prompt", "none", "max_age", "1", "acr_values", "gold", "response_type", "code", "request", "x")
	if a.status != http.StatusOK || claims(t, a.member("id_token"))["acr"] != nil {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestTokens_HaveLifetimesOfClient(t *testing.T) {
	ts := newTestServer(t)
	ts.change("mini", func(c *storage.Client) {
		c.Lifetimes = storage.Lifetimes{AccessToken: 60, IDToken: 120, RefreshIdle: 300}
	})
	a := ts.login("mini", "alice")
	id := claims(t, a.member("id_token"))
	if a.body["expires_in"] != 60.0 || id["exp"].(float64)-id["iat"].(float64) != 120 {
		t.Errorf("got %s", a.raw)
	}
	ts.clock.Advance(62 * time.Second)
	if got := ts.userinfo(a.member("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("userinfo with an expired token: %d", got.status)
	}
	ts.clock.Advance(300 * time.Second)
	if got := ts.refresh("mini", a.member("refresh_token")); got.member("error") != "invalid_grant" {
		t.Errorf("refresh after the idle time: %d %s", got.status, got.raw)
	}
}
