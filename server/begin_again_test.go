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

// TestTabs_OpenedAtOnceInAFreshBrowserEachFinish, whichever is first: one that was opened without a cookie keeps its own.
func TestTabs_OpenedAtOnceInAFreshBrowserEachFinish(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	const tabs = 6
	for first := range tabs {
		for _, step := range []int{1, tabs - 1} {
			shared := map[string]string{}
			opened := make([]*visitor, tabs)
			var opening sync.WaitGroup
			for i := range opened {
				opened[i] = h.visitor()
				opening.Go(func() { opened[i].ask("state", fmt.Sprintf("tab-%d", i)) })
			}
			opening.Wait()
			for _, v := range opened { // What each answer set is in one browser.
				for name, value := range v.cookies {
					shared[name] = value
				}
			}
			for n := range tabs {
				v := opened[(first+n*step)%tabs]
				v.cookies = shared
				v.signInAs("wanda")
				if v.page.callback == "" {
					v.press("consent-form", "allow")
				}
				if v.code(); v.page.sent.Get("state") != fmt.Sprintf("tab-%d", (first+n*step)%tabs) {
					t.Errorf("first %d: got %v", first, v.page.sent)
				}
			}
		}
	}
}

// TestTabs_AReloadAfterASignInInAnotherTabGoesOn without asking once more.
func TestTabs_AReloadAfterASignInInAnotherTabGoesOn(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.ask("state", "one")
	one := v.page.url
	v.ask("state", "two", "prompt", "login")
	two := v.page.url
	v.enter("wanda")
	v.get(one)
	v.press("consent-form", "allow")
	if v.code(); v.page.sent.Get("state") != "one" {
		t.Errorf("got %v", v.page.sent)
	}
	v.get(two)
	v.at(t, "/login", http.StatusOK, "Sign in") // It must not go by an earlier sign-in.
}

// TestBrowserCookies_AreBounded: the oldest ones are taken back.
func TestBrowserCookies_AreBounded(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	for range 40 {
		one := h.visitor()
		one.get(h.url + "/login")
		for name, value := range one.cookies {
			v.cookies[name] = value
		}
		h.clock.Advance(time.Second)
	}
	names := []string{}
	for name := range v.cookies {
		names = append(names, name)
	}
	slices.Sort(names)
	v.ask()
	if len(v.cookies) != 32 || v.cookies[names[0]] != "" || v.cookies[names[39]] == "" {
		t.Errorf("%d cookies are left", len(v.cookies))
	}
	v.at(t, "/login", http.StatusOK, "Sign in")
}

// TestCookies_OfADirectoryAreAtMost5KB, whose ID is as long as IDs can be: proxies accept no more than 8 KB.
func TestCookies_OfADirectoryAreAtMost5KB(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	for i := range 40 {
		one := h.visitor()
		one.get(h.url + "/login")
		for name, value := range one.cookies {
			v.cookies[name] = value
		}
		if i < 9 { // A browser is known for eight accounts.
			delete(v.cookies, "mf-default")
			v.get(h.url + "/login")
			v.enter(h.addPerson(fmt.Sprintf("person-%d", i)).Username)
		}
		h.clock.Advance(time.Second)
	}
	size := 0
	for name, value := range v.cookies {
		size += len("__Host-; =") + len(name) + len(value)
	}
	if longest := 32 - len("default"); size+longest*len(v.cookies) > 5<<10 {
		t.Errorf("%d cookies have %d bytes", len(v.cookies), size)
	}
}

// TestPagesOfASignInThatIsOver_BeginItAgain with the same request, and say whose it is.
func TestPagesOfASignInThatIsOver_BeginItAgain(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	open := func(v *visitor) map[string]*page {
		pages := map[string]*page{}
		pages["login"] = v.ask("state", "mine")
		pushed := h.post("shop", "/oauth2/par", h.authorizeForm("shop", "redirect_uri", shopRedirect, "state", "mine"))
		pages["pushed"] = v.get(h.url + "/oauth2/authorize?" + url.Values{"client_id": {"shop"}, "request_uri": {pushed.text("request_uri")}}.Encode())
		return pages
	}
	again := func(t *testing.T, v *visitor) {
		t.Helper()
		v.at(t, "/"+strings.SplitN(strings.TrimPrefix(v.page.url, h.url+"/"), "?", 2)[0], http.StatusBadRequest, "The application that led here is Tea & Co.")
		v.get(v.link("Begin again"))
		v.signInAs("wanda")
		if v.page.callback == "" {
			v.press("consent-form", "allow")
		}
		if v.code(); v.page.sent.Get("state") != "mine" {
			t.Errorf("got %v", v.page.sent)
		}
	}
	for name := range open(h.visitor()) {
		t.Run(name+", after an hour", func(t *testing.T) {
			v := h.visitor()
			v.page = open(v)[name]
			h.clock.Advance(time.Hour)
			v.press("login-form", "login", "username", "wanda", "password", goodPassword)
			again(t, v)
		})
		t.Run(name+", in another browser", func(t *testing.T) {
			v := h.visitor()
			v.get(open(h.visitor())[name].url)
			again(t, v)
		})
	}
	t.Run("a request by POST", func(t *testing.T) {
		v := h.visitor()
		v.post(h.url+"/oauth2/authorize", h.authorizeForm("shop", "redirect_uri", shopRedirect, "state", "mine"), false)
		kept := v.page.hops[1]
		h.clock.Advance(time.Hour)
		v.get(kept)
		again(t, v)
	})
	t.Run("a link to begin again, the next day", func(t *testing.T) {
		v := h.visitor()
		p := open(v)["login"]
		h.clock.Advance(time.Hour)
		v.get(p.url)
		link := v.link("Begin again")
		h.clock.Advance(48 * time.Hour)
		v.get(link)
		v.at(t, "/login", http.StatusOK, "Sign in")
	})
	t.Run("pushed, two days later", func(t *testing.T) {
		v := h.visitor()
		p := open(v)["pushed"]
		h.clock.Advance(48 * time.Hour)
		v.get(p.url)
		v.at(t, "/login", http.StatusBadRequest, "Tea & Co")
		if strings.Contains(v.page.body, `id="again"`) {
			t.Error("a pushed request begins again although nothing knows any more whether it was answered")
		}
	})
}

func TestASignOutThatIsOver_BeginsAgain(t *testing.T) {
	h := newHouse(t)
	h.change("shop", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{"https://shop.example/out"} })
	h.addPerson("wanda")
	v := h.visitor()
	v.get(h.url + "/login")
	v.enter("wanda")
	v.get(h.url + "/oauth2/logout?client_id=shop&post_logout_redirect_uri=https%3A%2F%2Fshop.example%2Fout")
	h.clock.Advance(time.Hour)
	v.press("logout-form", "logout")
	v.at(t, "/oauth2/logout", http.StatusBadRequest, "Tea & Co")
	v.get(v.link("Begin again"))
	v.press("logout-form", "logout")
	if v.page.callback != "https://shop.example/out" {
		t.Errorf("at %d %s", v.page.status, v.page.url)
	}
}

// TestAFormThatIsNotAccepted_OpensItsPageAgain.
func TestAFormThatIsNotAccepted_OpensItsPageAgain(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.ask()
	v.press("login-form", "login", "csrf", "x", "username", "wanda", "password", goodPassword)
	v.at(t, "/login", http.StatusForbidden, "not accepted")
	v.get(h.url + v.link("Open the page again"))
	v.signInAs("wanda")
	v.press("consent-form", "allow")
	v.code()
	v.get(h.url + "/account")
	v.press("sign-out-form", "sign-out", "csrf", "x")
	v.get(h.url + v.link("Open the page again"))
	v.at(t, "/account", http.StatusOK, "Your account")
}

// TestPAR_AUsedRequestIsRefusedBeforeAnythingIsAsked, and going back to its pages says so.
func TestPAR_AUsedRequestIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	pushed := h.post("shop", "/oauth2/par", h.authorizeForm("shop", "redirect_uri", shopRedirect)).text("request_uri")
	address := h.url + "/oauth2/authorize?" + url.Values{"client_id": {"shop"}, "request_uri": {pushed}}.Encode()
	v.get(address)
	login := v.page
	v.signInAs("wanda")
	consent := v.page
	v.press("consent-form", "allow")
	code := v.code()
	// 1. A second press of the button, before the client has redeemed the code, is answered the same.
	v.page = consent
	v.press("consent-form", "allow")
	if again := v.code(); again != code {
		t.Errorf("got another code")
	}
	h.redeem("shop", code, "redirect_uri", shopRedirect)
	// 2. Going back.
	for _, p := range []*page{login, consent} {
		v.get(p.url)
		v.at(t, must(url.Parse(p.url))(t).Path, http.StatusBadRequest, "The application that led here is Tea & Co.")
	}
	// 3. A browser where nobody is signed in.
	other := h.visitor()
	other.get(address)
	other.wantError(t, "invalid_request_uri", "state-1")
}
