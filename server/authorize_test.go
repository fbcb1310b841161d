package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestCodeFlow_IssuesTokens(t *testing.T) {
	ts := newPopulatedServer(t)
	for _, client := range []string{"web", "spa", "native"} {
		a := ts.newBrowser().flow(client)
		all := claims(t, a.member("id_token"))
		if all["sub"] != "alice" || all["nonce"] != "nonce-1" || all["iss"] != ts.url {
			t.Errorf("%s: %v", client, all)
		}
	}
}

func TestSession_IsSharedByClientsOfDirectory(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	first := claims(t, b.flow("web").member("id_token"))
	b.get(ts.authorizeURL("spa"))
	if strings.Contains(b.page.body, `name="username"`) {
		t.Fatal("the second client requires a sign-in")
	}
	b.allow()
	second := claims(t, b.redeem("spa", b.code()).member("id_token"))
	if first["sub"] != second["sub"] || first["sid"] != second["sid"] || first["auth_time"] != second["auth_time"] {
		t.Errorf("got %v and %v", first, second)
	}
}

// TestRFC6749_3_1_2_ErrorsAboutTheAddresseeStayHere: the browser is never sent to a URI that is not registered.
func TestRFC6749_3_1_2_ErrorsAboutTheAddresseeStayHere(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("off", func(c *storage.Client) { c.Disabled = true })
	ts.addClient("query", func(c *storage.Client) { c.RedirectURIs = []string{webRedirect + "?a=b", webRedirect + "/"} })
	ts.addClient("tls", func(c *storage.Client) {
		c.Kind, c.RedirectURIs = storage.ClientNative, []string{"https://127.0.0.1/callback"}
	})
	ts.addClient("tool", func(c *storage.Client) {
		c.Kind, c.RedirectURIs = storage.ClientNative, []string{"http://localhost:8000/"}
	})
	ts.addClient("local", func(c *storage.Client) { c.RedirectURIs = []string{"http://127.0.0.1:5173/callback"} })
	for name, address := range map[string]string{
		"no client":                   ts.authorizeURL("web", "client_id", ""),
		"two clients":                 ts.authorizeURL("web") + "&client_id=spa",
		"unknown client":              ts.authorizeURL("nobody"),
		"disabled client":             ts.authorizeURL("off"),
		"client that is long":         ts.authorizeURL(strings.Repeat("x", 300)),
		"no redirect_uri":             ts.authorizeURL("web", "redirect_uri", ""),
		"two redirect_uris":           ts.authorizeURL("web") + "&redirect_uri=" + url.QueryEscape(webRedirect),
		"another host":                ts.authorizeURL("web", "redirect_uri", "https://evil.example/callback"),
		"host as user":                ts.authorizeURL("web", "redirect_uri", "https://rp.example@evil.example/callback"),
		"user in front":               ts.authorizeURL("web", "redirect_uri", "https://user@rp.example/callback"),
		"longer host":                 ts.authorizeURL("web", "redirect_uri", "https://rp.example.evil.example/callback"),
		"a port":                      ts.authorizeURL("web", "redirect_uri", "https://rp.example:443/callback"),
		"upper case":                  ts.authorizeURL("web", "redirect_uri", "https://RP.example/callback"),
		"plain http":                  ts.authorizeURL("web", "redirect_uri", "http://rp.example/callback"),
		"query added":                 ts.authorizeURL("web", "redirect_uri", webRedirect+"?a=b"),
		"empty query added":           ts.authorizeURL("web", "redirect_uri", webRedirect+"?"),
		"fragment added":              ts.authorizeURL("web", "redirect_uri", webRedirect+"#x"),
		"slash added":                 ts.authorizeURL("web", "redirect_uri", webRedirect+"/"),
		"path added":                  ts.authorizeURL("web", "redirect_uri", webRedirect+"/../evil"),
		"percent-encoded":             ts.authorizeURL("web", "redirect_uri", "https://rp.example/%63allback"),
		"newline added":               ts.authorizeURL("web", "redirect_uri", webRedirect+"\r\nX: y"),
		"space in front":              ts.authorizeURL("web", "redirect_uri", " "+webRedirect),
		"NUL added":                   ts.authorizeURL("web", "redirect_uri", webRedirect+"\x00"),
		"relative":                    ts.authorizeURL("web", "redirect_uri", "/callback"),
		"script":                      ts.authorizeURL("web", "redirect_uri", "javascript:alert(1)"),
		"data":                        ts.authorizeURL("web", "redirect_uri", "data:text/html,x"),
		"query mismatch":              ts.authorizeURL("query", "redirect_uri", webRedirect+"?a=c"),
		"query missing":               ts.authorizeURL("query"),
		"web on the loopback":         ts.authorizeURL("web", "redirect_uri", "http://127.0.0.1:1234/callback"),
		"web on another port":         ts.authorizeURL("local", "redirect_uri", "http://127.0.0.1:1234/callback"),
		"native on localhost":         ts.authorizeURL("native", "redirect_uri", "http://localhost:1234/other"),
		"tool on another path":        ts.authorizeURL("tool", "redirect_uri", "http://localhost:1234/evil"),
		"tool on an address":          ts.authorizeURL("tool", "redirect_uri", "http://127.0.0.1:8000/"),
		"tool on a longer host":       ts.authorizeURL("tool", "redirect_uri", "http://localhost.evil.example/"),
		"tool with a user":            ts.authorizeURL("tool", "redirect_uri", "http://localhost:80@evil.example/"),
		"tool in upper case":          ts.authorizeURL("tool", "redirect_uri", "http://LOCALHOST:8000/"),
		"tool over https":             ts.authorizeURL("tool", "redirect_uri", "https://localhost:8000/"),
		"native on another path":      ts.authorizeURL("native", "redirect_uri", "http://127.0.0.1:1234/evil"),
		"native with a query":         ts.authorizeURL("native", "redirect_uri", "http://127.0.0.1:1234/callback?x=y"),
		"native with a fragment":      ts.authorizeURL("native", "redirect_uri", "http://127.0.0.1:1234/callback#x"),
		"native with a user":          ts.authorizeURL("native", "redirect_uri", "http://127.0.0.1:1234@evil.example/callback"),
		"native on another address":   ts.authorizeURL("native", "redirect_uri", "http://127.0.0.2:1234/callback"),
		"native on a longer host":     ts.authorizeURL("native", "redirect_uri", "http://127.0.0.1.evil.example/callback"),
		"native without port":         ts.authorizeURL("native", "redirect_uri", "http://127.0.0.1:/callback"),
		"native on too high a port":   ts.authorizeURL("native", "redirect_uri", "http://127.0.0.1:65536/callback"),
		"native on a signed port":     ts.authorizeURL("native", "redirect_uri", "http://127.0.0.1:+80/callback"),
		"native without its https":    ts.authorizeURL("tls", "redirect_uri", "http://127.0.0.1:51000/callback"),
		"native over https":           ts.authorizeURL("native", "redirect_uri", "https://127.0.0.1:1234/callback"),
		"native on a port of https":   ts.authorizeURL("native", "redirect_uri", "https://app.example:8443/callback"),
		"native, other private path":  ts.authorizeURL("native", "redirect_uri", "com.example.app:/evil"),
		"native, other private name":  ts.authorizeURL("native", "redirect_uri", "com.example.app.evil:/callback"),
		"malformed query":             ts.url + "/oauth2/authorize?client_id=%zz",
		"semicolons":                  ts.url + "/oauth2/authorize?client_id=web;redirect_uri=x",
		"nothing":                     ts.url + "/oauth2/authorize",
		"too long":                    ts.url + "/oauth2/authorize?client_id=" + strings.Repeat("x", 27<<10),
		"native, IPv6 on another way": ts.authorizeURL("native", "redirect_uri", "http://[0:0:0:0:0:0:0:1]:1234/callback"),
	} {
		b := ts.newBrowser()
		b.get(address)
		if b.page.callback != "" || b.page.status != http.StatusBadRequest || !strings.HasPrefix(b.page.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: got %d %q %s", name, b.page.status, b.page.callback, b.page.body)
		}
	}
}

// TestRFC8252_7_RedirectsOfNativeApps: the port of a loopback redirect URI is variable, and nothing else is.
func TestRFC8252_7_RedirectsOfNativeApps(t *testing.T) {
	ts := newPopulatedServer(t)
	for _, uri := range []string{
		"http://127.0.0.1/callback", "http://127.0.0.1:1/callback", "http://127.0.0.1:65535/callback", "http://[::1]/callback", "http://[::1]:51000/callback",
		nativeScheme, "https://app.example/callback", "http://localhost/callback", "http://localhost:18000/callback",
	} {
		b := ts.newBrowser()
		b.get(ts.authorizeURL("native", "redirect_uri", uri))
		b.signIn("alice")
		b.allow()
		if before, _, _ := strings.Cut(b.page.callback, "?"); before != uri {
			t.Errorf("%s: got %q", uri, b.page.callback)
		}
		if a := ts.redeem("native", b.code(), "redirect_uri", uri); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", uri, a.status, a.raw)
		}
	}
}

func TestRFC6749_4_1_2_1_ErrorsGoToTheClient(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("pkce", func(c *storage.Client) { c.RequirePKCE = true })
	ts.addClient("par", func(c *storage.Client) { c.RequirePAR = true })
	ts.addClient("machine", func(c *storage.Client) { c.GrantTypes = []string{"client_credentials"} })
	ts.addClient("poor", func(c *storage.Client) { c.Scopes = []string{"openid"} })
	plain := []string{"code_challenge", verifier, "code_challenge_method", "plain"}
	for name, test := range map[string]struct {
		address, want string
	}{
		"no response_type":             {ts.authorizeURL("web", "response_type", ""), "invalid_request"},
		"implicit":                     {ts.authorizeURL("web", "response_type", "token"), "unsupported_response_type"},
		"hybrid":                       {ts.authorizeURL("web", "response_type", "code id_token"), "unsupported_response_type"},
		"none":                         {ts.authorizeURL("web", "response_type", "none"), "unsupported_response_type"},
		"fragment":                     {ts.authorizeURL("web", "response_mode", "fragment"), "invalid_request"},
		"unknown mode":                 {ts.authorizeURL("web", "response_mode", "web_message"), "invalid_request"},
		"request":                      {ts.authorizeURL("web", "request", "x.y.z"), "request_not_supported"},
		"request and request_uri":      {ts.authorizeURL("web", "request", "x.y.z", "request_uri", "https://x.example/"), "request_not_supported"},
		"long request object":          {ts.authorizeURL("web", "request", strings.Repeat("x", 6<<10)), "request_not_supported"},
		"request_uri":                  {ts.authorizeURL("web", "request_uri", "https://x.example/"), "request_uri_not_supported"},
		"registration":                 {ts.authorizeURL("web", "registration", "{}"), "registration_not_supported"},
		"grant type not allowed":       {ts.authorizeURL("machine"), "unauthorized_client"},
		"scope of another client":      {ts.authorizeURL("poor", "scope", "email"), "invalid_scope"},
		"scope in another case":        {ts.authorizeURL("web", "scope", "OPENID"), "invalid_scope"},
		"no scope":                     {ts.authorizeURL("web", "scope", ""), "invalid_scope"},
		"unknown prompt":               {ts.authorizeURL("web", "prompt", "dance"), "invalid_request"},
		"prompt none and login":        {ts.authorizeURL("web", "prompt", "none login"), "invalid_request"},
		"prompt in another case":       {ts.authorizeURL("web", "prompt", "NONE"), "invalid_request"},
		"max_age is a word":            {ts.authorizeURL("web", "max_age", "soon"), "invalid_request"},
		"max_age is negative":          {ts.authorizeURL("web", "max_age", "-1"), "invalid_request"},
		"hint is rubbish":              {ts.authorizeURL("web", "id_token_hint", "x.y.z"), "invalid_request"},
		"claims are rubbish":           {ts.authorizeURL("web", "claims", "{"), "invalid_request"},
		"resource not allowed":         {ts.authorizeURL("web", "resource", "https://evil.example"), "invalid_target"},
		"resource with a fragment":     {ts.authorizeURL("web", "resource", "https://api.example#x"), "invalid_target"},
		"audience not allowed":         {ts.authorizeURL("web", "audience", "https://evil.example"), "invalid_target"},
		"scope twice":                  {ts.authorizeURL("web") + "&scope=email", "invalid_request"},
		"nonce twice":                  {ts.authorizeURL("web") + "&nonce=nonce-1", "invalid_request"},
		"response_type twice":          {ts.authorizeURL("web") + "&response_type=code", "invalid_request"},
		"not UTF-8":                    {ts.authorizeURL("web", "login_hint", "\xff"), "invalid_request"},
		"too long":                     {ts.authorizeURL("web", "login_hint", strings.Repeat("x", 5000)), "invalid_request"},
		"no challenge, public client":  {ts.authorizeURL("spa", "code_challenge", "", "code_challenge_method", ""), "invalid_request"},
		"no challenge, strict client":  {ts.authorizeURL("pkce"), "invalid_request"},
		"plain challenge":              {ts.authorizeURL("spa", plain...), "invalid_request"},
		"challenge without method":     {ts.authorizeURL("spa", "code_challenge_method", ""), "invalid_request"},
		"method without challenge":     {ts.authorizeURL("web", "code_challenge_method", "S256"), "invalid_request"},
		"short challenge":              {ts.authorizeURL("spa", "code_challenge", "abcde"), "invalid_request"},
		"padded challenge":             {ts.authorizeURL("spa", "code_challenge", challenge+"="), "invalid_request"},
		"challenge of another set":     {ts.authorizeURL("spa", "code_challenge", challenge[:42]+"+"), "invalid_request"},
		"not pushed":                   {ts.authorizeURL("par"), "invalid_request"},
		"prompt none, not signed in":   {ts.authorizeURL("web", "prompt", "none"), "login_required"},
		"essential acr out of reach":   {ts.authorizeURL("web", "claims", `{"id_token":{"acr":{"essential":true,"values":["9"]}}}`), "unmet_authentication_requirements"},
		"not pushed and prompt none":   {ts.authorizeURL("par", "prompt", "none"), "invalid_request"},
		"the scope urn:minifed:link":   {ts.authorizeURL("web", "scope", "urn:minifed:link"), "invalid_scope"},
		"form_post with bad parameter": {ts.authorizeURL("web", "response_mode", "form_post", "max_age", "x"), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			b := ts.newBrowser()
			b.get(test.address)
			b.wantError(t, test.want, "state-1")
			if want := strings.Contains(test.address, "form_post"); b.page.posted != want {
				t.Errorf("posted is %v", b.page.posted)
			}
		})
	}
}

func TestAuthorize_DuplicateStateIsNotReturned(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web") + "&state=state-2")
	b.wantError(t, "invalid_request", "")
	if b.page.sent.Has("state") {
		t.Errorf("got %v", b.page.sent)
	}
}

// TestRFC6749_4_1_2_StateComesBackAsItWas also covers a missing state, and states that look like markup or parameters.
func TestRFC6749_4_1_2_StateComesBackAsItWas(t *testing.T) {
	ts := newPopulatedServer(t)
	for _, mode := range []string{"query", "form_post"} {
		b := ts.newBrowser()
		b.flow("web")
		for _, state := range []string{"a", longState, "&code=x#y?z=%41+ \"'<script>", "中文", strings.Repeat("n", 384), "{\"a\":\"b\"}"} {
			b.get(ts.authorizeURL("web", "state", state, "response_mode", mode))
			if b.code(); b.page.sent.Get("state") != state {
				t.Errorf("%s: got %q, want %q", mode, b.page.sent.Get("state"), state)
			}
		}
		b.get(ts.authorizeURL("web", "state", "", "response_mode", mode))
		if b.code(); b.page.sent.Has("state") {
			t.Errorf("%s: there is a state: %v", mode, b.page.sent)
		}
	}
}

// TestRFC9207_2_AnswersNameTheirIssuer prevents mix-up: a client of two issuers sees which one sent the response.
func TestRFC9207_2_AnswersNameTheirIssuer(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addDirectory(storage.Directory{ID: "acme", Name: "Acme"})
	ts.addClient("other", func(c *storage.Client) { c.Directory = "acme" })
	ts.addUserIn("acme", "alice")
	b := ts.newBrowser()
	b.flow("web")
	b.get(ts.authorizeURL("web"))
	if b.code(); b.page.sent.Get("iss") != ts.url {
		t.Errorf("iss is %q", b.page.sent.Get("iss"))
	}
	b.get(strings.Replace(ts.authorizeURL("other"), ts.url, ts.url+"/d/acme", 1))
	b.signIn("alice")
	b.allow()
	code := b.code()
	if b.page.sent.Get("iss") != ts.url+"/d/acme" {
		t.Errorf("iss is %q", b.page.sent.Get("iss"))
	}
	// The code of one directory is invalid in the other, even for a client of the same name.
	ts.addClient("other", func(*storage.Client) {})
	if a := ts.redeem("other", code); a.status != http.StatusBadRequest || a.member("error") != "invalid_grant" {
		t.Errorf("code of another directory: %d %s", a.status, a.raw)
	}
}

func TestAuthorize_PreservesRegisteredQuery(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("query", func(c *storage.Client) { c.RedirectURIs = []string{webRedirect + "?dummy1=lorem&dummy2=a%20b"} })
	b := ts.newBrowser()
	b.get(ts.authorizeURL("query", "redirect_uri", webRedirect+"?dummy1=lorem&dummy2=a%20b"))
	b.signIn("alice")
	b.allow()
	b.code()
	if !strings.HasPrefix(b.page.callback, webRedirect+"?dummy1=lorem&dummy2=a%20b&code=") {
		t.Errorf("got %s", b.page.callback)
	}
}

// TestRFC6749_3_1_2_3_OneRegisteredRedirectNeedsNotBeNamed outside OpenID Connect; the token request need not contain it
// either.
func TestRFC6749_3_1_2_3_OneRegisteredRedirectNeedsNotBeNamed(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "redirect_uri", "", "scope", "profile"))
	b.signIn("alice")
	b.allow()
	a := ts.redeem("web", b.code(), "redirect_uri", "")
	if a.status != http.StatusOK || a.member("id_token") != "" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestAuthorize_CrossSitePOSTUsesSession(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	b.post(ts.url+"/oauth2/authorize", ts.authorizeForm("web", "prompt", "none", "state", longState), false)
	if b.code(); b.page.sent.Get("state") != longState {
		t.Errorf("got %v", b.page.sent)
	}
	kept := b.page.hops[1]
	if strings.Contains(kept, "rp.example") || strings.Contains(kept, "state-1") {
		t.Errorf("the request can be read in the URL: %s", kept)
	}
	b.post(ts.url+"/oauth2/authorize", ts.authorizeForm("web", "login_hint", strings.Repeat("x", 4000)), false)
	b.wantError(t, "invalid_request", "state-1")
	b.post(ts.url+"/oauth2/authorize", ts.authorizeForm("web", "login_hint", strings.Repeat("&", 4000)), false)
	b.wantError(t, "invalid_request", "state-1")
	b.get(kept)
	b.code() // It is as valid as the request itself, for a minute.
	ts.clock.Advance(time.Minute + time.Second)
	b.get(kept)
	b.wantPage(t, http.StatusBadRequest, "minute")
	b.get(kept[:len(kept)-1])
	b.wantPage(t, http.StatusBadRequest, "minute")
}

func TestAuthorize_HEADIssuesNoCode(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	before := len(list[storage.Grant](ts))
	b.open(must(http.NewRequestWithContext(t.Context(), http.MethodHead, ts.authorizeURL("web"), nil))(t), true)
	if b.page.status != http.StatusOK || len(list[storage.Grant](ts)) != before {
		t.Errorf("got %d and %d grants more", b.page.status, len(list[storage.Grant](ts))-before)
	}
}

// TestOIDCCore_3_1_2_1_Prompts covers what certification does not.
func TestOIDCCore_3_1_2_1_Prompts(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	// 1. max_age=0 is prompt=login.
	b.get(ts.authorizeURL("web", "max_age", "0"))
	b.signIn("alice")
	b.code()
	b.get(ts.authorizeURL("web", "max_age", "0", "prompt", "none"))
	b.wantError(t, "login_required", "state-1")
	b.get(ts.authorizeURL("web", "max_age", "99999999999999999999"))
	b.code()
	// 2. The account chooser: the user continues, and then changes the account.
	b.get(ts.authorizeURL("web", "prompt", "select_account"))
	b.wantPage(t, http.StatusOK, "<h1>account</h1>")
	b.submit("stay")
	if all := claims(t, ts.redeem("web", b.code()).member("id_token")); all["sub"] != "alice" {
		t.Errorf("sub is %v", all["sub"])
	}
	b.get(ts.authorizeURL("web", "prompt", "select_account"))
	b.signIn("bob")
	b.allow()
	if all := claims(t, ts.redeem("web", b.code()).member("id_token")); all["sub"] != "bob" {
		t.Errorf("sub is %v", all["sub"])
	}
	// 3. login and consent together: each page once.
	b.get(ts.authorizeURL("web", "prompt", "login consent select_account"))
	b.signIn("bob")
	b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
	b.submit("allow")
	b.code()
}

func TestAuthorize_CancelReturnsAccessDenied(t *testing.T) {
	ts := newPopulatedServer(t)
	for _, mode := range []string{"query", "form_post"} {
		b := ts.newBrowser()
		b.get(ts.authorizeURL("web", "response_mode", mode))
		b.submit("cancel")
		b.wantError(t, "access_denied", "state-1")
		b.get(ts.authorizeURL("web", "response_mode", mode))
		b.signIn("alice")
		b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
		b.submit("cancel")
		b.wantError(t, "access_denied", "state-1")
	}
}

// TestOIDCCore_3_1_2_2_IDTokenHint: hints that expired or whose key retired are accepted. Hints about other users are not.
func TestOIDCCore_3_1_2_2_IDTokenHint(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	alice := b.flow("web").member("id_token")
	bob := ts.newBrowser()
	bob.get(ts.authorizeURL("web"))
	bob.signIn("bob")
	bob.allow()
	bobs := ts.redeem("web", bob.code()).member("id_token")
	// 1. Expired.
	ts.clock.Advance(time.Hour)
	b.get(ts.authorizeURL("web", "prompt", "none", "id_token_hint", alice))
	b.code()
	// 2. Another user's.
	b.get(ts.authorizeURL("web", "prompt", "none", "id_token_hint", bobs))
	b.wantError(t, "login_required", "state-1")
	b.get(ts.authorizeURL("web", "id_token_hint", bobs))
	b.signIn("alice") // Again the wrong user.
	b.wantError(t, "login_required", "state-1")
	b.get(ts.authorizeURL("web", "id_token_hint", bobs))
	b.signIn("bob")
	b.allow()
	b.code()
	// 3. Required by the claims parameter.
	b.get(ts.authorizeURL("web", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"alice"}}}`))
	b.wantError(t, "login_required", "state-1")
	b.get(ts.authorizeURL("web", "prompt", "none", "claims", `{"id_token":{"sub":{"value":"bob"}}}`))
	b.code()
	// 4. Not an ID token of this client.
	ts.change("web", func(c *storage.Client) { c.Audiences = []string{"web"} })
	access := ts.newBrowser().flow("web", "audience", "web").member("access_token")
	spa := ts.newBrowser().flow("spa").member("id_token")
	for name, hint := range map[string]string{
		"access token": access, "another client's": spa, "changed": strings.Replace(alice, ".", ".e", 1),
		"unsigned": "eyJhbGciOiJub25lIn0." + strings.Split(alice, ".")[1] + ".",
	} {
		b.get(ts.authorizeURL("web", "id_token_hint", hint))
		if b.page.sent.Get("error") != "invalid_request" {
			t.Errorf("%s: got %v", name, b.page.sent)
		}
	}
}

func TestIDTokenHint_OfFormerIssuerIsRejected(t *testing.T) {
	ts := newPopulatedServer(t)
	hint := ts.newBrowser().flow("web").member("id_token")
	moved := *ts
	moved.config.PublicURL = "http://localhost:1"
	moved.server = must(server.New(moved.config))(t)
	recorder := httptest.NewRecorder()
	moved.server.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/oauth2/authorize?"+
		ts.authorizeForm("web", "id_token_hint", hint).Encode(), nil))
	if location := recorder.Header().Get("Location"); !strings.Contains(location, "error=invalid_request") {
		t.Errorf("got %d %s", recorder.Code, location)
	}
}

func TestIDTokenHint_OfMergedUserMeansSurvivor(t *testing.T) {
	ts := newPopulatedServer(t)
	bob := ts.newBrowser()
	bob.get(ts.authorizeURL("web"))
	bob.signIn("bob")
	bob.allow()
	hint := ts.redeem("web", bob.code()).member("id_token")
	ts.changeUser("alice", func(u *storage.User) { u.Aliases = []string{"bob"} })
	b := ts.newBrowser()
	b.flow("web")
	b.get(ts.authorizeURL("web", "prompt", "none", "id_token_hint", hint))
	b.code()
}

func TestAuthorize_StoreDownShowsPageOrReturnsError(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindSession || o.Kind == storage.KindUser {
			return storage.ErrUnavailable
		}
		return nil
	}
	b.get(ts.authorizeURL("web"))
	b.wantPage(t, http.StatusServiceUnavailable, "Temporarily unavailable")
	if b.page.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.get(ts.authorizeURL("web", "prompt", "none"))
	b.wantError(t, "temporarily_unavailable", "state-1")
}

func TestAuthorize_IsNotCachedFramedOrLogged(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "login_hint", "hinted-person", "state", "state-secret"))
	login := b.page
	b.signIn("alice")
	b.allow()
	code := b.code()
	for _, p := range []*page{login, b.page} {
		if p.header.Get("X-Frame-Options") != "DENY" || p.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("headers are %v", p.header)
		}
	}
	if b.page.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", b.page.header.Get("Cache-Control"))
	}
	log := ts.log.String()
	for _, secret := range []string{code, "state-secret", "nonce-1", "hinted-person", "interaction=", b.cookies["mf-default"]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(log, `"client":"web"`) || !strings.Contains(log, `"response_type":"code"`) {
		t.Error("the log has neither client nor parameters")
	}
}

// TestFormPost_2_ThePage submits itself by a script that the policy allows, and works without the script.
func TestFormPost_2_ThePage(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	b.get(ts.authorizeURL("web", "response_mode", "form_post", "state", `"><script>alert(1)</script>`))
	b.code()
	policy := b.page.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'sha256-") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "form-action") {
		t.Errorf("policy is %q", policy)
	}
	if strings.Count(b.page.body, "<script>") != 1 || !strings.Contains(b.page.body, `type="submit" id="continue"`) {
		t.Errorf("page is %s", b.page.body)
	}
	if b.page.header.Get("Cache-Control") != "no-store" || b.page.status != http.StatusOK {
		t.Errorf("got %d %v", b.page.status, b.page.header)
	}
	sheets := regexp.MustCompile(`<link rel="stylesheet" href="(/[^"]+)">`).FindAllStringSubmatch(b.page.body, -1)
	if len(sheets) != 2 || !strings.Contains(policy, "style-src 'self';") {
		t.Fatalf("sheets are %v, policy is %q", sheets, policy)
	}
	for _, sheet := range sheets {
		if a := ts.get(ts.url + sheet[1]); a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/css") {
			t.Errorf("%s: %d %v", sheet[1], a.status, a.header)
		}
	}
}

// changeUser edits a user's record.
func (ts *testServer) changeUser(id string, edit func(*storage.User)) {
	ts.Helper()
	editRecord(ts, storage.Key("default", id), edit)
}

// TestCodeFlow_StaysWithinStoreBudget counts the store operations of requests. Directories, clients and keys come from memory.
func TestCodeFlow_StaysWithinStoreBudget(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("own", func(c *storage.Client) { c.FirstParty = true })
	b := ts.newBrowser()
	b.flow("web")
	b.flow("own")
	count := func(do func()) (reads, writes int) {
		ts.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
			switch {
			case slices.Contains([]storage.Kind{storage.KindClient, storage.KindDirectory, storage.KindSigningKeys, storage.KindTokenSecrets}, o.Kind):
			case o.Write():
				writes++
			default:
				reads++
			}
			return err
		}
		do()
		ts.engine.After = nil
		return reads, writes
	}
	want := func(what string, reads, writes int, do func()) {
		t.Helper()
		if r, n := count(do); r > reads || n > writes {
			t.Errorf("%s: %d reads and %d writes, want at most %d and %d", what, r, n, reads, writes)
		}
	}
	want("authorize, first party", 2, 1, func() { b.get(ts.authorizeURL("own")) })
	want("authorize with consent", 3, 1, func() { b.get(ts.authorizeURL("web")) })
	code := b.code()
	want("code to tokens", 3, 1, func() { ts.redeem("web", code) })
	b.get(ts.authorizeURL("web", "scope", "openid offline_access"))
	b.allow()
	code = b.code()
	want("code to tokens without session", 2, 1, func() { ts.redeem("web", code) })
	uri := ""
	want("push", 0, 1, func() { uri = ts.push("web").member("request_uri") })
	want("authorize what was pushed", 4, 1, func() { b.get(ts.pushedURL("web", uri)) })
	b.code()
	want("a request that needs a page", 0, 0, func() { ts.newBrowser().get(ts.authorizeURL("web")) })
}
