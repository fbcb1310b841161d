package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/minifed/minifed/internal/chromiumtest"
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

// signInAt fills in the login page.
func signInAt(t *chromiumtest.Tab, username string) {
	t.Wait("#login")
	t.Fill("username", username)
	t.Fill("password", goodPassword)
	t.Press("login")
}

// TestChromium_EveryFormReachesItsClient and the target of its redirect, of any origin.
func TestChromium_EveryFormReachesItsClient(t *testing.T) {
	clients, leads := newRedirectingClients(t)
	wanda := clients.addPasswordUser("wanda").Username
	c := chromiumtest.Start(t)
	newUsers := 0
	login := func(parameters ...string) func(tb *chromiumtest.Tab, to string) string {
		return func(tb *chromiumtest.Tab, to string) string {
			tb.Navigate(clients.authorizeURLOf(to, parameters...))
			signInAt(tb, wanda)
			return "code"
		}
	}
	consent := func(button, want string, parameters ...string) func(tb *chromiumtest.Tab, to string) string {
		return func(tb *chromiumtest.Tab, to string) string {
			tb.Navigate(clients.authorizeURLOf("asking-"+to, append([]string{"prompt", "consent"}, parameters...)...))
			signInAt(tb, wanda)
			tb.Wait("#" + button)
			tb.Press(button)
			return want
		}
	}
	forms := map[string]func(tb *chromiumtest.Tab, to string) (want string){
		"login":            login(),
		"login, form_post": login("response_mode", "form_post"),
		"login after a wrong password": func(tb *chromiumtest.Tab, to string) string {
			tb.Navigate(clients.authorizeURLOf(to))
			tb.Wait("#login")
			tb.Fill("username", wanda)
			tb.Fill("password", "wrong")
			tb.Press("login")
			tb.Wait("[role=alert]")
			signInAt(tb, wanda)
			return "code"
		},
		"login, cancelled": func(tb *chromiumtest.Tab, to string) string {
			tb.Navigate(clients.authorizeURLOf(to))
			tb.Wait("#cancel")
			tb.Press("cancel")
			return "error"
		},
		"registration": func(tb *chromiumtest.Tab, to string) string {
			newUsers++
			tb.Navigate(clients.authorizeURLOf(to, "prompt", "create"))
			tb.Wait("#register")
			tb.Fill("username", fmt.Sprintf("user-%d", newUsers))
			tb.Fill("new_password", goodPassword)
			tb.Press("register")
			return "code"
		},
		"consent":            consent("allow", "code"),
		"consent, form_post": consent("allow", "code", "response_mode", "form_post"),
		"consent, denied":    consent("deny", "error"),
		"choice of an account": func(tb *chromiumtest.Tab, to string) string {
			tb.Navigate(clients.url + "/login")
			signInAt(tb, wanda)
			tb.Wait("#sign-out")
			tb.Navigate(clients.authorizeURLOf(to, "prompt", "select_account"))
			tb.Wait("#continue")
			tb.Press("continue")
			return "code"
		},
		"logout": func(tb *chromiumtest.Tab, to string) string {
			tb.Navigate(clients.url + "/login")
			signInAt(tb, wanda)
			tb.Wait("#sign-out")
			tb.Navigate(clients.url + "/oauth2/logout?" + url.Values{
				"client_id": {to}, "post_logout_redirect_uri": {clients.redirects[to] + "/out"}, "state": {"state-1"},
			}.Encode())
			tb.Wait("#logout")
			tb.Press("logout")
			return ""
		},
	}
	for name, use := range forms {
		for to, further := range leads {
			t.Run(name+" to "+to, func(t *testing.T) {
				tb := c.Open(c.Profile(), "about:blank")
				want := use(tb, to)
				got := must(url.Parse(tb.WaitForURL(further + "?")))(t).Query()
				if got.Get("state") != "state-1" || want != "" && got.Get(want) == "" {
					t.Errorf("redirected with %v, want %q", got, want)
				}
				if to == "site" {
					tb.Wait("#arrived")
				}
			})
		}
	}
}

// TestChromium_SixTabsOpenedAtOnceEachFinish, in the order of each rotation. Some tabs are reloaded before they are sent.
func TestChromium_SixTabsOpenedAtOnceEachFinish(t *testing.T) {
	clients, _ := newRedirectingClients(t)
	wanda := clients.addPasswordUser("wanda").Username
	c := chromiumtest.Start(t)
	const tabs = 6
	for _, first := range []int{0, 2, 5} {
		profile := c.Profile()
		opened := make([]*chromiumtest.Tab, tabs)
		var opening sync.WaitGroup
		for i := range opened {
			opening.Go(func() { opened[i] = c.Open(profile, clients.authorizeURLOf("site", "state", fmt.Sprintf("tab-%d", i))) })
		}
		opening.Wait()
		for _, tb := range opened {
			tb.Wait("#login")
		}
		for n := range tabs {
			i := (first + n) % tabs
			if n%2 == 1 {
				opened[i].Evaluate("location.reload()")
			} else {
				signInAt(opened[i], wanda)
			}
			opened[i].Wait("#arrived")
			at := opened[i].Evaluate("location.search")
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
	c := chromiumtest.Start(t)
	consent := func(client string) *chromiumtest.Tab {
		tb := c.Open(c.Profile(), "about:blank")
		tb.Screen(390, 844, true)
		tb.Navigate(ts.authorizeURL(client, "ui_locales", "zh-CN"))
		signInAt(tb, wanda)
		tb.Wait("#allow")
		return tb
	}
	const lines = `(() => {
		const text = document.querySelector("h1").lastChild, range = document.createRange()
		range.setStart(text, text.data.search(/\S/))
		range.setEnd(text, text.data.trimEnd().length)
		return range.getClientRects().length
	})()`
	if got := consent("coffee").Evaluate(lines); got != "1" {
		t.Errorf("the words behind the name are on %s lines", got)
	}
	if got := consent("long").Evaluate(`document.documentElement.scrollWidth`); got != "390" {
		t.Errorf("the page is %s pixels wide", got)
	}
}
