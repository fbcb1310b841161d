package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// newLogoutServer returns a populated server whose clients web and spa have post-logout redirect URIs.
func newLogoutServer(t *testing.T) *testServer {
	t.Helper()
	ts := newPopulatedServer(t)
	for _, client := range []string{"web", "spa"} {
		ts.change(client, func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{postLogout, postLogout + "?from=" + c.ID} })
	}
	return ts
}

// logoutURL returns the URL of a logout request, with parameters in pairs.
func (ts *testServer) logoutURL(parameters ...string) string {
	form := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		form.Add(parameters[i], parameters[i+1])
	}
	return ts.url + "/oauth2/logout?" + form.Encode()
}

// wantReturned asserts that the browser was sent to exactly this address.
func (b *browser) wantReturned(t *testing.T, address string) {
	t.Helper()
	if b.page.callback != address {
		t.Errorf("sent to %q, want %q: %d\n%s", b.page.callback, address, b.page.status, b.page.body)
	}
}

// wantAsked asserts that the page asks whether to sign out.
func (b *browser) wantAsked(t *testing.T) {
	t.Helper()
	b.wantPage(t, http.StatusOK, `id="logout-form"`)
}

const (
	signedOutText = "You are signed out"
	notSignedIn   = "You are not signed in"
)

func TestRPInitiatedLogout_2_AnIDTokenOfTheSessionIsEnough(t *testing.T) {
	ts := newLogoutServer(t)
	for name, do := range map[string]func(b *browser, form url.Values){
		"GET":             func(b *browser, form url.Values) { b.get(ts.url + "/oauth2/logout?" + form.Encode()) },
		"POST":            func(b *browser, form url.Values) { b.post(ts.url+"/oauth2/logout", form, true) },
		"cross-site POST": func(b *browser, form url.Values) { b.post(ts.url+"/oauth2/logout", form, false) },
		"unknown and more": func(b *browser, form url.Values) {
			form.Set("x", "1")
			b.get(ts.url + "/oauth2/logout?x=2&" + form.Encode())
		},
		"empty values": func(b *browser, form url.Values) {
			form.Set("client_id", "")
			form.Set("logout_hint", "alice")
			b.get(ts.url + "/oauth2/logout?" + form.Encode())
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := ts.newBrowser()
			token := b.flow("web").member("id_token")
			do(b, url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {postLogout + "?from=web"}, "state": {"a&b=c\r\n#"}})
			b.wantReturned(t, postLogout+"?from=web&state=a%26b%3Dc%0D%0A%23")
			if line := b.set["mf-default"]; !strings.Contains(line, "Max-Age=0") || b.cookies["mf-default"] != "" {
				t.Errorf("cookie %q", line)
			}
			b.wantSilent(t, "after logout", "login_required")
		})
	}
}

func TestRPInitiatedLogout_2_AnOldTokenOfARetiredKeyIsEnough(t *testing.T) {
	ts := newLogoutServer(t)
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	must(ts.ring.Rotate(t.Context(), "default", "ES256"))(t)
	for range 20 {
		ts.clock.Advance(10 * time.Hour)
		check(t, ts.ring.Load(t.Context()))
		b.wantSilent(t, "meanwhile", "")
	}
	if jwks := ts.get(ts.url + "/oauth2/jwks"); strings.Contains(jwks.raw, jwtHeader(t, token)["kid"].(string)) {
		t.Fatal("the key is still published")
	}
	b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
	b.wantSilent(t, "after logout", "login_required")
}

func TestRPInitiatedLogout_2_UnprovenRequestAsksUser(t *testing.T) {
	ts := newLogoutServer(t)
	ts.addDirectory(storage.Directory{ID: "acme"})
	ts.addClient("web", func(c *storage.Client) { c.Directory = "acme" })
	ts.addUserIn("acme", "alice")
	b := ts.newBrowser()
	mine := b.flow("web")
	before := ts.newBrowser().flow("web").member("id_token") // alice's own, of another browser.
	b.get(strings.Replace(ts.authorizeURL("web"), ts.url, ts.url+"/d/acme", 1))
	b.signIn("alice")
	b.allow()
	elsewhere := ts.post("web", "/d/acme/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {b.code()}, "redirect_uri": {webRedirect}})
	parts := strings.Split(mine.member("id_token"), ".")
	for name, hint := range map[string]string{
		"none": "", "of another browser": before, "of another directory": elsewhere.member("id_token"), "an access token": mine.member("access_token"),
		"of a mini-program": ts.login("mini", "alice").member("id_token"), "no JWT": "x", "without a signature": parts[0] + "." + parts[1] + ".",
		"a signature of another": parts[0] + "." + parts[1] + "." + strings.Split(before, ".")[2], "much too long": strings.Repeat("x", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			b.get(ts.logoutURL("id_token_hint", hint, "state", "x"))
			b.wantAsked(t)
			b.submit("stay")
			if !strings.HasSuffix(b.page.url, "/account") {
				t.Errorf("who stays is at %s", b.page.url)
			}
			b.wantSilent(t, "the user stayed", "")
		})
	}
	b.get(ts.logoutURL())
	b.submit("logout")
	b.wantPage(t, http.StatusOK, signedOutText)
	b.wantSilent(t, "after logout", "login_required")
	b.get(strings.Replace(ts.authorizeURL("web", "prompt", "none"), ts.url, ts.url+"/d/acme", 1))
	b.code() // The session of the other directory is another one.
}

func TestRPInitiatedLogout_3_RedirectsOnlyToRegisteredURIs(t *testing.T) {
	ts := newLogoutServer(t)
	ts.change("spa", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{"https://spa.example/bye"} })
	ts.addClient("off", func(c *storage.Client) { c.Disabled, c.PostLogoutRedirectURIs = true, []string{postLogout} })
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	for _, uri := range []string{
		postLogout + "/", postLogout + "?", postLogout + "#", postLogout + "?from=spa", "https://rp.example", "https://rp.example/post_logout_redirec",
		strings.ToUpper(postLogout), "https://rp.example:443/post_logout_redirect", "https://rp.example/x/../post_logout_redirect", webRedirect,
		"//rp.example/post_logout_redirect", "https://spa.example/bye", "javascript:alert(1)", "/account", "https://rp.example%2Fpost_logout_redirect",
		postLogout + " ", "https://user@rp.example/post_logout_redirect",
	} {
		for name, parameters := range map[string][]string{
			"id_token_hint": {"id_token_hint", token}, "client_id": {"client_id", "web"}, "both": {"id_token_hint", token, "client_id", "web"},
		} {
			b.get(ts.logoutURL(append(parameters, "post_logout_redirect_uri", uri)...))
			b.wantPage(t, http.StatusBadRequest, "not registered for this client")
			if strings.Contains(b.page.body, `href="https://rp`) || strings.Contains(b.page.body, "alert(1)") {
				t.Errorf("%s with %s: the page leads there: %s", name, uri, b.page.body)
			}
		}
		b.get(ts.logoutURL("post_logout_redirect_uri", uri))
		b.wantAsked(t)
	}
	for name, parameters := range map[string][]string{
		"an unknown client": {"client_id", "nobody"}, "a disabled client": {"client_id", "off"},
		"a client of another": {"client_id", "spa", "id_token_hint", token}, "client_id twice": {"client_id", "web", "client_id", "web"},
		"two addresses": {"client_id", "web", "post_logout_redirect_uri", postLogout, "post_logout_redirect_uri", postLogout},
		"no UTF-8":      {"state", "\xff"}, "too much": {"state", strings.Repeat("x", 13000)},
	} {
		b.get(ts.logoutURL(append(parameters, "post_logout_redirect_uri", postLogout)...))
		if b.page.callback != "" || b.page.status != http.StatusBadRequest {
			t.Errorf("%s: %d %q", name, b.page.status, b.page.callback)
		}
	}
	for _, uri := range []string{"", "https://spa.example/bye"} { // §2: client_id must be the client of the ID token.
		b.get(ts.logoutURL("id_token_hint", token, "client_id", "spa", "post_logout_redirect_uri", uri))
		b.wantPage(t, http.StatusBadRequest, "not that of the client")
	}
	b.wantSilent(t, "nothing of it signed anybody out", "")
}

func TestRPInitiatedLogout_3_UnprovenClientNeedsConfirmation(t *testing.T) {
	ts := newLogoutServer(t)
	ts.change("web", func(c *storage.Client) { c.Name = `<b>Web</b> & "Co"` })
	b := ts.newBrowser()
	b.flow("web")
	b.get(ts.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout, "state", "s"))
	b.wantAsked(t)
	if !strings.Contains(b.page.body, "&lt;b&gt;Web&lt;/b&gt;") || !strings.Contains(b.page.body, "Name of alice") {
		t.Errorf("the page does not name client and user: %s", b.page.body)
	}
	if policy := b.page.header.Get("Content-Security-Policy"); strings.Contains(policy, "form-action") {
		t.Errorf("policy %q", policy)
	}
	ts.clock.Advance(29 * time.Minute)
	b.get(b.page.url)
	b.submit("logout")
	b.wantReturned(t, postLogout+"?state=s")
	b.wantSilent(t, "after logout", "login_required")
}

func TestLogout_WithoutSessionEndsNothing(t *testing.T) {
	ts := newLogoutServer(t)
	ts.change("native", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{"com.example.app:/bye"} })
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	for _, cookie := range []string{"", "x", "x.y", b.cookies["mf-default"][:22] + "." + strings.Repeat("A", 43)} {
		otherBrowser := ts.newBrowser()
		if cookie != "" {
			otherBrowser.cookies["mf-default"] = cookie
		}
		// An ID token authorizes the redirect, and ends no session of another browser.
		otherBrowser.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout, "state", "s"))
		otherBrowser.wantReturned(t, postLogout+"?state=s")
		otherBrowser.get(ts.logoutURL("id_token_hint", token))
		otherBrowser.wantPage(t, http.StatusOK, notSignedIn)
		otherBrowser.get(ts.logoutURL())
		otherBrowser.wantPage(t, http.StatusOK, notSignedIn)
		// Without it the user may follow the link.
		otherBrowser.get(ts.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout, "state", `"><s>`))
		otherBrowser.wantPage(t, http.StatusOK, `href="`+postLogout+`?state=%22%3E%3Cs%3E"`)
		otherBrowser.get(ts.logoutURL("client_id", "native", "post_logout_redirect_uri", "com.example.app:/bye"))
		otherBrowser.wantPage(t, http.StatusOK, `href="com.example.app:/bye"`)
	}
	b.wantSilent(t, "in the browser that the token is from", "")
}

func TestLoggedOutPage_ShowsWhatHappened(t *testing.T) {
	ts := newLogoutServer(t)
	b := ts.newBrowser()
	b.get(ts.url + "/logged-out")
	b.wantPage(t, http.StatusOK, notSignedIn)
	b.flow("web")
	for _, query := range []string{"", "?ended=1"} {
		b.get(ts.url + "/logged-out" + query)
		if !strings.HasSuffix(b.page.url, "/account") || strings.Contains(b.page.body, signedOutText) {
			t.Errorf("a browser that is signed in is at %s: %s", b.page.url, b.page.body)
		}
	}
	b.get(ts.logoutURL())
	b.submit("logout")
	b.wantPage(t, http.StatusOK, signedOutText)
}

// TestLogout_BackendEndsTheSessionOfItsIDToken is oauth2-proxy's --backend-logout-url: a GET with the ID token and no cookie.
func TestLogout_BackendEndsTheSessionOfItsIDToken(t *testing.T) {
	ts := newLogoutServer(t)
	b := ts.newBrowser()
	token, spa := b.flow("web").member("id_token"), b.flow("spa").member("id_token")
	backend := ts.newBrowser()
	backend.get(ts.logoutURL("id_token_hint", token))
	backend.wantPage(t, http.StatusOK, notSignedIn)
	b.wantSilent(t, "before the setting", "")
	ts.change("web", func(c *storage.Client) { c.BackendLogout = true })
	parts := strings.Split(token, ".")
	for name, hint := range map[string]string{"another client's": spa, "none": "", "not signed": parts[0] + "." + parts[1] + "."} {
		backend.get(ts.logoutURL("id_token_hint", hint, "client_id", map[bool]string{true: "spa"}[name == "another client's"]))
		backend.wantPage(t, http.StatusOK, notSignedIn)
		b.wantSilent(t, name, "")
	}
	// A browser with its own session gets the confirmation page, and the session of the token stays.
	other := ts.newBrowser()
	other.flow("web")
	other.get(ts.logoutURL("id_token_hint", token))
	other.wantAsked(t)
	b.wantSilent(t, "a token in another browser", "")
	backend.get(ts.logoutURL("id_token_hint", token))
	backend.wantPage(t, http.StatusOK, signedOutText)
	b.wantSilent(t, "after the backend's request", "login_required")
	backend.get(ts.logoutURL("id_token_hint", token)) // The session ended.
	backend.wantPage(t, http.StatusOK, notSignedIn)
	other.wantSilent(t, "the other browser", "")
}

func TestLogout_RejectsForgedConfirmation(t *testing.T) {
	ts := newLogoutServer(t)
	b, attacker := ts.newBrowser(), ts.newBrowser()
	b.flow("web")
	attacker.flow("web")
	attacker.get(ts.logoutURL())
	theirs := tokenOn(t, attacker.page)
	b.get(ts.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout))
	asked := b.page
	for name, form := range map[string]url.Values{
		"no token": {"decision": {"logout"}}, "another browser's token": {"decision": {"logout"}, "csrf": {theirs}},
		"a forged token": {"decision": {"logout"}, "csrf": {"AAAAAQ"}},
	} {
		b.post(asked.url, form, true)
		b.wantPage(t, http.StatusForbidden, `role="alert"`)
		b.wantSilent(t, name, "")
	}
	right := url.Values{"decision": {"logout"}, "csrf": {tokenOn(t, asked)}}
	for name, header := range map[string][2]string{
		"another site": {"Sec-Fetch-Site", "cross-site"}, "another origin": {"Origin", "https://evil.example"}, "a sandbox": {"Origin", "null"},
	} {
		request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, asked.url, strings.NewReader(right.Encode())))(t)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set(header[0], header[1])
		b.open(request, true)
		b.wantPage(t, http.StatusForbidden, `role="alert"`)
		b.wantSilent(t, name, "")
	}
	// A POST to the address for applications is a request, not a confirmation.
	b.post(ts.url+"/oauth2/logout", right, true)
	b.wantAsked(t)
	b.wantSilent(t, "an answer without a question", "")
	b.post(asked.url, right, true)
	b.wantReturned(t, postLogout)
}

// tokenOn returns the CSRF token of a page's form.
func tokenOn(t *testing.T, p *page) string {
	t.Helper()
	_, rest, found := strings.Cut(p.body, `name="csrf" value="`)
	if !found {
		t.Fatalf("no token: %s", p.body)
	}
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

func TestLogout_CheckedURLExpires(t *testing.T) {
	ts := newLogoutServer(t)
	ts.addDirectory(storage.Directory{ID: "acme"})
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	b.get(ts.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout))
	asked := b.page.url
	for name, address := range map[string]string{
		"changed": asked[:len(asked)-2] + "xx", "empty": ts.url + "/oauth2/logout?logout=", "another purpose": strings.Replace(asked, "/oauth2/logout?logout=", "/oauth2/authorize?kept=", 1),
		"another directory": strings.Replace(asked, ts.url, ts.url+"/d/acme", 1),
	} {
		b.get(address)
		if b.page.status != http.StatusBadRequest || b.page.callback != "" {
			t.Errorf("%s: %d %q", name, b.page.status, b.page.callback)
		}
	}
	ts.clock.Advance(30 * time.Minute)
	b.get(asked)
	b.wantPage(t, http.StatusBadRequest, "This sign-out")
	// The parameters of a POST are stored for a minute.
	form := url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {postLogout}}
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, ts.url+"/oauth2/logout", strings.NewReader(form.Encode())))(t)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	kept := ts.do(request).header.Get("Location")
	if strings.Contains(kept, "eyJ") || !strings.HasPrefix(kept, ts.url+"/oauth2/logout?") {
		t.Errorf("stored at %s", kept)
	}
	ts.clock.Advance(time.Minute)
	b.get(kept)
	b.wantPage(t, http.StatusBadRequest, "This sign-out")
	b.wantSilent(t, "nobody was signed out", "")
	b.post(ts.url+"/oauth2/logout", nil, true) // An empty form is a request, too.
	b.wantAsked(t)
}

func TestLogout_GETEndsNothing(t *testing.T) {
	ts := newLogoutServer(t)
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	request := must(http.NewRequestWithContext(t.Context(), http.MethodHead, ts.logoutURL("id_token_hint", token), nil))(t)
	b.open(request, true)
	b.wantSilent(t, "after HEAD", "")
	request = must(http.NewRequestWithContext(t.Context(), http.MethodPut, ts.logoutURL("id_token_hint", token), nil))(t)
	if b.open(request, true); b.page.status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", b.page.status)
	}
	if line := ts.log.String(); strings.Contains(line, token) || strings.Contains(line, strings.Split(token, ".")[2]) {
		t.Error("the log has the ID token")
	}
}

func TestLogout_UsesRequestedLocale(t *testing.T) {
	ts := newLogoutServer(t)
	b := ts.newBrowser()
	b.flow("web")
	b.get(ts.logoutURL("ui_locales", "fr zh-CN en"))
	b.wantPage(t, http.StatusOK, "要退出登录吗")
	b.submit("logout")
	b.wantPage(t, http.StatusOK, "你已退出登录")
}

// issuedTokens are the tokens of web for alice.
type issuedTokens struct{ access, refresh, code string }

// issueTokens gets tokens in this browser, and a code that is not redeemed yet.
func (b *browser) issueTokens(scope string) issuedTokens {
	b.Helper()
	a := b.flow("web", "scope", scope)
	b.get(b.authorizeURL("web", "scope", scope))
	return issuedTokens{a.member("access_token"), a.member("refresh_token"), b.code()}
}

func (g issuedTokens) wantUsable(ts *testServer, when string, want bool) {
	ts.Helper()
	got := map[string]bool{
		"access token": ts.userinfo(g.access).status == http.StatusOK,
		"introspected": ts.introspect("web", g.access).body["active"] == true,
		"refresh":      g.refresh != "" && ts.refresh("web", g.refresh).status == http.StatusOK,
		"code":         ts.redeem("web", g.code).status == http.StatusOK,
	}
	for what, alive := range got {
		if alive != want && (what != "refresh" || g.refresh != "") {
			ts.Errorf("%s: %s is alive: %v", when, what, alive)
		}
	}
}

func TestLogout_EndsTokensOfSession(t *testing.T) {
	const offline = "openid offline_access"
	for name, row := range map[string]struct {
		end                    func(ts *testServer, b *browser)
		offlineLives, phoneOut bool
	}{
		"logout": {func(_ *testServer, b *browser) {
			b.get(b.logoutURL())
			b.submit("logout")
		}, true, false},
		"logout everywhere": {func(_ *testServer, b *browser) {
			b.get(b.logoutURL())
			b.submit("logout", "everywhere", "1")
		}, false, true},
		"the account page": {func(_ *testServer, b *browser) {
			b.get(b.url + "/account")
			b.post(b.url+"/account/sign-out", url.Values{"csrf": {tokenOn(b.T, b.page)}}, true)
		}, true, false},
		"the account page, everywhere": {func(_ *testServer, b *browser) {
			b.get(b.url + "/account")
			b.post(b.url+"/account/sign-out-everywhere", url.Values{"csrf": {tokenOn(b.T, b.page)}}, true)
		}, false, true},
		"the account page of another browser": {func(ts *testServer, b *browser) {
			other := ts.newBrowser()
			other.flow("web")
			other.get(ts.url + "/account")
			id, _, _ := strings.Cut(b.cookies["mf-default"], ".")
			other.post(ts.url+"/account/sessions", url.Values{"csrf": {tokenOn(ts.T, other.page)}, "session": {id}}, true)
			other.wantSilent(ts.T, "the browser that ended another one's session", "")
		}, true, false},
		"an operator": {func(ts *testServer, _ *browser) {
			check(ts.T, ts.identityService().SignOutEverywhere(ts.Context(), "default", "alice", identity.Operator("bob")))
		}, false, true},
		"an operator disables": {func(ts *testServer, _ *browser) {
			check(ts.T, ts.identityService().Disable(ts.Context(), "default", "alice", identity.Operator("bob")))
		}, false, true},
		"another user signs in": {func(ts *testServer, b *browser) {
			b.get(ts.authorizeURL("web", "prompt", "login"))
			b.signIn("bob")
			b.get(ts.logoutURL())
			b.submit("logout")
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			ts := newLogoutServer(t)
			b, phone := ts.newBrowser(), ts.newBrowser()
			bound, lasting, elsewhere := b.issueTokens("openid"), b.issueTokens(offline), phone.issueTokens("openid")
			row.end(ts, b)
			bound.wantUsable(ts, "bound to the session", false)
			lasting.wantUsable(ts, "offline_access", row.offlineLives)
			elsewhere.wantUsable(ts, "of another browser", !row.phoneOut)
			b.wantSilent(t, "the browser", "login_required")
			want := ""
			if row.phoneOut {
				want = "login_required"
			}
			phone.wantSilent(t, "another browser", want)
		})
	}
}

func TestLogout_CostsOneReadAndOneWrite(t *testing.T) {
	ts := newLogoutServer(t)
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	var all []issuedTokens
	for range 5 {
		all = append(all, b.issueTokens("openid"))
	}
	counted := &operationCounter{}
	ts.engine.Before = counted.count
	b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	ts.engine.Before = nil
	b.wantReturned(t, postLogout)
	if counted.reads != 1 || counted.writes != 1 || counted.lists != 0 {
		t.Errorf("%d reads, %d writes, %d lists: %v", counted.reads, counted.writes, counted.lists, counted.operations)
	}
	for _, given := range all {
		given.wantUsable(ts, "after logout", false)
	}
}

func TestLogout_FailedWriteIsNotReportedAsDone(t *testing.T) {
	ts := newLogoutServer(t)
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	ts.engine.Before = failing(storage.KindSession, "Replace")
	b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantPage(t, http.StatusServiceUnavailable, `role="alert"`)
	if b.cookies["mf-default"] == "" {
		t.Error("the cookie was deleted while the session lasts")
	}
	ts.engine.Before = nil
	b.get(ts.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
}

// failing returns a hook that fails an operation.
func failing(kind storage.Kind, method string) func(context.Context, storagetest.Operation) error {
	return func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == kind && o.Method == method {
			return storage.ErrUnavailable
		}
		return nil
	}
}
