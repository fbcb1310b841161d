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

// from sends a request as a script of an origin does.
func (w *world) from(origin, method, path string, form url.Values, header ...string) answer {
	w.Helper()
	request := must(http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(form.Encode())))(w.T)
	request.Header.Set("Origin", origin)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return w.do(request)
}

func (a answer) readers() string { return a.header.Get("Access-Control-Allow-Origin") }

// TestCORS_RegisteredOriginsReadWhatIsTheirs, and nobody else does.
func TestCORS_RegisteredOriginsReadWhatIsTheirs(t *testing.T) {
	w := newSite(t)
	w.addClient("spa2", func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets = storage.ClientSPA, "none", nil
		c.RedirectURIs, c.Origins = []string{"https://other.example/cb"}, []string{"https://more.example"}
	})
	b := w.newBrowser()
	redeem := func(origin, code string) answer {
		return w.from(origin, http.MethodPost, "/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {code}, "redirect_uri": {spaRedirect}, "code_verifier": {verifier},
		})
	}
	good := redeem(spaOrigin, b.freshCode("spa"))
	if good.status != http.StatusOK || good.readers() != spaOrigin || !slices.Contains(good.header.Values("Vary"), "Origin") {
		t.Errorf("token: %d %v", good.status, good.header)
	}
	if a := redeem(evilOrigin, b.freshCode("spa")); a.readers() != "" || !slices.Contains(a.header.Values("Vary"), "Origin") {
		t.Errorf("token for another origin: %v", a.header)
	}
	bearer := []string{"Authorization", "Bearer " + good.text("access_token")}
	refreshing := url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {"x"}}
	for name, test := range map[string]struct {
		answer answer
		want   string
	}{
		"error to the client's origin":       {redeem(spaOrigin, "x"), spaOrigin},
		"error to another origin":            {redeem(evilOrigin, "x"), ""},
		"error to another client's origin":   {redeem("https://more.example", "x"), ""},
		"refresh":                            {w.from(spaOrigin, http.MethodPost, "/oauth2/token", refreshing), spaOrigin},
		"unknown client":                     {w.from(spaOrigin, http.MethodPost, "/oauth2/token", url.Values{"client_id": {"nobody"}, "grant_type": {"refresh_token"}}), ""},
		"another case":                       {redeem("https://SPA.example", "x"), ""},
		"another scheme":                     {redeem("http://spa.example", "x"), ""},
		"null":                               {redeem("null", "x"), ""},
		"UserInfo":                           {w.from(spaOrigin, http.MethodGet, "/oauth2/userinfo", nil, bearer...), spaOrigin},
		"UserInfo for another origin":        {w.from(evilOrigin, http.MethodGet, "/oauth2/userinfo", nil, bearer...), ""},
		"UserInfo without token":             {w.from(spaOrigin, http.MethodGet, "/oauth2/userinfo", nil), spaOrigin},
		"revoking":                           {w.from(spaOrigin, http.MethodPost, "/oauth2/revoke", url.Values{"client_id": {"spa"}, "token": {"x"}}), spaOrigin},
		"pushing":                            {w.from(spaOrigin, http.MethodPost, "/oauth2/par", w.authorizeForm("spa")), spaOrigin},
		"pushing for another origin":         {w.from(evilOrigin, http.MethodPost, "/oauth2/par", w.authorizeForm("spa")), ""},
		"registered without a redirect":      {w.from("https://more.example", http.MethodPost, "/oauth2/par", w.authorizeForm("spa2")), "https://more.example"},
		"where a single-page app returns to": {w.from("https://other.example", http.MethodPost, "/oauth2/par", w.authorizeForm("spa2")), "https://other.example"},
		"where a web app returns to":         {w.from("https://rp.example", http.MethodPost, "/oauth2/par", w.authorizeForm("web")), ""},
		"discovery":                          {w.from(evilOrigin, http.MethodGet, "/.well-known/openid-configuration", nil), "*"},
		"keys":                               {w.from(evilOrigin, http.MethodGet, "/oauth2/jwks", nil), "*"},
		"never at authorize":                 {w.from(spaOrigin, http.MethodGet, "/oauth2/authorize?"+w.authorizeForm("spa", "prompt", "none").Encode(), nil), ""},
		"never at the login page":            {w.from(spaOrigin, http.MethodGet, "/login", nil), ""},
		"never for mini-program backends":    {w.from(spaOrigin, http.MethodPost, "/federation/wechat/miniapp/profile", url.Values{"client_id": {"spa"}}), ""},
	} {
		if got := test.answer.readers(); got != test.want {
			t.Errorf("%s: got %q, want %q (%d %s)", name, got, test.want, test.answer.status, test.answer.raw)
		}
		if test.answer.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: cookies are allowed", name)
		}
	}
}

func TestCORS_Preflights(t *testing.T) {
	w := newSite(t)
	ask := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}
	for _, path := range []string{"/oauth2/token", "/oauth2/userinfo", "/oauth2/par", "/oauth2/revoke"} {
		a := w.from(spaOrigin, http.MethodOptions, path, nil, ask...)
		if a.status != http.StatusNoContent || a.readers() != spaOrigin || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") || !strings.HasPrefix(a.header.Get("Vary"), "Origin") {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
	for _, path := range []string{"/oauth2/authorize", "/login", "/consent", "/federation/wechat/miniapp/profile"} {
		if a := w.from(spaOrigin, http.MethodOptions, path, nil, ask...); a.status != http.StatusMethodNotAllowed || a.readers() != "" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
}

// TestCORS_PreflightAllowsTheHeadersThatAreAskedFor, because tracing and HTTP libraries add headers of their own.
func TestCORS_PreflightAllowsTheHeadersThatAreAskedFor(t *testing.T) {
	w := newSite(t)
	for asked, want := range map[string]string{
		"authorization,traceparent,x-requested-with": "Authorization, Content-Type, traceparent, x-requested-with",
		"authorization, x-b3-traceid":                "Authorization, Content-Type, x-b3-traceid",
		"":                                           "Authorization, Content-Type",
		"x-good,bad header,x;y,\"q\"":                "Authorization, Content-Type, x-good",
		strings.Repeat("x-long,", 1000):              "Authorization, Content-Type",
	} {
		for _, path := range []string{"/oauth2/token", "/oauth2/userinfo", "/oauth2/par", "/oauth2/revoke"} {
			a := w.from(spaOrigin, http.MethodOptions, path, nil, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", asked)
			if got := a.header.Get("Access-Control-Allow-Headers"); a.status != http.StatusNoContent || got != want {
				t.Errorf("%s, %.40q: %d %q", path, asked, a.status, got)
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s allows credentials", path)
			}
		}
	}
}

// TestCORS_WebViewsOfAppsReadWhatIsTheirs from the origin that is registered for the native client.
func TestCORS_WebViewsOfAppsReadWhatIsTheirs(t *testing.T) {
	w := newSite(t)
	w.change("native", func(c *storage.Client) {
		c.Origins = []string{"capacitor://localhost", "https://localhost", "http://tauri.localhost", "tauri://localhost"}
	})
	for origin, want := range map[string]string{
		"capacitor://localhost": "capacitor://localhost", "http://tauri.localhost": "http://tauri.localhost", "ionic://localhost": "", "null": "",
	} {
		b := w.newBrowser()
		b.get(w.authorizeURL("native", "redirect_uri", nativeScheme))
		b.signIn("alice")
		b.allow()
		a := w.from(origin, http.MethodPost, "/oauth2/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"native"}, "code": {b.code()}, "redirect_uri": {nativeScheme}, "code_verifier": {verifier},
		})
		if a.status != http.StatusOK || a.readers() != want {
			t.Errorf("%s: %d, readable by %q", origin, a.status, a.readers())
		}
	}
}
