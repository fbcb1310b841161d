package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// TestTabs_OpenedTogetherInFreshBrowserAllFinish in every order: a tab that was opened without a cookie has its own.
func TestTabs_OpenedTogetherInFreshBrowserAllFinish(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	const tabs = 6
	for first := range tabs {
		for _, step := range []int{1, tabs - 1} {
			shared := map[string]string{}
			opened := make([]*formBrowser, tabs)
			var opening sync.WaitGroup
			for i := range opened {
				opened[i] = ts.newFormBrowser()
				opening.Go(func() { opened[i].openAuthorize("state", fmt.Sprintf("tab-%d", i)) })
			}
			opening.Wait()
			for _, b := range opened { // The Set-Cookie lines of all responses reach one browser.
				for name, value := range b.cookies {
					shared[name] = value
				}
			}
			for n := range tabs {
				b := opened[(first+n*step)%tabs]
				b.cookies = shared
				b.signInAs("wanda")
				if b.page.callback == "" {
					b.press("consent-form", "allow")
				}
				if b.code(); b.page.sent.Get("state") != fmt.Sprintf("tab-%d", (first+n*step)%tabs) {
					t.Errorf("first %d: got %v", first, b.page.sent)
				}
			}
		}
	}
}

// TestTabs_ReloadContinuesAfterSignInInOtherTab: it shows no login page again.
func TestTabs_ReloadContinuesAfterSignInInOtherTab(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize("state", "one")
	one := b.page.url
	b.openAuthorize("state", "two", "prompt", "login")
	two := b.page.url
	b.signInToAccount("wanda")
	b.get(one)
	b.press("consent-form", "allow")
	if b.code(); b.page.sent.Get("state") != "one" {
		t.Errorf("got %v", b.page.sent)
	}
	b.get(two)
	b.wantAt(t, "/login", http.StatusOK, "Sign in") // An earlier sign-in must not satisfy it.
}

// TestBrowserCookies_AreBounded: the oldest ones are removed.
func TestBrowserCookies_AreBounded(t *testing.T) {
	ts := newPageTestServer(t)
	b := ts.newFormBrowser()
	for range 40 {
		one := ts.newFormBrowser()
		one.get(ts.url + "/login")
		for name, value := range one.cookies {
			b.cookies[name] = value
		}
		ts.clock.Advance(time.Second)
	}
	names := []string{}
	for name := range b.cookies {
		names = append(names, name)
	}
	slices.Sort(names)
	b.openAuthorize()
	if len(b.cookies) != 32 || b.cookies[names[0]] != "" || b.cookies[names[39]] == "" {
		t.Errorf("%d cookies are left", len(b.cookies))
	}
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
}

// TestCookies_OfADirectoryAreAtMost5KB, even with the longest directory ID: proxies accept no more than 8 KB.
func TestCookies_OfADirectoryAreAtMost5KB(t *testing.T) {
	ts := newPageTestServer(t)
	b := ts.newFormBrowser()
	for i := range 40 {
		one := ts.newFormBrowser()
		one.get(ts.url + "/login")
		for name, value := range one.cookies {
			b.cookies[name] = value
		}
		if i < 9 { // A browser is a known device of at most eight accounts.
			delete(b.cookies, "mf-default")
			b.get(ts.url + "/login")
			b.signInToAccount(ts.addPasswordUser(fmt.Sprintf("person-%d", i)).Username)
		}
		ts.clock.Advance(time.Second)
	}
	size := 0
	for name, value := range b.cookies {
		size += len("__Host-; =") + len(name) + len(value)
	}
	if longest := 32 - len("default"); size+longest*len(b.cookies) > 5<<10 {
		t.Errorf("%d cookies have %d bytes", len(b.cookies), size)
	}
}

// TestBeginAgain_RestartsExpiredSignIn with the same request, and the page names the client.
func TestBeginAgain_RestartsExpiredSignIn(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	open := func(b *formBrowser) map[string]*page {
		pages := map[string]*page{}
		pages["login"] = b.openAuthorize("state", "mine")
		pushed := ts.post("shop", "/oauth2/par", ts.authorizeForm("shop", "redirect_uri", shopRedirect, "state", "mine"))
		pages["pushed"] = b.get(ts.url + "/oauth2/authorize?" + url.Values{"client_id": {"shop"}, "request_uri": {pushed.member("request_uri")}}.Encode())
		return pages
	}
	again := func(t *testing.T, b *formBrowser) {
		t.Helper()
		b.wantAt(t, "/"+strings.SplitN(strings.TrimPrefix(b.page.url, ts.url+"/"), "?", 2)[0], http.StatusBadRequest, "The application is Tea & Co.")
		b.get(b.linkNamed("Begin again"))
		b.signInAs("wanda")
		if b.page.callback == "" {
			b.press("consent-form", "allow")
		}
		if b.code(); b.page.sent.Get("state") != "mine" {
			t.Errorf("got %v", b.page.sent)
		}
	}
	for name := range open(ts.newFormBrowser()) {
		t.Run(name+", after an hour", func(t *testing.T) {
			b := ts.newFormBrowser()
			b.page = open(b)[name]
			ts.clock.Advance(time.Hour)
			b.press("login-form", "login", "username", "wanda", "password", goodPassword)
			again(t, b)
		})
		t.Run(name+", in another browser", func(t *testing.T) {
			b := ts.newFormBrowser()
			b.get(open(ts.newFormBrowser())[name].url)
			again(t, b)
		})
	}
	t.Run("a request by POST", func(t *testing.T) {
		b := ts.newFormBrowser()
		b.post(ts.url+"/oauth2/authorize", ts.authorizeForm("shop", "redirect_uri", shopRedirect, "state", "mine"), false)
		kept := b.page.hops[1]
		ts.clock.Advance(time.Hour)
		b.get(kept)
		again(t, b)
	})
	t.Run("a link to begin again, the next day", func(t *testing.T) {
		b := ts.newFormBrowser()
		p := open(b)["login"]
		ts.clock.Advance(time.Hour)
		b.get(p.url)
		link := b.linkNamed("Begin again")
		ts.clock.Advance(48 * time.Hour)
		b.get(link)
		b.wantAt(t, "/login", http.StatusOK, "Sign in")
	})
	t.Run("pushed, two days later", func(t *testing.T) {
		b := ts.newFormBrowser()
		p := open(b)["pushed"]
		ts.clock.Advance(48 * time.Hour)
		b.get(p.url)
		b.wantAt(t, "/login", http.StatusBadRequest, "Tea & Co")
		if strings.Contains(b.page.body, `id="again"`) {
			t.Error("a pushed request begins again although it may have been completed")
		}
	})
}

func TestBeginAgain_RestartsExpiredSignOut(t *testing.T) {
	ts := newPageTestServer(t)
	ts.change("shop", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{"https://shop.example/out"} })
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.signInToAccount("wanda")
	b.get(ts.url + "/oauth2/logout?client_id=shop&post_logout_redirect_uri=https%3A%2F%2Fshop.example%2Fout")
	ts.clock.Advance(time.Hour)
	b.press("logout-form", "logout")
	b.wantAt(t, "/oauth2/logout", http.StatusBadRequest, "Tea & Co")
	b.get(b.linkNamed("Begin again"))
	b.press("logout-form", "logout")
	if b.page.callback != "https://shop.example/out" {
		t.Errorf("at %d %s", b.page.status, b.page.url)
	}
}

func TestForms_RejectedFormOpensItsPageAgain(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize()
	b.press("login-form", "login", "csrf", "x", "username", "wanda", "password", goodPassword)
	b.wantAt(t, "/login", http.StatusForbidden, "not accepted")
	b.get(ts.url + b.linkNamed("Open the page again"))
	b.signInAs("wanda")
	b.press("consent-form", "allow")
	b.code()
	b.get(ts.url + "/account")
	b.press("sign-out-form", "sign-out", "csrf", "x")
	b.get(ts.url + b.linkNamed("Open the page again"))
	b.wantAt(t, "/account", http.StatusOK, "Your account")
}

// TestPAR_RejectsUsedRequestBeforeSignIn: the back button to its pages shows the same error.
func TestPAR_RejectsUsedRequestBeforeSignIn(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	pushed := ts.post("shop", "/oauth2/par", ts.authorizeForm("shop", "redirect_uri", shopRedirect)).member("request_uri")
	address := ts.url + "/oauth2/authorize?" + url.Values{"client_id": {"shop"}, "request_uri": {pushed}}.Encode()
	b.get(address)
	login := b.page
	b.signInAs("wanda")
	consent := b.page
	b.press("consent-form", "allow")
	code := b.code()
	// 1. A second click on the button, before the client redeems the code, gets the same response.
	b.page = consent
	b.press("consent-form", "allow")
	if again := b.code(); again != code {
		t.Errorf("got another code")
	}
	ts.redeem("shop", code, "redirect_uri", shopRedirect)
	// 2. The back button.
	for _, p := range []*page{login, consent} {
		b.get(p.url)
		b.wantAt(t, must(url.Parse(p.url))(t).Path, http.StatusBadRequest, "The application is Tea & Co.")
	}
	// 3. A browser without a session.
	other := ts.newFormBrowser()
	other.get(address)
	other.wantError(t, "invalid_request_uri", "state-1")
}
