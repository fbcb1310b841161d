package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// TestInteraction_IsBoundToItsBrowser prevents login CSRF: the attacker begins a sign-in and the victim completes it.
func TestInteraction_IsBoundToItsBrowser(t *testing.T) {
	ts := newPopulatedServer(t)
	attacker := ts.newBrowser()
	attacker.get(ts.authorizeURL("web", "state", "of-the-attacker"))
	victim := ts.newBrowser()
	victim.flow("web")
	for _, path := range []string{"/login", "/consent", "/oauth2/authorize"} {
		victim.get(strings.Replace(attacker.page.url, "/login", path, 1))
		victim.wantPage(t, http.StatusBadRequest, "another browser")
		victim.post(strings.Replace(attacker.page.url, "/login", path, 1), map[string][]string{"username": {"alice"}}, true)
		if victim.page.callback != "" {
			t.Errorf("%s: went on to %s", path, victim.page.callback)
		}
	}
	nobody := ts.newBrowser()
	nobody.get(attacker.page.url)
	nobody.wantPage(t, http.StatusBadRequest, "cookies")
	if n := len(list[storage.Session](ts)); n != 1 {
		t.Errorf("there are %d sessions", n)
	}
}

func TestInteraction_LastsHalfAnHour(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web"))
	login := b.page.url
	for name, address := range map[string]string{
		"cut": login[:len(login)-2], "changed": strings.Replace(login, "interaction=A", "interaction=B", 1), "none": ts.url + "/login",
		"long": login + strings.Repeat("A", 20<<10), "of another kind": ts.url + "/login?interaction=x.y.z",
	} {
		b.get(address)
		if b.page.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", name, b.page.status, b.page.body)
		}
	}
	b.get(strings.Replace(login, "/login?interaction=", "/oauth2/authorize?kept=", 1))
	b.wantPage(t, http.StatusBadRequest, "minute") // An envelope of one purpose does not open for another.
	ts.clock.Advance(29 * time.Minute)
	b.get(login)
	b.wantPage(t, http.StatusOK, `name="username"`)
	ts.clock.Advance(time.Minute)
	b.get(login)
	b.wantPage(t, http.StatusBadRequest, "took too long")
}

func TestInteraction_TwoTabsBothFinish(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "state", "one"))
	one := b.page
	b.get(ts.authorizeURL("spa", "state", "two"))
	b.signIn("alice")
	b.allow()
	if b.code(); b.page.sent.Get("state") != "two" {
		t.Errorf("got %v", b.page.sent)
	}
	b.page = one
	b.signIn("alice")
	b.allow()
	if b.code(); b.page.sent.Get("state") != "one" {
		t.Errorf("got %v", b.page.sent)
	}
}

// TestInteraction_BackButtonBeginsAgain: the decisions of an interaction apply to its code, and to no other.
func TestInteraction_BackButtonBeginsAgain(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	b.get(ts.authorizeURL("web", "prompt", "login"))
	b.signIn("alice")
	first := b.code()
	answered := b.page.hops[len(b.page.hops)-1]
	ts.redeem("web", first)
	b.get(answered)
	b.wantPage(t, http.StatusOK, `name="username"`) // prompt=login requires it again.
	ts.clock.Advance(25 * time.Minute)              // The code expired long ago, the interaction did not.
	b.get(answered)
	b.wantPage(t, http.StatusOK, `name="username"`)
	b.get(ts.authorizeURL("web", "prompt", "consent"))
	b.submit("allow")
	b.code()
	b.get(b.page.hops[len(b.page.hops)-1])
	b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
	// The same applies to a code that was not redeemed.
	b.get(ts.authorizeURL("web", "prompt", "login"))
	b.signIn("alice")
	b.code()
	answered = b.page.hops[len(b.page.hops)-1]
	ts.clock.Advance(25 * time.Minute)
	b.get(answered)
	b.wantPage(t, http.StatusOK, `name="username"`)
	// Where no page is needed, the back button gives a new code.
	c := ts.newBrowser()
	c.get(ts.authorizeURL("web"))
	c.signIn("alice")
	second := c.code()
	c.get(c.page.hops[len(c.page.hops)-1])
	if third := c.code(); third == second {
		t.Error("the same code was given twice")
	}
}

func TestConsent_BelongsToItsUser(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web"))
	b.signIn("alice")
	consent := b.page
	// In another tab another user signs in.
	b.get(ts.authorizeURL("spa"))
	b.get(ts.authorizeURL("spa", "prompt", "login"))
	b.signIn("bob")
	b.page = consent
	b.submit("allow")
	b.wantPage(t, http.StatusOK, "<h1>consent</h1>") // Bob has not seen the consent page.
	if given := list[storage.Consent](ts); len(given) != 0 {
		t.Errorf("consents are %+v", given)
	}
	b.submit("allow")
	if all := claims(t, ts.redeem("web", b.code()).member("id_token")); all["sub"] != "bob" {
		t.Errorf("sub is %v", all["sub"])
	}
	if given := list[storage.Consent](ts); len(given) != 1 || given[0].User != "bob" {
		t.Errorf("consents are %+v", given)
	}
}

// TestConsent_IsNotUsedForUserWhoSignsInNext: the form of the consent page was already sent.
func TestConsent_IsNotUsedForUserWhoSignsInNext(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web"))
	b.signIn("alice")
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, b.page.url, strings.NewReader("decision=allow&scope=openid")))(t)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range b.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	onItsWay := b.send(request).header.Get("Location")
	b.get(ts.authorizeURL("spa", "prompt", "login"))
	b.signIn("bob")
	b.get(onItsWay)
	b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
	b.get(strings.Replace(b.page.url, "/consent", "/oauth2/authorize", 1))
	b.wantPage(t, http.StatusOK, "<h1>consent</h1>")
}

func TestInteraction_EndsWithRemovedRedirectURI(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web"))
	ts.change("web", func(c *storage.Client) { c.RedirectURIs = []string{"https://elsewhere.example/"} })
	b.get(b.page.url)
	b.wantPage(t, http.StatusBadRequest, "redirect_uri")
	ts.change("web", func(c *storage.Client) { c.Disabled = true })
	b.get(b.page.url)
	b.wantPage(t, http.StatusBadRequest, "client_id")
}
