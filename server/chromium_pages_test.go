package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage"
)

const privateScheme = "com.example.app://callback"

// addRedirectingClient adds a client whose callback redirects the browser: to another origin, or to an app by a private scheme.
func (clients *redirectingClients) addRedirectingClient(id string, firstParty bool, further string) {
	clients.Helper()
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		check(clients.T, r.ParseForm())
		http.Redirect(w, r, further+"?"+url.Values{"state": r.Form["state"], "code": r.Form["code"], "error": r.Form["error"]}.Encode(), http.StatusFound)
	}))
	clients.Cleanup(relay.Close)
	origin := strings.Replace(relay.URL, "127.0.0.1", "localhost", 1)
	clients.addClient(id, func(c *storage.Client) {
		c.Name, c.FirstParty, c.RedirectURIs = "Relay", firstParty, []string{origin + "/callback"}
		c.PostLogoutRedirectURIs = []string{origin + "/out"}
	})
	clients.redirects[id] = origin
}

// newRedirectingClients returns a page test server with clients that redirect the browser. The result maps their IDs to the
// targets.
func newRedirectingClients(t *testing.T) (*redirectingClients, map[string]string) {
	t.Helper()
	clients := &redirectingClients{pageTestServer: newPageTestServer(t), redirects: map[string]string{}}
	clients.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<p id="arrived">Arrived`))
	}))
	t.Cleanup(site.Close)
	leads := map[string]string{"site": site.URL + "/app", "app": privateScheme}
	for id, further := range leads {
		clients.addRedirectingClient(id, true, further)
		clients.addRedirectingClient("asking-"+id, false, further)
	}
	return clients, leads
}

type redirectingClients struct {
	*pageTestServer
	// redirects are the origins of the clients.
	redirects map[string]string
}

func (clients *redirectingClients) authorizeURLOf(client string, further ...string) string {
	return clients.authorizeURL(client, append([]string{"redirect_uri", clients.redirects[client] + "/callback"}, further...)...)
}

// signIn fills in the login page.
func (t *tab) signIn(username string) {
	t.wait("#login")
	t.fill("username", username)
	t.fill("password", goodPassword)
	t.press("login")
}

// TestChromium_EveryFormReachesItsClient and the target of its redirect, of any origin.
func TestChromium_EveryFormReachesItsClient(t *testing.T) {
	clients, leads := newRedirectingClients(t)
	wanda := clients.addPasswordUser("wanda").Username
	c := startChromium(t)
	newUsers := 0
	login := func(parameters ...string) func(tb *tab, to string) string {
		return func(tb *tab, to string) string {
			tb.navigate(clients.authorizeURLOf(to, parameters...))
			tb.signIn(wanda)
			return "code"
		}
	}
	consent := func(button, want string, parameters ...string) func(tb *tab, to string) string {
		return func(tb *tab, to string) string {
			tb.navigate(clients.authorizeURLOf("asking-"+to, append([]string{"prompt", "consent"}, parameters...)...))
			tb.signIn(wanda)
			tb.wait("#" + button)
			tb.press(button)
			return want
		}
	}
	forms := map[string]func(tb *tab, to string) (want string){
		"login":            login(),
		"login, form_post": login("response_mode", "form_post"),
		"login after a wrong password": func(tb *tab, to string) string {
			tb.navigate(clients.authorizeURLOf(to))
			tb.wait("#login")
			tb.fill("username", wanda)
			tb.fill("password", "wrong")
			tb.press("login")
			tb.wait("[role=alert]")
			tb.signIn(wanda)
			return "code"
		},
		"login, cancelled": func(tb *tab, to string) string {
			tb.navigate(clients.authorizeURLOf(to))
			tb.wait("#cancel")
			tb.press("cancel")
			return "error"
		},
		"registration": func(tb *tab, to string) string {
			newUsers++
			tb.navigate(clients.authorizeURLOf(to, "prompt", "create"))
			tb.wait("#register")
			tb.fill("username", fmt.Sprintf("user-%d", newUsers))
			tb.fill("new_password", goodPassword)
			tb.press("register")
			return "code"
		},
		"consent":            consent("allow", "code"),
		"consent, form_post": consent("allow", "code", "response_mode", "form_post"),
		"consent, denied":    consent("deny", "error"),
		"choice of an account": func(tb *tab, to string) string {
			tb.navigate(clients.url + "/login")
			tb.signIn(wanda)
			tb.wait("#sign-out")
			tb.navigate(clients.authorizeURLOf(to, "prompt", "select_account"))
			tb.wait("#continue")
			tb.press("continue")
			return "code"
		},
		"logout": func(tb *tab, to string) string {
			tb.navigate(clients.url + "/login")
			tb.signIn(wanda)
			tb.wait("#sign-out")
			tb.navigate(clients.url + "/oauth2/logout?" + url.Values{
				"client_id": {to}, "post_logout_redirect_uri": {clients.redirects[to] + "/out"}, "state": {"state-1"},
			}.Encode())
			tb.wait("#logout")
			tb.press("logout")
			return ""
		},
	}
	for name, use := range forms {
		for to, further := range leads {
			t.Run(name+" to "+to, func(t *testing.T) {
				tb := c.open(c.profile(), "about:blank")
				want := use(tb, to)
				got := must(url.Parse(tb.waitForURL(further + "?")))(t).Query()
				if got.Get("state") != "state-1" || want != "" && got.Get(want) == "" {
					t.Errorf("redirected with %v, want %q", got, want)
				}
				if to == "site" {
					tb.wait("#arrived")
				}
			})
		}
	}
}

// TestChromium_SixTabsOpenedAtOnceEachFinish, in the order of each rotation. Some tabs are reloaded before they are sent.
func TestChromium_SixTabsOpenedAtOnceEachFinish(t *testing.T) {
	clients, _ := newRedirectingClients(t)
	wanda := clients.addPasswordUser("wanda").Username
	c := startChromium(t)
	const tabs = 6
	for _, first := range []int{0, 2, 5} {
		profile := c.profile()
		opened := make([]*tab, tabs)
		var opening sync.WaitGroup
		for i := range opened {
			opening.Go(func() { opened[i] = c.open(profile, clients.authorizeURLOf("site", "state", fmt.Sprintf("tab-%d", i))) })
		}
		opening.Wait()
		for _, tb := range opened {
			tb.wait("#login")
		}
		for n := range tabs {
			i := (first + n) % tabs
			if n%2 == 1 {
				opened[i].evaluate("location.reload()")
			} else {
				opened[i].signIn(wanda)
			}
			opened[i].wait("#arrived")
			at := opened[i].evaluate("location.search")
			if got := must(url.ParseQuery(strings.TrimPrefix(at, "?")))(t); got.Get("state") != fmt.Sprintf("tab-%d", i) || got.Get("code") == "" {
				t.Errorf("tab %d, first %d: %v", i, first, got)
			}
		}
	}
}

// TestChromium_ChineseHeadingsBreakBetweenWords: they also stay within the page where a word is longer than a line.
func TestChromium_ChineseHeadingsBreakBetweenWords(t *testing.T) {
	ts := newPageTestServer(t)
	wanda := ts.addPasswordUser("wanda").Username
	ts.addClient("coffee", func(c *storage.Client) { c.Name = "咖啡店 Coffee" })
	ts.addClient("long", func(c *storage.Client) { c.Name = strings.Repeat("咖啡店", 20) })
	c := startChromium(t)
	consent := func(client string) *tab {
		tb := c.open(c.profile(), "about:blank")
		c.call(tb.session, "Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true})
		tb.navigate(ts.authorizeURL(client, "ui_locales", "zh-CN"))
		tb.signIn(wanda)
		tb.wait("#allow")
		return tb
	}
	const lines = `(() => {
		const text = document.querySelector("h1").lastChild, range = document.createRange()
		range.setStart(text, text.data.search(/\S/))
		range.setEnd(text, text.data.trimEnd().length)
		return range.getClientRects().length
	})()`
	if got := consent("coffee").evaluate(lines); got != "1" {
		t.Errorf("the words behind the name are on %s lines", got)
	}
	if got := consent("long").evaluate(`document.documentElement.scrollWidth`); got != "390" {
		t.Errorf("the page is %s pixels wide", got)
	}
}
