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

// logoutSite is a site whose clients web and spa may have people sent back after they signed out.
func logoutSite(t *testing.T) *world {
	t.Helper()
	w := newSite(t)
	for _, client := range []string{"web", "spa"} {
		w.change(client, func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{postLogout, postLogout + "?from=" + c.ID} })
	}
	return w
}

// logoutURL is the address of a logout request, with parameters in pairs.
func (w *world) logoutURL(parameters ...string) string {
	form := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		form.Add(parameters[i], parameters[i+1])
	}
	return w.url + "/oauth2/logout?" + form.Encode()
}

// wantReturned asserts that the browser was sent to an address, as it is.
func (b *browser) wantReturned(t *testing.T, address string) {
	t.Helper()
	if b.page.callback != address {
		t.Errorf("sent to %q, want %q: %d\n%s", b.page.callback, address, b.page.status, b.page.body)
	}
}

// wantAsked asserts that the user is asked whether to sign out.
func (b *browser) wantAsked(t *testing.T) {
	t.Helper()
	b.wantPage(t, http.StatusOK, `id="logout-form"`)
}

const (
	signedOutText = "You are signed out"
	notSignedIn   = "You are not signed in"
)

func TestRPInitiatedLogout_2_AnIDTokenOfTheSessionIsEnough(t *testing.T) {
	w := logoutSite(t)
	for name, do := range map[string]func(b *browser, form url.Values){
		"GET":             func(b *browser, form url.Values) { b.get(w.url + "/oauth2/logout?" + form.Encode()) },
		"POST":            func(b *browser, form url.Values) { b.post(w.url+"/oauth2/logout", form, true) },
		"cross-site POST": func(b *browser, form url.Values) { b.post(w.url+"/oauth2/logout", form, false) },
		"unknown and more": func(b *browser, form url.Values) {
			form.Set("x", "1")
			b.get(w.url + "/oauth2/logout?x=2&" + form.Encode())
		},
		"what is empty": func(b *browser, form url.Values) {
			form.Set("client_id", "")
			form.Set("logout_hint", "alice")
			b.get(w.url + "/oauth2/logout?" + form.Encode())
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.newBrowser()
			token := b.flow("web").text("id_token")
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
	w := logoutSite(t)
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	must(w.ring.Rotate(t.Context(), "default", "ES256"))(t)
	for range 20 {
		w.clock.Advance(10 * time.Hour)
		check(t, w.ring.Load(t.Context()))
		b.wantSilent(t, "meanwhile", "")
	}
	if jwks := w.get(w.url + "/oauth2/jwks"); strings.Contains(jwks.raw, jwtHeader(t, token)["kid"].(string)) {
		t.Fatal("the key is still published")
	}
	b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
	b.wantSilent(t, "after logout", "login_required")
}

func TestRPInitiatedLogout_2_WhatProvesNothingIsAskedAbout(t *testing.T) {
	w := logoutSite(t)
	w.addDirectory(storage.Directory{ID: "acme"})
	w.addClient("web", func(c *storage.Client) { c.Directory = "acme" })
	w.addUserIn("acme", "alice")
	b := w.newBrowser()
	mine := b.flow("web")
	before := w.newBrowser().flow("web").text("id_token") // alice's own, of another browser.
	b.get(strings.Replace(w.authorizeURL("web"), w.url, w.url+"/d/acme", 1))
	b.signIn("alice")
	b.allow()
	elsewhere := w.post("web", "/d/acme/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {b.code()}, "redirect_uri": {webRedirect}})
	parts := strings.Split(mine.text("id_token"), ".")
	for name, hint := range map[string]string{
		"none": "", "of another browser": before, "of another directory": elsewhere.text("id_token"), "an access token": mine.text("access_token"),
		"of a mini-program": w.login("mini", "alice").text("id_token"), "no JWT": "x", "without a signature": parts[0] + "." + parts[1] + ".",
		"a signature of another": parts[0] + "." + parts[1] + "." + strings.Split(before, ".")[2], "much too long": strings.Repeat("x", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			b.get(w.logoutURL("id_token_hint", hint, "state", "x"))
			b.wantAsked(t)
			b.submit("stay")
			if !strings.HasSuffix(b.page.url, "/account") {
				t.Errorf("who stays is at %s", b.page.url)
			}
			b.wantSilent(t, "the user stayed", "")
		})
	}
	b.get(w.logoutURL())
	b.submit("logout")
	b.wantPage(t, http.StatusOK, signedOutText)
	b.wantSilent(t, "after logout", "login_required")
	b.get(strings.Replace(w.authorizeURL("web", "prompt", "none"), w.url, w.url+"/d/acme", 1))
	b.code() // The session of the other directory is another one.
}

func TestRPInitiatedLogout_3_TheBrowserGoesToRegisteredAddressesAlone(t *testing.T) {
	w := logoutSite(t)
	w.change("spa", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{"https://spa.example/bye"} })
	w.addClient("off", func(c *storage.Client) { c.Disabled, c.PostLogoutRedirectURIs = true, []string{postLogout} })
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	for _, uri := range []string{
		postLogout + "/", postLogout + "?", postLogout + "#", postLogout + "?from=spa", "https://rp.example", "https://rp.example/post_logout_redirec",
		strings.ToUpper(postLogout), "https://rp.example:443/post_logout_redirect", "https://rp.example/x/../post_logout_redirect", webRedirect,
		"//rp.example/post_logout_redirect", "https://spa.example/bye", "javascript:alert(1)", "/account", "https://rp.example%2Fpost_logout_redirect",
		postLogout + " ", "https://user@rp.example/post_logout_redirect",
	} {
		for name, parameters := range map[string][]string{
			"id_token_hint": {"id_token_hint", token}, "client_id": {"client_id", "web"}, "both": {"id_token_hint", token, "client_id", "web"},
		} {
			b.get(w.logoutURL(append(parameters, "post_logout_redirect_uri", uri)...))
			b.wantPage(t, http.StatusBadRequest, "not registered for this client")
			if strings.Contains(b.page.body, `href="https://rp`) || strings.Contains(b.page.body, "alert(1)") {
				t.Errorf("%s with %s: the page leads there: %s", name, uri, b.page.body)
			}
		}
		b.get(w.logoutURL("post_logout_redirect_uri", uri))
		b.wantAsked(t)
	}
	for name, parameters := range map[string][]string{
		"an unknown client": {"client_id", "nobody"}, "a disabled client": {"client_id", "off"},
		"a client of another": {"client_id", "spa", "id_token_hint", token}, "client_id twice": {"client_id", "web", "client_id", "web"},
		"two addresses": {"client_id", "web", "post_logout_redirect_uri", postLogout, "post_logout_redirect_uri", postLogout},
		"no UTF-8":      {"state", "\xff"}, "too much": {"state", strings.Repeat("x", 13000)},
	} {
		b.get(w.logoutURL(append(parameters, "post_logout_redirect_uri", postLogout)...))
		if b.page.callback != "" || b.page.status != http.StatusBadRequest {
			t.Errorf("%s: %d %q", name, b.page.status, b.page.callback)
		}
	}
	for _, uri := range []string{"", "https://spa.example/bye"} { // §2: client_id must be the client of the ID token.
		b.get(w.logoutURL("id_token_hint", token, "client_id", "spa", "post_logout_redirect_uri", uri))
		b.wantPage(t, http.StatusBadRequest, "not that of the client")
	}
	b.wantSilent(t, "nothing of it signed anybody out", "")
}

func TestRPInitiatedLogout_3_AClientThatProvesNothingNeedsTheUser(t *testing.T) {
	w := logoutSite(t)
	w.change("web", func(c *storage.Client) { c.Name = `<b>Web</b> & "Co"` })
	b := w.newBrowser()
	b.flow("web")
	b.get(w.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout, "state", "s"))
	b.wantAsked(t)
	if !strings.Contains(b.page.body, "&lt;b&gt;Web&lt;/b&gt;") || !strings.Contains(b.page.body, "Name of alice") {
		t.Errorf("the page does not say who asks and who is there: %s", b.page.body)
	}
	if policy := b.page.header.Get("Content-Security-Policy"); strings.Contains(policy, "form-action") {
		t.Errorf("policy %q", policy)
	}
	w.clock.Advance(29 * time.Minute)
	b.get(b.page.url)
	b.submit("logout")
	b.wantReturned(t, postLogout+"?state=s")
	b.wantSilent(t, "after logout", "login_required")
}

func TestWithNobodySignedInThereIsNothingToEnd(t *testing.T) {
	w := logoutSite(t)
	w.change("native", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{"com.example.app:/bye"} })
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	for _, cookie := range []string{"", "x", "x.y", b.cookies["mf-default"][:22] + "." + strings.Repeat("A", 43)} {
		stranger := w.newBrowser()
		if cookie != "" {
			stranger.cookies["mf-default"] = cookie
		}
		// An ID token vouches for where the browser goes, and ends no session of another browser.
		stranger.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout, "state", "s"))
		stranger.wantReturned(t, postLogout+"?state=s")
		stranger.get(w.logoutURL("id_token_hint", token))
		stranger.wantPage(t, http.StatusOK, notSignedIn)
		stranger.get(w.logoutURL())
		stranger.wantPage(t, http.StatusOK, notSignedIn)
		// Where nothing does, the user may go there.
		stranger.get(w.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout, "state", `"><s>`))
		stranger.wantPage(t, http.StatusOK, `href="`+postLogout+`?state=%22%3E%3Cs%3E"`)
		stranger.get(w.logoutURL("client_id", "native", "post_logout_redirect_uri", "com.example.app:/bye"))
		stranger.wantPage(t, http.StatusOK, `href="com.example.app:/bye"`)
	}
	b.wantSilent(t, "in the browser that the token is from", "")
}

func TestLoggedOutPage_SaysOnlyWhatIsTrue(t *testing.T) {
	w := logoutSite(t)
	b := w.newBrowser()
	b.get(w.url + "/logged-out")
	b.wantPage(t, http.StatusOK, notSignedIn)
	b.flow("web")
	for _, query := range []string{"", "?ended=1"} {
		b.get(w.url + "/logged-out" + query)
		if !strings.HasSuffix(b.page.url, "/account") || strings.Contains(b.page.body, signedOutText) {
			t.Errorf("a browser that is signed in is at %s: %s", b.page.url, b.page.body)
		}
	}
	b.get(w.logoutURL())
	b.submit("logout")
	b.wantPage(t, http.StatusOK, signedOutText)
}

// TestLogout_BackendEndsTheSessionOfItsIDToken is oauth2-proxy's --backend-logout-url: a GET with the ID token and no cookie.
func TestLogout_BackendEndsTheSessionOfItsIDToken(t *testing.T) {
	w := logoutSite(t)
	b := w.newBrowser()
	token, spa := b.flow("web").text("id_token"), b.flow("spa").text("id_token")
	backend := w.newBrowser()
	backend.get(w.logoutURL("id_token_hint", token))
	backend.wantPage(t, http.StatusOK, notSignedIn)
	b.wantSilent(t, "before the setting", "")
	w.change("web", func(c *storage.Client) { c.BackendLogout = true })
	parts := strings.Split(token, ".")
	for name, hint := range map[string]string{"another client's": spa, "none": "", "not signed": parts[0] + "." + parts[1] + "."} {
		backend.get(w.logoutURL("id_token_hint", hint, "client_id", map[bool]string{true: "spa"}[name == "another client's"]))
		backend.wantPage(t, http.StatusOK, notSignedIn)
		b.wantSilent(t, name, "")
	}
	// A browser with a session of its own is asked, and the session of the token stays.
	other := w.newBrowser()
	other.flow("web")
	other.get(w.logoutURL("id_token_hint", token))
	other.wantAsked(t)
	b.wantSilent(t, "a token in another browser", "")
	backend.get(w.logoutURL("id_token_hint", token))
	backend.wantPage(t, http.StatusOK, signedOutText)
	b.wantSilent(t, "after the backend's request", "login_required")
	backend.get(w.logoutURL("id_token_hint", token)) // The session is over.
	backend.wantPage(t, http.StatusOK, notSignedIn)
	other.wantSilent(t, "the other browser", "")
}

func TestNobodyElseCanAnswerWhetherToSignOut(t *testing.T) {
	w := logoutSite(t)
	b, attacker := w.newBrowser(), w.newBrowser()
	b.flow("web")
	attacker.flow("web")
	attacker.get(w.logoutURL())
	theirs := tokenOn(t, attacker.page)
	b.get(w.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout))
	asked := b.page
	for name, form := range map[string]url.Values{
		"no token": {"decision": {"logout"}}, "another browser's token": {"decision": {"logout"}, "csrf": {theirs}},
		"a made-up token": {"decision": {"logout"}, "csrf": {"AAAAAQ"}},
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
	// What posts to the address of applications is a request, not an answer.
	b.post(w.url+"/oauth2/logout", right, true)
	b.wantAsked(t)
	b.wantSilent(t, "an answer without a question", "")
	b.post(asked.url, right, true)
	b.wantReturned(t, postLogout)
}

// tokenOn is what the form of a page brings back.
func tokenOn(t *testing.T, p *page) string {
	t.Helper()
	_, rest, found := strings.Cut(p.body, `name="csrf" value="`)
	if !found {
		t.Fatalf("no token: %s", p.body)
	}
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

func TestTheAddressOfALogoutThatWasCheckedIsGoodForAWhile(t *testing.T) {
	w := logoutSite(t)
	w.addDirectory(storage.Directory{ID: "acme"})
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	b.get(w.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout))
	asked := b.page.url
	for name, address := range map[string]string{
		"changed": asked[:len(asked)-2] + "xx", "empty": w.url + "/oauth2/logout?logout=", "another purpose": strings.Replace(asked, "/oauth2/logout?logout=", "/oauth2/authorize?kept=", 1),
		"another directory": strings.Replace(asked, w.url, w.url+"/d/acme", 1),
	} {
		b.get(address)
		if b.page.status != http.StatusBadRequest || b.page.callback != "" {
			t.Errorf("%s: %d %q", name, b.page.status, b.page.callback)
		}
	}
	w.clock.Advance(30 * time.Minute)
	b.get(asked)
	b.wantPage(t, http.StatusBadRequest, "This sign-out")
	// What came by POST is kept a minute.
	form := url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {postLogout}}
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/oauth2/logout", strings.NewReader(form.Encode())))(t)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	kept := w.do(request).header.Get("Location")
	if strings.Contains(kept, "eyJ") || !strings.HasPrefix(kept, w.url+"/oauth2/logout?") {
		t.Errorf("kept at %s", kept)
	}
	w.clock.Advance(time.Minute)
	b.get(kept)
	b.wantPage(t, http.StatusBadRequest, "This sign-out")
	b.wantSilent(t, "nobody was signed out", "")
	b.post(w.url+"/oauth2/logout", nil, true) // An empty form is a request, too.
	b.wantAsked(t)
}

func TestLookingAtLogoutEndsNothing(t *testing.T) {
	w := logoutSite(t)
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	request := must(http.NewRequestWithContext(t.Context(), http.MethodHead, w.logoutURL("id_token_hint", token), nil))(t)
	b.open(request, true)
	b.wantSilent(t, "after HEAD", "")
	request = must(http.NewRequestWithContext(t.Context(), http.MethodPut, w.logoutURL("id_token_hint", token), nil))(t)
	if b.open(request, true); b.page.status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", b.page.status)
	}
	if line := w.log.String(); strings.Contains(line, token) || strings.Contains(line, strings.Split(token, ".")[2]) {
		t.Error("the log has the ID token")
	}
}

func TestLogoutSpeaksTheLanguageThatTheClientAsksFor(t *testing.T) {
	w := logoutSite(t)
	b := w.newBrowser()
	b.flow("web")
	b.get(w.logoutURL("ui_locales", "fr zh-CN en"))
	b.wantPage(t, http.StatusOK, "要退出登录吗")
	b.submit("logout")
	b.wantPage(t, http.StatusOK, "你已退出登录")
}

// given are tokens that web got from alice.
type given struct{ access, refresh, code string }

// give gets tokens in this browser, and a code that was not redeemed yet.
func (b *browser) give(scope string) given {
	b.Helper()
	a := b.flow("web", "scope", scope)
	b.get(b.authorizeURL("web", "scope", scope))
	return given{a.text("access_token"), a.text("refresh_token"), b.code()}
}

func (g given) wantAlive(w *world, when string, want bool) {
	w.Helper()
	got := map[string]bool{
		"access token": w.userinfo(g.access).status == http.StatusOK,
		"introspected": w.introspect("web", g.access).body["active"] == true,
		"refresh":      g.refresh != "" && w.refresh("web", g.refresh).status == http.StatusOK,
		"code":         w.redeem("web", g.code).status == http.StatusOK,
	}
	for what, alive := range got {
		if alive != want && (what != "refresh" || g.refresh != "") {
			w.Errorf("%s: %s is alive: %v", when, what, alive)
		}
	}
}

func TestWhatASessionGaveEndsWithItAndOfflineAccessWhenTheUserSaysSo(t *testing.T) {
	const offline = "openid offline_access"
	for name, row := range map[string]struct {
		end                    func(w *world, b *browser)
		offlineLives, phoneOut bool
	}{
		"logout": {func(_ *world, b *browser) {
			b.get(b.logoutURL())
			b.submit("logout")
		}, true, false},
		"logout everywhere": {func(_ *world, b *browser) {
			b.get(b.logoutURL())
			b.submit("logout", "everywhere", "1")
		}, false, true},
		"the account page": {func(_ *world, b *browser) {
			b.get(b.url + "/account")
			b.post(b.url+"/account/sign-out", url.Values{"csrf": {tokenOn(b.T, b.page)}}, true)
		}, true, false},
		"the account page, everywhere": {func(_ *world, b *browser) {
			b.get(b.url + "/account")
			b.post(b.url+"/account/sign-out-everywhere", url.Values{"csrf": {tokenOn(b.T, b.page)}}, true)
		}, false, true},
		"the account page of another browser": {func(w *world, b *browser) {
			other := w.newBrowser()
			other.flow("web")
			other.get(w.url + "/account")
			id, _, _ := strings.Cut(b.cookies["mf-default"], ".")
			other.post(w.url+"/account/sessions", url.Values{"csrf": {tokenOn(w.T, other.page)}, "session": {id}}, true)
			other.wantSilent(w.T, "the browser that ended another one's session", "")
		}, true, false},
		"an operator": {func(w *world, _ *browser) {
			check(w.T, w.people().SignOutEverywhere(w.Context(), "default", "alice", identity.Operator("bob")))
		}, false, true},
		"an operator disables": {func(w *world, _ *browser) {
			check(w.T, w.people().Disable(w.Context(), "default", "alice", identity.Operator("bob")))
		}, false, true},
		"somebody else signs in": {func(w *world, b *browser) {
			b.get(w.authorizeURL("web", "prompt", "login"))
			b.signIn("bob")
			b.get(w.logoutURL())
			b.submit("logout")
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := logoutSite(t)
			b, phone := w.newBrowser(), w.newBrowser()
			bound, lasting, elsewhere := b.give("openid"), b.give(offline), phone.give("openid")
			row.end(w, b)
			bound.wantAlive(w, "bound to the session", false)
			lasting.wantAlive(w, "offline_access", row.offlineLives)
			elsewhere.wantAlive(w, "of another browser", !row.phoneOut)
			b.wantSilent(t, "the browser", "login_required")
			want := ""
			if row.phoneOut {
				want = "login_required"
			}
			phone.wantSilent(t, "another browser", want)
		})
	}
}

func TestLogoutOfASessionWithManyGrantsIsOneReadAndOneWrite(t *testing.T) {
	w := logoutSite(t)
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	var all []given
	for range 5 {
		all = append(all, b.give("openid"))
	}
	counted := &tally{}
	w.engine.Before = counted.count
	b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	w.engine.Before = nil
	b.wantReturned(t, postLogout)
	if counted.reads != 1 || counted.writes != 1 || counted.lists != 0 {
		t.Errorf("%d reads, %d writes, %d lists: %v", counted.reads, counted.writes, counted.lists, counted.operations)
	}
	for _, given := range all {
		given.wantAlive(w, "after logout", false)
	}
}

func TestALogoutThatTheStoreDidNotTakeIsNotReported(t *testing.T) {
	w := logoutSite(t)
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	w.engine.Before = failing(storage.KindSession, "Replace")
	b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantPage(t, http.StatusServiceUnavailable, `role="alert"`)
	if b.cookies["mf-default"] == "" {
		t.Error("the cookie is gone while the session lives")
	}
	w.engine.Before = nil
	b.get(w.logoutURL("id_token_hint", token, "post_logout_redirect_uri", postLogout))
	b.wantReturned(t, postLogout)
}

// failing makes an operation fail.
func failing(kind storage.Kind, method string) func(context.Context, storagetest.Operation) error {
	return func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == kind && o.Method == method {
			return storage.ErrUnavailable
		}
		return nil
	}
}
