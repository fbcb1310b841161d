package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage"
)

// asksConsent reports whether a request of somebody signed in leads to the consent page.
func (b *browser) asksConsent(client string, further ...string) bool {
	b.Helper()
	b.get(b.authorizeURL(client, further...))
	return b.page.callback == "" && strings.Contains(b.page.body, "<h1>consent</h1>")
}

func TestConsentIsRememberedByScope(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.flow("web", "scope", "openid profile")
	for scope, asks := range map[string]bool{
		"openid": false, "profile openid": false, "openid email": true, "openid profile email": true, "openid offline_access": true,
	} {
		if got := b.asksConsent("web", "scope", scope); got != asks {
			t.Errorf("%s: asked is %v", scope, got)
		}
		want := "consent_required"
		if !asks {
			want = ""
		}
		if got := b.silent("scope", scope); got != want {
			t.Errorf("%s: silent is %q", scope, got)
		}
	}
	if !b.asksConsent("spa") {
		t.Error("another client was not asked about")
	}
	other := w.newBrowser()
	other.get(w.authorizeURL("web"))
	other.signIn("bob")
	other.wantPage(t, http.StatusOK, "<h1>consent</h1>")
	// What is added is remembered with the rest.
	b.get(w.authorizeURL("web", "scope", "openid email"))
	b.wantPage(t, http.StatusOK, `<p id="before">openid profile</p>`)
	b.submit("allow")
	if b.asksConsent("web", "scope", "openid profile email") {
		t.Error("asked for what was allowed in two steps")
	}
	// prompt=consent asks nevertheless.
	if !b.asksConsent("web", "scope", "openid", "prompt", "consent") {
		t.Error("prompt=consent did not ask")
	}
}

func TestAUserMayAllowLess(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.get(w.authorizeURL("web", "scope", "openid profile email offline_access", "claims", `{"userinfo":{"phone_number":null}}`))
	b.signIn("alice")
	b.submit("allow", "scope", "profile")
	a := w.redeem("web", b.code())
	if a.text("scope") != "openid profile" {
		t.Errorf("scope is %q", a.text("scope"))
	}
	info := w.userinfo(a.text("access_token"))
	if info.text("name") == "" || info.text("email") != "" || info.text("phone_number") != "" {
		t.Errorf("UserInfo is %s", info.raw)
	}
	// Without offline_access the refresh token ends with the session.
	w.changeSession(list[storage.Session](w)[0].ID, func(s *storage.Session) { s.EndedAt = w.clock.Now() })
	if r := w.refresh("web", a.text("refresh_token")); r.status != http.StatusBadRequest {
		t.Errorf("refresh: %d %s", r.status, r.raw)
	}
}

// TestConsent_ClaimsThatTheUserLacksAreNotOffered: they are neither granted nor declined, and asked about once the user has them.
func TestConsent_ClaimsThatTheUserLacksAreNotOffered(t *testing.T) {
	w := newSite(t)
	w.changeUser("alice", func(u *storage.User) { u.Email, u.EmailVerified, u.Phone, u.Profile.Address = "", false, "", nil })
	const all = "openid profile email phone address"
	b := w.newBrowser()
	b.get(w.authorizeURL("web", "scope", all))
	b.signIn("alice")
	for _, scope := range []string{"email", "phone", "address"} {
		if strings.Contains(b.page.body, `value="`+scope+`"`) {
			t.Errorf("the page offers %s: %s", scope, b.page.body)
		}
	}
	b.allow()
	a := w.redeem("web", b.code())
	if a.text("scope") != "openid profile" {
		t.Errorf("scope is %q", a.text("scope"))
	}
	if got := b.silent("scope", all); got != "" {
		t.Errorf("silent is %q", got)
	}
	if given := list[storage.Consent](w)[0]; strings.Join(given.Scopes, " ") != "openid profile" || len(given.Declined) > 0 {
		t.Errorf("consent is %+v", given)
	}
	w.changeUser("alice", func(u *storage.User) { u.Email, u.EmailVerified = "alice@example.com", true })
	if info := w.userinfo(a.text("access_token")); info.text("email") != "" {
		t.Errorf("UserInfo is %s", info.raw)
	}
	if got := b.silent("scope", all); got != "consent_required" {
		t.Errorf("silent with an address is %q", got)
	}
	if !b.asksConsent("web", "scope", all) || !strings.Contains(b.page.body, `value="email"`) {
		t.Errorf("not asked about the address: %s", b.page.body)
	}
	// A request for nothing else is asked about as it is.
	b.get(w.authorizeURL("web", "scope", "phone"))
	b.wantPage(t, http.StatusOK, `value="phone"`)
}

func TestNothingIsAllowedThatWasNotAskedFor(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.get(w.authorizeURL("web", "scope", "openid"))
	b.signIn("alice")
	b.submit("allow", "scope", "email")
	if a := w.redeem("web", b.code()); a.text("scope") != "openid" {
		t.Errorf("scope is %q", a.text("scope"))
	}
	if given := list[storage.Consent](w); strings.Join(given[0].Scopes, " ") != "openid" {
		t.Errorf("consent is %+v", given)
	}
}

func TestRemovingAnAppTakesConsentBack(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.flow("web")
	w.changeUser("alice", func(u *storage.User) { u.ClientEpochs = map[string]int64{"web": 1} })
	if !b.asksConsent("web") {
		t.Error("not asked after the app was removed")
	}
	b.submit("allow")
	if a := w.redeem("web", b.code()); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if b.asksConsent("web") {
		t.Error("asked again")
	}
}

func TestFirstPartyClientsNeedNoConsent(t *testing.T) {
	w := newSite(t)
	w.addClient("own", func(c *storage.Client) { c.FirstParty = true })
	b := w.newBrowser()
	b.get(w.authorizeURL("own", "scope", allScopes))
	b.signIn("alice")
	b.code()
	if len(list[storage.Consent](w)) != 0 {
		t.Error("a consent was made up")
	}
	if !b.asksConsent("own", "prompt", "consent") {
		t.Error("a client that asks for the page did not get it")
	}
}

// TestRFC8252_8_6_WhoCannotBeToldFromAnotherAppGetsNothingUnasked: consent to a native app is remembered only where the answer
// reaches that app and no other.
func TestRFC8252_8_6_WhoCannotBeToldFromAnotherAppGetsNothingUnasked(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.flow("native")
	for redirect, asks := range map[string]bool{
		"http://127.0.0.1:51000/callback": true, nativeScheme: true, "https://app.example/callback": false,
	} {
		if got := b.asksConsent("native", "redirect_uri", redirect); got != asks {
			t.Errorf("%s: asked is %v", redirect, got)
		}
	}
}

// TestRFC6749_OfflineAccess of OpenID Connect Core §11 needs consent, for native apps too, and gives a token that can be used.
func TestOIDCCore_11_OfflineAccessNeedsConsent(t *testing.T) {
	w := newSite(t)
	for _, client := range []string{"web", "spa", "native"} {
		b := w.newBrowser()
		b.get(w.authorizeURL(client, "scope", "openid offline_access"))
		b.signIn("alice")
		b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
		b.submit("allow")
		a := w.redeem(client, b.code())
		if a.text("refresh_token") == "" || a.text("scope") != "offline_access openid" {
			t.Errorf("%s: got %s", client, a.raw)
		}
	}
}

func TestSixteenConsentsAtOnceAreAllRemembered(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.get(w.authorizeURL("web"))
	b.signIn("alice")
	scopes := strings.Fields(allScopes)
	var answers sync.WaitGroup
	for i := range 16 {
		answers.Go(func() {
			other := &browser{world: w, cookies: map[string]string{"mf-default": b.cookies["mf-default"], "mf-default.browser": b.cookies["mf-default.browser"]}}
			other.get(w.authorizeURL("web", "prompt", "consent", "scope", "openid "+scopes[i%len(scopes)]))
			other.submit("allow")
		})
	}
	answers.Wait()
	if given := list[storage.Consent](w); len(given) != 1 || len(given[0].Scopes) != len(scopes) {
		t.Errorf("consents are %+v", given)
	}
}

func TestConsent_LastDecisionAboutAShownScopeCounts(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.get(w.authorizeURL("web", "scope", "openid profile email"))
	b.signIn("alice")
	b.submit("allow")
	b.code()
	b.get(w.authorizeURL("web", "scope", "openid profile email", "prompt", "consent"))
	b.submit("allow", "scope", "none of them")
	b.code()
	if a := b.silently(w, "openid profile email"); a.text("scope") != "openid" {
		t.Errorf("after both were declined: %d %s", a.status, a.raw)
	}
	b.get(w.authorizeURL("web", "scope", "openid profile", "prompt", "consent"))
	b.submit("allow", "scope", "profile")
	b.code()
	if a := b.silently(w, "openid profile email"); a.text("scope") != "openid profile" {
		t.Errorf("after one was allowed again: %d %s", a.status, a.raw)
	}
}

// silently redeems the code of a request with prompt=none.
func (b *browser) silently(w *world, scope string) answer {
	b.Helper()
	b.get(w.authorizeURL("web", "scope", scope, "prompt", "none"))
	return w.redeem("web", b.code())
}

func TestConsent_SilentRequestForTheWholeGetsWhatWasAllowed(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.get(w.authorizeURL("web", "scope", "openid profile email"))
	b.signIn("alice")
	b.submit("allow", "scope", "profile")
	b.code()
	if a := b.silently(w, "openid profile email"); a.text("scope") != "openid profile" {
		t.Errorf("silent: %d %s", a.status, a.raw)
	}
	// About a scope that was never shown the user has to be asked. A request that may ask asks again about a declined one.
	if got := b.silent("scope", "openid profile phone"); got != "consent_required" {
		t.Errorf("a scope that was never shown: %q", got)
	}
	if !b.asksConsent("web", "scope", "openid profile email") {
		t.Error("a declined scope is not asked for again")
	}
}
