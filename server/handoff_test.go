package server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const (
	handOffPath = "/federation/wechat/miniapp/hand-off"
	handOffTo   = "https://web.example/start?from=wechat"
	webViewUA   = "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50 MiniProgramEnv/android miniProgram/wxsim"
)

// newHandOffServer returns a populated server whose mini-program "mini" may hand its users off to the client "web".
func newHandOffServer(t *testing.T, engine string) *testServer {
	t.Helper()
	c := newClock()
	ts := populateWithPlainPages(newTestServerOn(t, c, engines()[engine](t, c)))
	ts.change("mini", func(c *storage.Client) { c.StartsSessions = true })
	editRecord(ts, "default", func(d *storage.Directory) {
		d.SignInMethods = []string{storage.SignInPassword, storage.SignInPasskey, storage.SignInHandOff}
	})
	c.Advance(6 * time.Second)
	ts.change("web", func(c *storage.Client) { c.InitiateLoginURI, c.FirstParty = handOffTo, true })
	return ts
}

// handOff requests a hand-off for a user of the mini-program, and returns the URL and the user.
func (ts *testServer) handOff(user string) (url, id string) {
	ts.Helper()
	signedIn := ts.login("mini", user)
	a := ts.postJSON("mini", handOffPath, map[string]string{"access_token": signedIn.member("access_token"), "target_client_id": "web", "state": "page 7"})
	ts.wantStatus(a, http.StatusOK)
	if a.body["expires_in"] != 60.0 {
		ts.Errorf("expires_in is %v", a.body["expires_in"])
	}
	return a.member("url"), ts.sub(signedIn)
}

// webView returns the browser of a mini-program.
func (ts *testServer) webView() *browser {
	b := ts.newBrowser()
	b.agent = webViewUA
	return b
}

// wantHandedOff asserts that the browser was redirected to the application.
func (b *browser) wantHandedOff(t *testing.T) {
	t.Helper()
	to, _, _ := strings.Cut(b.page.callback, "?")
	if to != "https://web.example/start" || b.page.sent.Get("iss") != b.config.PublicURL || b.page.sent.Get("state") != "page 7" || b.page.sent.Get("from") != "wechat" {
		t.Errorf("got %d %s %q\n%s", b.page.status, b.page.url, b.page.callback, b.page.body)
	}
}

func TestHandOff_SignsTheWebViewInToOneClient(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"memory", "sqlite"} {
		ts := newHandOffServer(t, engine)
		url, user := ts.handOff("wendy")
		b := ts.webView()
		b.get(url)
		b.wantHandedOff(t)
		if b.page.status != http.StatusSeeOther || b.page.header.Get("Referrer-Policy") != "no-referrer" || b.page.header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %d %v", b.page.status, b.page.header)
		}
		session := b.storedSession()
		if session.User != user || !session.BackendInitiated || session.Client == "" || !slices.Equal(session.AMR, []string{"wechat_hand_off"}) {
			t.Errorf("the session is %+v", session)
		}
		// 1. The client gets a code without a page.
		b.get(ts.authorizeURL("web", "prompt", "none"))
		if a := b.redeem("web", b.code()); claims(t, a.member("id_token"))["sub"] != user {
			t.Errorf("got %s", a.raw)
		}
		// 2. No other client does, and the account page asks for a sign-in.
		b.get(ts.authorizeURL("spa", "prompt", "none"))
		b.wantError(t, "login_required", "state-1")
		b.get(ts.url + "/account")
		if !strings.HasSuffix(b.page.url, "/login") {
			t.Errorf("the account page: %d %s", b.page.status, b.page.url)
		}
	}
}

func TestHandOff_LogsNoTicket(t *testing.T) {
	t.Parallel()
	ts := newHandOffServer(t, "memory")
	url, _ := ts.handOff("wendy")
	b := ts.webView()
	b.get(url)
	b.get(url)
	_, ticket, _ := strings.Cut(url, "ticket=")
	if strings.Contains(ts.log.String(), ticket) || strings.Contains(ts.log.String(), ticket[len(ticket)-20:]) {
		t.Error("the ticket is in the log")
	}
}

func TestHandOff_TicketWorksOnce(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"memory", "sqlite"} {
		ts := newHandOffServer(t, engine)
		url, _ := ts.handOff("wendy")
		// Two instances race for one ticket.
		other := ts.secondInstance()
		var group sync.WaitGroup
		var mu sync.Mutex
		opened := 0
		for _, instance := range []*testServer{ts, other, ts, other} {
			b := instance.webView()
			group.Go(func() {
				b.get(strings.Replace(url, ts.url, instance.url, 1))
				mu.Lock()
				defer mu.Unlock()
				if b.page.callback != "" {
					opened++
				}
			})
		}
		group.Wait()
		if opened != 1 {
			t.Errorf("%s: the ticket was used %d times", engine, opened)
		}
		b := ts.webView()
		b.get(url)
		b.wantPage(t, http.StatusBadRequest, "")
		if len(b.cookies) > 1 { // The cookie of the language or of the form is no session.
			t.Errorf("a used ticket sets %v", b.cookies)
		}
	}
}

func TestHandOff_TicketsThatDoNotWork(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(ts *testServer, url, user string) string{
		"expired": func(ts *testServer, url, _ string) string { ts.clock.Advance(61 * time.Second); return url },
		"disabled user": func(ts *testServer, url, user string) string {
			editRecord(ts, storage.Key("default", user), func(u *storage.User) { u.Status = storage.UserDisabled })
			return url
		},
		"signed out everywhere": func(ts *testServer, url, user string) string {
			editRecord(ts, storage.Key("default", user), func(u *storage.User) { u.Epoch++ })
			return url
		},
		"client removed by the user": func(ts *testServer, url, user string) string {
			editRecord(ts, storage.Key("default", user), func(u *storage.User) { u.ClientEpochs = map[string]int64{"mini": 1} })
			return url
		},
		"disabled mini-program": func(ts *testServer, url, _ string) string {
			ts.change("mini", func(c *storage.Client) { c.Disabled = true })
			return url
		},
		"disabled target": func(ts *testServer, url, _ string) string {
			ts.change("web", func(c *storage.Client) { c.Disabled = true })
			return url
		},
		"another directory": func(ts *testServer, url, _ string) string {
			ts.addDirectory(storage.Directory{ID: "acme", SignInMethods: []string{storage.SignInHandOff}})
			return strings.Replace(url, ts.url, ts.url+"/d/acme", 1)
		},
		"a guess":       func(_ *testServer, url, _ string) string { return url[:len(url)-4] + "AAAA" },
		"a bind ticket": func(ts *testServer, url, _ string) string { return strings.Replace(url, "mf_ho_", "mf_bt_", 1) },
		"none":          func(ts *testServer, _, _ string) string { return ts.url + "/hand-off" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := newHandOffServer(t, "memory")
			url, user := ts.handOff("wendy")
			b := ts.webView()
			b.get(spoil(ts, url, user))
			b.wantPage(t, http.StatusBadRequest, "")
			if got := len(list[storage.Session](ts)); got != 0 {
				t.Errorf("%d sessions", got)
			}
		})
	}
}

// An attacker sends the URL of an own hand-off, to sign another person in to the attacker's account.
func TestHandOff_AsksOutsideTheWebView(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		agent, site string
		signedIn    bool
	}{
		"another browser":                       {"Mozilla/5.0", "none", false},
		"WeChat, but no mini-program":           {"Mozilla/5.0 MicroMessenger/8.0.50", "", false},
		"a link on another site":                {webViewUA, "cross-site", false},
		"a web-view in which another signed in": {webViewUA, "none", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := newHandOffServer(t, "memory")
			b := ts.newBrowser()
			if row.signedIn {
				b.flow("web")
			}
			before := b.cookies["mf-default"]
			url, user := ts.handOff("wendy")
			b.agent = row.agent
			open := func() {
				request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))(t)
				request.Header.Set("Sec-Fetch-Site", row.site)
				b.open(request, true)
			}
			open()
			b.wantPage(t, http.StatusOK, "")
			if b.cookies["mf-default"] != before {
				t.Error("the question signs in")
			}
			// A form of another site does not confirm.
			b.post(url, map[string][]string{"decision": {"go"}}, false)
			if b.page.callback != "" {
				t.Error("a form of another site confirms")
			}
			open()
			b.submit("go")
			b.wantHandedOff(t)
			if got := b.storedSession().User; got != user {
				t.Errorf("signed in as %s", got)
			}
		})
	}
}

func TestHandOff_KeepsTheSessionOfTheSameUser(t *testing.T) {
	t.Parallel()
	ts := newHandOffServer(t, "memory")
	b := ts.webView()
	b.flow("web")
	url, user := ts.handOff("wendy")
	editRecord(ts, storage.Key("default", b.storedSession().ID), func(s *storage.Session) { s.User = user })
	cookie := b.cookies["mf-default"]
	b.get(url)
	b.wantHandedOff(t)
	if session := b.storedSession(); session.Client != "" || session.BackendInitiated || b.cookies["mf-default"] != cookie {
		t.Errorf("the session is %+v", session)
	}
}

func TestHandOff_RejectsRequests(t *testing.T) {
	t.Parallel()
	ts := newHandOffServer(t, "memory")
	ts.addMiniProgram("other", func(c *storage.Client) { c.StartsSessions = true })
	ts.addMiniProgram("plain", func(*storage.Client) {})
	token := ts.login("mini", "wendy").member("access_token")
	for name, row := range map[string]struct {
		client, token, target, state string
		status                       int
		reason                       string
	}{
		"a client that starts no sessions": {"plain", token, "web", "", 400, "starts_no_sessions"},
		"a token of another client":        {"other", token, "web", "", 400, "session_token"},
		"no token":                         {"mini", "x", "web", "", 400, "session_token"},
		"no target":                        {"mini", token, "", "", 400, ""},
		"an unknown target":                {"mini", token, "nothing", "", 400, "hand_off_target"},
		"a target without an address":      {"mini", token, "spa", "", 400, "hand_off_target"},
		"a long state":                     {"mini", token, "web", strings.Repeat("s", 513), 400, ""},
	} {
		a := ts.postJSON(row.client, handOffPath, map[string]string{"access_token": row.token, "target_client_id": row.target, "state": row.state})
		if a.status != row.status || a.member("reason") != row.reason {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	byCode := func(code string) response {
		return ts.postJSON("mini", handOffPath, map[string]string{"code": code, "target_client_id": "web"})
	}
	byCode("unknown").wantReason(t, http.StatusBadRequest, "new_code")
	ts.app("mini").Block("mallory", true)
	byCode(ts.app("mini").Login("mallory")).wantReason(t, http.StatusForbidden, "blocked")
	disabled := ts.sub(ts.login("mini", "dora"))
	editRecord(ts, storage.Key("default", disabled), func(u *storage.User) { u.Status = storage.UserDisabled })
	byCode(ts.app("mini").Login("dora")).wantReason(t, http.StatusForbidden, "user_disabled")
	ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	byCode(ts.app("mini").Login("nobody-yet")).wantError(t, "registration_required")
}

// A hand-off reads the grant and the user of the token, and writes the ticket. The browser reads the ticket and its user, and writes
// the use and the session.
func TestHandOff_Budget(t *testing.T) {
	t.Parallel()
	ts := newHandOffServer(t, "memory")
	token := ts.login("mini", "wendy").member("access_token")
	count := func(do func()) (reads, writes int) {
		ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
			if o.Write() {
				writes++
			} else {
				reads++
			}
			return nil
		}
		do()
		ts.engine.Before = nil
		return reads, writes
	}
	body := map[string]string{"access_token": token, "target_client_id": "web"}
	ts.postJSON("mini", handOffPath, body) // The clients are in memory now.
	var url string
	if reads, writes := count(func() { url = ts.postJSON("mini", handOffPath, body).member("url") }); reads != 2 || writes != 1 {
		t.Errorf("the request: %d reads, %d writes", reads, writes)
	}
	if reads, writes := count(func() { ts.webView().get(url) }); reads != 2 || writes != 2 {
		t.Errorf("the browser: %d reads, %d writes", reads, writes)
	}
}

func TestHandOff_TakesALoginCode(t *testing.T) {
	t.Parallel()
	ts := newHandOffServer(t, "sqlite")
	request := func(further ...string) response {
		body := map[string]string{"target_client_id": "web", "state": "page 7"}
		for i := 0; i < len(further); i += 2 {
			body[further[i]] = further[i+1]
		}
		return ts.postJSON("mini", handOffPath, body)
	}
	user, code := ts.sub(ts.login("mini", "wendy")), ts.app("mini").Login("wendy")
	a := request("code", code)
	ts.wantStatus(a, http.StatusOK)
	if a.body["refresh_token"] != nil || a.body["access_token"] != nil {
		t.Errorf("the response has tokens: %s", a.raw)
	}
	b := ts.webView()
	b.get(a.member("url"))
	b.wantHandedOff(t)
	if session := b.storedSession(); session.User != user || session.Client == "" {
		t.Errorf("the session is %+v", session)
	}
	// A repeat returns another URL of the same user; one for another page is rejected.
	ts.wantStatus(request("code", code), http.StatusOK)
	request("code", code, "state", "other").wantReason(t, http.StatusBadRequest, "repeat_differs")
	// A rejected request does not spend the code.
	code = ts.app("mini").Login("wendy")
	request("code", code, "target_client_id", "spa").wantReason(t, http.StatusBadRequest, "hand_off_target")
	ts.wantStatus(request("code", code), http.StatusOK)
	if a := request("code", "c", "access_token", "t"); a.status != http.StatusBadRequest || a.member("error") != "invalid_request" {
		t.Errorf("code and token: %s", a.raw)
	}
}

func TestHandOff_NeedsTheMethodOfTheDirectory(t *testing.T) {
	t.Parallel()
	ts := newHandOffServer(t, "memory")
	url, _ := ts.handOff("wendy")
	editRecord(ts, "default", func(d *storage.Directory) { d.SignInMethods = nil })
	ts.clock.Advance(6 * time.Second)
	b := ts.webView()
	if b.get(url); b.page.status != http.StatusNotFound {
		t.Errorf("opened: %d", b.page.status)
	}
	a := ts.postJSON("mini", handOffPath, map[string]string{"code": ts.app("mini").Login("wendy"), "target_client_id": "web"})
	a.wantReason(t, http.StatusBadRequest, "hand_off_off")
}

func TestHandOff_NotifiesOfANewBrowserOnce(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	ts.change("mini", func(c *storage.Client) { c.StartsSessions = true })
	ts.editDirectory(func(d *storage.Directory) { d.SignInMethods = []string{storage.SignInPassword, storage.SignInHandOff} })
	ts.change("shop", func(c *storage.Client) { c.InitiateLoginURI = handOffTo })
	signedIn := ts.login("mini", "wendy")
	must(ts.identities.SetEmail(ts.Context(), "default", ts.sub(signedIn), "wendy@example.com", identity.System))(t)
	open := func(b *formBrowser) {
		a := ts.postJSON("mini", handOffPath, map[string]string{"access_token": signedIn.member("access_token"), "target_client_id": "shop"})
		b.get(a.member("url"))
	}
	b := ts.browserOf(webViewUA)
	open(b)
	sent := ts.mailTo("wendy@example.com")
	if len(sent) != 1 || !strings.Contains(sent[0].Text, "mini-program of WeChat opened a page") {
		t.Fatalf("%+v", sent)
	}
	b.cookies["mf-default"] = ""
	open(b)
	if sent := ts.mailTo("wendy@example.com"); len(sent) != 1 {
		t.Errorf("%d mails for one browser", len(sent))
	}
}

func TestSignIn_NotifiesOfANewBrowserOnce(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	ts.addEmailUser("wanda")
	b := ts.deskBrowser()
	for range 2 {
		b.signInToAccount("wanda")
		b.press("sign-out-form", "sign-out")
	}
	if sent := ts.allMailTo("wanda@example.com"); len(sent) != 1 || !strings.Contains(sent[0].Subject, "A new browser") || !strings.Contains(sent[0].Text, "Firefox, Linux") {
		t.Errorf("%+v", sent)
	}
	ts.deskBrowser().signInToAccount("wanda")
	if sent := ts.allMailTo("wanda@example.com"); len(sent) != 2 {
		t.Errorf("%d mails after a second browser", len(sent))
	}
}
