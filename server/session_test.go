package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// silentError sends a request with prompt=none and returns the error, or "" for a code.
func (b *browser) silentError(further ...string) string {
	b.Helper()
	b.get(b.authorizeURL("web", append([]string{"prompt", "none"}, further...)...))
	if b.page.sent.Get("code") != "" {
		return ""
	}
	return b.page.sent.Get("error")
}

func (b *browser) wantSilent(t *testing.T, when, want string) {
	t.Helper()
	if got := b.silentError(); got != want {
		t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

func TestSession_EndsIdleOrTooOld(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	// 1. A session that is used every few hours lasts until its maximum age.
	started := ts.clock.Now()
	for ts.clock.Now().Sub(started) < 30*24*time.Hour-11*time.Hour {
		ts.clock.Advance(11 * time.Hour)
		b.wantSilent(t, ts.clock.Now().Sub(started).String(), "")
	}
	ts.clock.Advance(11 * time.Hour)
	b.wantSilent(t, "after 30 days", "login_required")
	// 2. An unused session ends.
	c := ts.newBrowser()
	c.flow("web")
	ts.clock.Advance(12 * time.Hour)
	c.wantSilent(t, "after 12 hours", "login_required")
}

func TestSession_LifetimeIsSetByDirectory(t *testing.T) {
	ts := newPopulatedServer(t)
	entry := must(storage.Get[storage.Directory](t.Context(), ts.engine, "default"))(t)
	next := entry.Record
	next.Lifetimes = storage.Lifetimes{SessionIdle: 60, SessionAbsolute: 100}
	must(entry.Replace(t.Context(), ts.engine, next))(t)
	ts.clock.Advance(6 * time.Second)
	b := ts.newBrowser()
	b.flow("web")
	if life := b.set["mf-default"]; !strings.Contains(life, "Max-Age=100") {
		t.Errorf("cookie is %q", life)
	}
	ts.clock.Advance(50 * time.Second)
	b.wantSilent(t, "after 50 s", "")
	ts.clock.Advance(45 * time.Second)
	b.wantSilent(t, "after 95 s", "")
	ts.clock.Advance(5 * time.Second)
	b.wantSilent(t, "after 100 s", "login_required")
}

func TestSession_IsNotWrittenAtEveryUse(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	writes := 0
	ts.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		if o.Kind == storage.KindSession && o.Write() {
			writes++
		}
		return err
	}
	for range 60 {
		ts.clock.Advance(time.Minute)
		b.wantSilent(t, "in use", "")
	}
	if writes > 3 {
		t.Errorf("60 uses in an hour caused %d writes", writes)
	}
}

func TestSession_Ends(t *testing.T) {
	for name, end := range map[string]func(ts *testServer, session storage.Session){
		"logout": func(ts *testServer, s storage.Session) {
			ts.changeSession(s.ID, func(s *storage.Session) { s.EndedAt = ts.clock.Now() })
		},
		"the user signs out everywhere": func(ts *testServer, _ storage.Session) {
			ts.changeUser("alice", func(u *storage.User) { u.Epoch++ })
		},
		"the user is disabled": func(ts *testServer, _ storage.Session) {
			ts.changeUser("alice", func(u *storage.User) { u.Status = storage.UserDisabled })
		},
		"the user is merged away": func(ts *testServer, _ storage.Session) {
			ts.changeUser("alice", func(u *storage.User) { u.Status, u.AliasOf = storage.UserAlias, "bob" })
		},
		"the user does not exist": func(ts *testServer, _ storage.Session) {
			check(ts.T, ts.engine.Delete(ts.Context(), storage.KindUser, storage.Key("default", "alice")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			ts := newPopulatedServer(t)
			b := ts.newBrowser()
			a := b.flow("web")
			b.get(ts.authorizeURL("web"))
			code := b.code()
			end(ts, list[storage.Session](ts)[0])
			b.wantSilent(t, "afterwards", "login_required")
			for what, answer := range map[string]response{
				"refresh": ts.refresh("web", a.member("refresh_token")), "code": ts.redeem("web", code), "UserInfo": ts.userinfo(a.member("access_token")),
			} {
				if answer.status/100 != 4 {
					t.Errorf("%s: got %d %s", what, answer.status, answer.raw)
				}
			}
		})
	}
}

func TestSession_UserSignsInAfterSignOutEverywhere(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	ts.changeUser("alice", func(u *storage.User) { u.Epoch++ })
	b.get(ts.authorizeURL("web"))
	b.signIn("alice")
	b.code()
	b.wantSilent(t, "afterwards", "")
}

func TestOfflineAccess_OutlivesSession(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	a := b.flow("web", "scope", "openid offline_access")
	ts.changeSession(list[storage.Session](ts)[0].ID, func(s *storage.Session) { s.EndedAt = ts.clock.Now() })
	if r := ts.refresh("web", a.member("refresh_token")); r.status != http.StatusOK {
		t.Errorf("got %d %s", r.status, r.raw)
	}
}

// changeSession edits a session's record.
func (ts *testServer) changeSession(id string, edit func(*storage.Session)) {
	ts.Helper()
	editRecord(ts, storage.Key("default", id), edit)
}

// TestSession_PreventsFixation: a cookie that was planted or read by an attacker is invalid after a sign-in.
func TestSession_PreventsFixation(t *testing.T) {
	ts := newPopulatedServer(t)
	// 1. The attacker's own session, planted into the victim's browser.
	attacker := ts.newBrowser()
	attacker.get(ts.authorizeURL("web"))
	attacker.signIn("bob")
	planted := attacker.cookies["mf-default"]
	victim := ts.newBrowser()
	victim.cookies["mf-default"] = planted
	victim.get(ts.authorizeURL("web", "prompt", "login"))
	victim.signIn("alice")
	if victim.cookies["mf-default"] == planted {
		t.Error("the cookie stayed")
	}
	attacker.wantSilent(t, "attacker", "login_required")
	// 2. A value that was seen before the user signed in again.
	seen := victim.cookies["mf-default"]
	victim.get(ts.authorizeURL("web", "prompt", "login"))
	victim.signIn("alice")
	attacker.cookies["mf-default"] = seen
	attacker.wantSilent(t, "old cookie", "login_required")
	// 3. Values that the server did not issue.
	id, secret, _ := strings.Cut(victim.cookies["mf-default"], ".")
	for _, value := range []string{"", ".", "x", id, id + ".", id + "." + strings.Repeat("A", len(secret)), "AAAAAAAAAAAAAAAAAAAAAA." + secret, id + "." + secret + "=", secret} {
		attacker.cookies["mf-default"] = value
		attacker.wantSilent(t, value, "login_required")
	}
	// 4. Two cookies of that name: one was planted.
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, ts.authorizeURL("web", "prompt", "none"), nil))(t)
	request.Header.Set("Cookie", "mf-default="+id+"."+secret+"; mf-default="+seen)
	if sent := ts.newBrowser().open(request, true).sent; sent.Get("error") != "login_required" {
		t.Errorf("got %v", sent)
	}
	// 5. The store does not have the secret.
	for _, session := range list[storage.Session](ts) {
		if strings.Contains(session.Secret, secret) || session.Secret == "" {
			t.Error("the secret can be read in the store")
		}
	}
}

// TestSession_SecondSignInPreservesTokens, while a sign-in of another user ends it.
func TestSession_SecondSignInPreservesTokens(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	a := b.flow("web")
	ts.clock.Advance(time.Minute)
	b.get(ts.authorizeURL("web", "prompt", "login"))
	b.signIn("alice")
	second := ts.redeem("web", b.code())
	if first, again := claims(t, a.member("id_token")), claims(t, second.member("id_token")); first["sid"] != again["sid"] {
		t.Errorf("sid went from %v to %v", first["sid"], again["sid"])
	}
	r := ts.refresh("web", a.member("refresh_token"))
	if r.status != http.StatusOK {
		t.Errorf("refresh: %d %s", r.status, r.raw)
	}
	b.get(ts.authorizeURL("web", "prompt", "login"))
	b.signIn("bob")
	if r := ts.refresh("web", r.member("refresh_token")); r.status != http.StatusBadRequest {
		t.Errorf("alice's tokens after bob signed in: %d %s", r.status, r.raw)
	}
}

// TestSession_IsSeparateForEachDirectory: a session of one directory does not open the other.
func TestSession_IsSeparateForEachDirectory(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addDirectory(storage.Directory{ID: "acme", Name: "Acme"})
	ts.addClient("web", func(c *storage.Client) { c.Directory = "acme" })
	ts.addUserIn("acme", "carol")
	in := func(address string) string { return strings.Replace(address, ts.url, ts.url+"/d/acme", 1) }
	b := ts.newBrowser()
	b.flow("web")
	b.get(in(ts.authorizeURL("web")))
	b.wantPage(t, http.StatusOK, `name="username"`)
	interaction := b.page.url
	b.signIn("carol")
	b.allow()
	b.code()
	b.wantSilent(t, "the first one", "")
	b.get(in(ts.authorizeURL("web", "prompt", "none")))
	b.code()
	// The cookies of one under the names of the other.
	swapped := ts.newBrowser()
	swapped.cookies = map[string]string{
		"mf-default": b.cookies["mf-acme"], "mf-acme": b.cookies["mf-default"],
		"mf-default.browser": b.cookies["mf-acme.browser"], "mf-acme.browser": b.cookies["mf-default.browser"],
	}
	swapped.wantSilent(t, "swapped", "login_required")
	swapped.get(in(ts.authorizeURL("web", "prompt", "none")))
	swapped.wantError(t, "login_required", "state-1")
	// An interaction of one at the pages of the other.
	b.get(strings.Replace(interaction, ts.url+"/d/acme", ts.url, 1))
	b.wantPage(t, http.StatusBadRequest, "begin again")
}

func TestSession_CookieIsHostOnlyAndHTTPOnly(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.config.PublicURL = "https://id.example"
	provider := must(server.New(ts.config))(t)
	provider.MountPlainPages()
	serve := func(method, target, body string, cookies []*http.Cookie) *http.Response {
		request := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, cookie := range cookies {
			request.AddCookie(cookie)
		}
		recorder := httptest.NewRecorder()
		provider.ServeHTTP(recorder, request)
		return recorder.Result()
	}
	asked := serve(http.MethodGet, "/oauth2/authorize?"+ts.authorizeForm("web").Encode(), "", nil)
	login := must(url.Parse(asked.Header.Get("Location")))(t)
	signedIn := serve(http.MethodPost, login.RequestURI(), "decision=go&username=alice", asked.Cookies())
	lines := append(asked.Header.Values("Set-Cookie"), signedIn.Header.Values("Set-Cookie")...)
	if len(lines) != 2 {
		t.Fatalf("cookies are %v", lines)
	}
	for i, name := range []string{"__Host-mf-default.browser.", "__Host-mf-default="} {
		for _, want := range []string{name, "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%s lacks %s", lines[i], want)
			}
		}
		if strings.Contains(lines[i], "Domain") {
			t.Errorf("%s has a domain", lines[i])
		}
	}
}

func TestSession_StoresBrowserAndClients(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("hears", func(c *storage.Client) { c.BackchannelLogoutURI = "https://rp.example/logout" })
	b := ts.newBrowser()
	b.flow("web")
	b.flow("hears")
	session := list[storage.Session](ts)[0]
	if _, ok := session.Clients["hears"]; !ok || len(session.Clients) != 1 {
		t.Errorf("clients are %v", session.Clients)
	}
	if session.Browser == "Go-http-client/1.1" || session.User != "alice" || session.ACR != "1" {
		t.Errorf("session is %+v", session)
	}
}
