package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage"
)

// asksConsent reports whether a request of a signed-in user leads to the consent page.
func (b *browser) asksConsent(client string, further ...string) bool {
	b.Helper()
	b.get(b.authorizeURL(client, further...))
	return b.page.callback == "" && strings.Contains(b.page.body, "<h1>consent</h1>")
}

func TestConsent_IsRememberedByScope(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web", "scope", "openid profile")
	for scope, asks := range map[string]bool{
		"openid": false, "profile openid": false, "openid email": true, "openid profile email": true, "openid offline_access": true,
	} {
		if got := b.asksConsent("web", "scope", scope); got != asks {
			t.Errorf("%s: consent page shown: %v", scope, got)
		}
		want := "consent_required"
		if !asks {
			want = ""
		}
		if got := b.silentError("scope", scope); got != want {
			t.Errorf("%s: silent is %q", scope, got)
		}
	}
	if !b.asksConsent("spa") {
		t.Error("no consent page for another client")
	}
	other := ts.newBrowser()
	other.get(ts.authorizeURL("web"))
	other.signIn("bob")
	other.wantPage(t, http.StatusOK, "<h1>consent</h1>")
	// Further scopes are stored with the others.
	b.get(ts.authorizeURL("web", "scope", "openid email"))
	b.wantPage(t, http.StatusOK, `<p id="before">openid profile</p>`)
	b.submit("allow")
	if b.asksConsent("web", "scope", "openid profile email") {
		t.Error("consent page for scopes that were allowed in two steps")
	}
	// prompt=consent always shows the page.
	if !b.asksConsent("web", "scope", "openid", "prompt", "consent") {
		t.Error("prompt=consent showed no page")
	}
}

func TestConsent_UserAllowsFewerScopes(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "scope", "openid profile email offline_access", "claims", `{"userinfo":{"phone_number":null}}`))
	b.signIn("alice")
	b.submit("allow", "scope", "profile")
	a := ts.redeem("web", b.code())
	if a.member("scope") != "openid profile" {
		t.Errorf("scope is %q", a.member("scope"))
	}
	info := ts.userinfo(a.member("access_token"))
	if info.member("name") == "" || info.member("email") != "" || info.member("phone_number") != "" {
		t.Errorf("UserInfo is %s", info.raw)
	}
	// Without offline_access the refresh token ends with the session.
	ts.changeSession(list[storage.Session](ts)[0].ID, func(s *storage.Session) { s.EndedAt = ts.clock.Now() })
	if r := ts.refresh("web", a.member("refresh_token")); r.status != http.StatusBadRequest {
		t.Errorf("refresh: %d %s", r.status, r.raw)
	}
}

// TestConsent_OffersOnlyAvailableClaims: others are neither granted nor declined. The page offers them once the user has them.
func TestConsent_OffersOnlyAvailableClaims(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.changeUser("alice", func(u *storage.User) { u.Email, u.EmailVerified, u.Phone, u.Profile.Address = "", false, "", nil })
	const all = "openid profile email phone address"
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "scope", all))
	b.signIn("alice")
	for _, scope := range []string{"email", "phone", "address"} {
		if strings.Contains(b.page.body, `value="`+scope+`"`) {
			t.Errorf("the page offers %s: %s", scope, b.page.body)
		}
	}
	b.allow()
	a := ts.redeem("web", b.code())
	if a.member("scope") != "openid profile" {
		t.Errorf("scope is %q", a.member("scope"))
	}
	if got := b.silentError("scope", all); got != "" {
		t.Errorf("silent is %q", got)
	}
	if given := list[storage.Consent](ts)[0]; strings.Join(given.Scopes, " ") != "openid profile" || len(given.Declined) > 0 {
		t.Errorf("consent is %+v", given)
	}
	ts.changeUser("alice", func(u *storage.User) { u.Email, u.EmailVerified = "alice@example.com", true })
	if info := ts.userinfo(a.member("access_token")); info.member("email") != "" {
		t.Errorf("UserInfo is %s", info.raw)
	}
	if got := b.silentError("scope", all); got != "consent_required" {
		t.Errorf("silent with an address is %q", got)
	}
	if !b.asksConsent("web", "scope", all) || !strings.Contains(b.page.body, `value="email"`) {
		t.Errorf("the page does not offer the address: %s", b.page.body)
	}
	// A request for nothing else shows it as it is.
	b.get(ts.authorizeURL("web", "scope", "phone"))
	b.wantPage(t, http.StatusOK, `value="phone"`)
}

func TestConsent_IgnoresUnrequestedScopes(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "scope", "openid"))
	b.signIn("alice")
	b.submit("allow", "scope", "email")
	if a := ts.redeem("web", b.code()); a.member("scope") != "openid" {
		t.Errorf("scope is %q", a.member("scope"))
	}
	if given := list[storage.Consent](ts); strings.Join(given[0].Scopes, " ") != "openid" {
		t.Errorf("consent is %+v", given)
	}
}

func TestRemoveApp_EndsConsent(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	ts.changeUser("alice", func(u *storage.User) { u.ClientEpochs = map[string]int64{"web": 1} })
	if !b.asksConsent("web") {
		t.Error("no consent page after the app was removed")
	}
	b.submit("allow")
	if a := ts.redeem("web", b.code()); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if b.asksConsent("web") {
		t.Error("consent page again")
	}
}

func TestConsent_FirstPartyClientsNeedNone(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("own", func(c *storage.Client) { c.FirstParty = true })
	b := ts.newBrowser()
	b.get(ts.authorizeURL("own", "scope", allScopes))
	b.signIn("alice")
	b.code()
	if len(list[storage.Consent](ts)) != 0 {
		t.Error("a consent was stored")
	}
	if !b.asksConsent("own", "prompt", "consent") {
		t.Error("a client that requests the page did not get it")
	}
}

// TestRFC8252_8_6_WhoCannotBeToldFromAnotherAppGetsNothingUnasked: consent to a native app is remembered only where the
// response reaches that app and no other.
func TestRFC8252_8_6_WhoCannotBeToldFromAnotherAppGetsNothingUnasked(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("native")
	for redirect, asks := range map[string]bool{
		"http://127.0.0.1:51000/callback": true, nativeScheme: true, "https://app.example/callback": false,
	} {
		if got := b.asksConsent("native", "redirect_uri", redirect); got != asks {
			t.Errorf("%s: consent page shown: %v", redirect, got)
		}
	}
}

// TestOIDCCore_11_OfflineAccessNeedsConsent, for native apps too, and gives a working refresh token.
func TestOIDCCore_11_OfflineAccessNeedsConsent(t *testing.T) {
	ts := newPopulatedServer(t)
	for _, client := range []string{"web", "spa", "native"} {
		b := ts.newBrowser()
		b.get(ts.authorizeURL(client, "scope", "openid offline_access"))
		b.signIn("alice")
		b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
		b.submit("allow")
		a := ts.redeem(client, b.code())
		if a.member("refresh_token") == "" || a.member("scope") != "offline_access openid" {
			t.Errorf("%s: got %s", client, a.raw)
		}
	}
}

func TestConsent_ConcurrentConsentsAreAllStored(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web"))
	b.signIn("alice")
	scopes := strings.Fields(allScopes)
	var answers sync.WaitGroup
	for i := range 16 {
		answers.Go(func() {
			other := &browser{testServer: ts, cookies: map[string]string{"mf-default": b.cookies["mf-default"], "mf-default.browser": b.cookies["mf-default.browser"]}}
			other.get(ts.authorizeURL("web", "prompt", "consent", "scope", "openid "+scopes[i%len(scopes)]))
			other.submit("allow")
		})
	}
	answers.Wait()
	if given := list[storage.Consent](ts); len(given) != 1 || len(given[0].Scopes) != len(scopes) {
		t.Errorf("consents are %+v", given)
	}
}

func TestConsent_LastDecisionOnShownScopeApplies(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "scope", "openid profile email"))
	b.signIn("alice")
	b.submit("allow")
	b.code()
	b.get(ts.authorizeURL("web", "scope", "openid profile email", "prompt", "consent"))
	b.submit("allow", "scope", "none of them")
	b.code()
	if a := b.redeemSilently(ts, "openid profile email"); a.member("scope") != "openid" {
		t.Errorf("after both were declined: %d %s", a.status, a.raw)
	}
	b.get(ts.authorizeURL("web", "scope", "openid profile", "prompt", "consent"))
	b.submit("allow", "scope", "profile")
	b.code()
	if a := b.redeemSilently(ts, "openid profile email"); a.member("scope") != "openid profile" {
		t.Errorf("after one was allowed again: %d %s", a.status, a.raw)
	}
}

// redeemSilently redeems the code of a request with prompt=none.
func (b *browser) redeemSilently(ts *testServer, scope string) response {
	b.Helper()
	b.get(ts.authorizeURL("web", "scope", scope, "prompt", "none"))
	return ts.redeem("web", b.code())
}

func TestConsent_SilentRequestGetsAllowedScopes(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "scope", "openid profile email"))
	b.signIn("alice")
	b.submit("allow", "scope", "profile")
	b.code()
	if a := b.redeemSilently(ts, "openid profile email"); a.member("scope") != "openid profile" {
		t.Errorf("silent: %d %s", a.status, a.raw)
	}
	// A scope that was never shown needs the page. A request that allows pages shows a declined scope again.
	if got := b.silentError("scope", "openid profile phone"); got != "consent_required" {
		t.Errorf("a scope that was never shown: %q", got)
	}
	if !b.asksConsent("web", "scope", "openid profile email") {
		t.Error("a declined scope is not shown again")
	}
}
