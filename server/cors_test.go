package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

const (
	spaOrigin  = "https://spa.example"
	evilOrigin = "https://evil.example"
)

// requestFromOrigin sends a request as a script of an origin does.
func (ts *testServer) requestFromOrigin(origin, method, path string, form url.Values, header ...string) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), method, ts.url+path, strings.NewReader(form.Encode())))(ts.T)
	request.Header.Set("Origin", origin)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return ts.do(request)
}

func (a response) allowedOrigin() string { return a.header.Get("Access-Control-Allow-Origin") }

// TestCORS_OnlyRegisteredOriginsReadResponses, and other origins do not.
func TestCORS_OnlyRegisteredOriginsReadResponses(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("spa2", func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets = storage.ClientSPA, "none", nil
		c.RedirectURIs, c.Origins = []string{"https://other.example/cb"}, []string{"https://more.example"}
	})
	b := ts.newBrowser()
	redeem := func(origin, code string) response {
		return ts.requestFromOrigin(origin, http.MethodPost, "/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {code}, "redirect_uri": {spaRedirect}, "code_verifier": {verifier},
		})
	}
	good := redeem(spaOrigin, b.freshCode("spa"))
	if good.status != http.StatusOK || good.allowedOrigin() != spaOrigin || !slices.Contains(good.header.Values("Vary"), "Origin") {
		t.Errorf("token: %d %v", good.status, good.header)
	}
	if a := redeem(evilOrigin, b.freshCode("spa")); a.allowedOrigin() != "" || !slices.Contains(a.header.Values("Vary"), "Origin") {
		t.Errorf("token for another origin: %v", a.header)
	}
	bearer := []string{"Authorization", "Bearer " + good.member("access_token")}
	refreshing := url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {"x"}}
	for name, test := range map[string]struct {
		answer response
		want   string
	}{
		"error to the client's origin":       {redeem(spaOrigin, "x"), spaOrigin},
		"error to another origin":            {redeem(evilOrigin, "x"), ""},
		"error to another client's origin":   {redeem("https://more.example", "x"), ""},
		"refresh":                            {ts.requestFromOrigin(spaOrigin, http.MethodPost, "/oauth2/token", refreshing), spaOrigin},
		"unknown client":                     {ts.requestFromOrigin(spaOrigin, http.MethodPost, "/oauth2/token", url.Values{"client_id": {"nobody"}, "grant_type": {"refresh_token"}}), ""},
		"another case":                       {redeem("https://SPA.example", "x"), ""},
		"another scheme":                     {redeem("http://spa.example", "x"), ""},
		"null":                               {redeem("null", "x"), ""},
		"UserInfo":                           {ts.requestFromOrigin(spaOrigin, http.MethodGet, "/oauth2/userinfo", nil, bearer...), spaOrigin},
		"UserInfo for another origin":        {ts.requestFromOrigin(evilOrigin, http.MethodGet, "/oauth2/userinfo", nil, bearer...), ""},
		"UserInfo without token":             {ts.requestFromOrigin(spaOrigin, http.MethodGet, "/oauth2/userinfo", nil), spaOrigin},
		"revoking":                           {ts.requestFromOrigin(spaOrigin, http.MethodPost, "/oauth2/revoke", url.Values{"client_id": {"spa"}, "token": {"x"}}), spaOrigin},
		"pushing":                            {ts.requestFromOrigin(spaOrigin, http.MethodPost, "/oauth2/par", ts.authorizeForm("spa")), spaOrigin},
		"pushing for another origin":         {ts.requestFromOrigin(evilOrigin, http.MethodPost, "/oauth2/par", ts.authorizeForm("spa")), ""},
		"registered without a redirect":      {ts.requestFromOrigin("https://more.example", http.MethodPost, "/oauth2/par", ts.authorizeForm("spa2")), "https://more.example"},
		"where a single-page app returns to": {ts.requestFromOrigin("https://other.example", http.MethodPost, "/oauth2/par", ts.authorizeForm("spa2")), "https://other.example"},
		"where a web app returns to":         {ts.requestFromOrigin("https://rp.example", http.MethodPost, "/oauth2/par", ts.authorizeForm("web")), ""},
		"discovery":                          {ts.requestFromOrigin(evilOrigin, http.MethodGet, "/.well-known/openid-configuration", nil), "*"},
		"keys":                               {ts.requestFromOrigin(evilOrigin, http.MethodGet, "/oauth2/jwks", nil), "*"},
		"never at authorize":                 {ts.requestFromOrigin(spaOrigin, http.MethodGet, "/oauth2/authorize?"+ts.authorizeForm("spa", "prompt", "none").Encode(), nil), ""},
		"never at the login page":            {ts.requestFromOrigin(spaOrigin, http.MethodGet, "/login", nil), ""},
		"never for mini-program backends":    {ts.requestFromOrigin(spaOrigin, http.MethodPost, "/federation/wechat/miniapp/profile", url.Values{"client_id": {"spa"}}), ""},
	} {
		if got := test.answer.allowedOrigin(); got != test.want {
			t.Errorf("%s: got %q, want %q (%d %s)", name, got, test.want, test.answer.status, test.answer.raw)
		}
		if test.answer.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: cookies are allowed", name)
		}
	}
}

func TestCORS_PreflightNeedsNoOrigin(t *testing.T) {
	ts := newPopulatedServer(t)
	ask := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}
	for _, path := range []string{"/oauth2/token", "/oauth2/userinfo", "/oauth2/par", "/oauth2/revoke"} {
		a := ts.requestFromOrigin(spaOrigin, http.MethodOptions, path, nil, ask...)
		if a.status != http.StatusNoContent || a.allowedOrigin() != spaOrigin || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") || !strings.HasPrefix(a.header.Get("Vary"), "Origin") {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
	for _, path := range []string{"/oauth2/authorize", "/login", "/consent", "/federation/wechat/miniapp/profile"} {
		if a := ts.requestFromOrigin(spaOrigin, http.MethodOptions, path, nil, ask...); a.status != http.StatusMethodNotAllowed || a.allowedOrigin() != "" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
}

// TestCORS_PreflightAllowsRequestedHeaders, because tracing and HTTP libraries add headers of their own.
func TestCORS_PreflightAllowsRequestedHeaders(t *testing.T) {
	ts := newPopulatedServer(t)
	for asked, want := range map[string]string{
		"authorization,traceparent,x-requested-with": "Authorization, Content-Type, traceparent, x-requested-with",
		"authorization, x-b3-traceid":                "Authorization, Content-Type, x-b3-traceid",
		"":                                           "Authorization, Content-Type",
		"x-good,bad header,x;y,\"q\"":                "Authorization, Content-Type, x-good",
		strings.Repeat("x-long,", 1000):              "Authorization, Content-Type",
	} {
		for _, path := range []string{"/oauth2/token", "/oauth2/userinfo", "/oauth2/par", "/oauth2/revoke"} {
			a := ts.requestFromOrigin(spaOrigin, http.MethodOptions, path, nil, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", asked)
			if got := a.header.Get("Access-Control-Allow-Headers"); a.status != http.StatusNoContent || got != want {
				t.Errorf("%s, %.40q: %d %q", path, asked, a.status, got)
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s allows credentials", path)
			}
		}
	}
}

// TestCORS_WebViewsOfAppsReadResponses from the origin that is registered for the native client.
func TestCORS_WebViewsOfAppsReadResponses(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.change("native", func(c *storage.Client) {
		c.Origins = []string{"capacitor://localhost", "https://localhost", "http://tauri.localhost", "tauri://localhost"}
	})
	for origin, want := range map[string]string{
		"capacitor://localhost": "capacitor://localhost", "http://tauri.localhost": "http://tauri.localhost", "ionic://localhost": "", "null": "",
	} {
		b := ts.newBrowser()
		b.get(ts.authorizeURL("native", "redirect_uri", nativeScheme))
		b.signIn("alice")
		b.allow()
		a := ts.requestFromOrigin(origin, http.MethodPost, "/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"native"}, "code": {b.code()}, "redirect_uri": {nativeScheme}, "code_verifier": {verifier},
		})
		if a.status != http.StatusOK || a.allowedOrigin() != want {
			t.Errorf("%s: %d, readable by %q", origin, a.status, a.allowedOrigin())
		}
	}
}
