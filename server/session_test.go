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

// silent asks without pages and returns the error, or "" for a code.
func (b *browser) silent(further ...string) string {
	b.Helper()
	b.get(b.authorizeURL("web", append([]string{"prompt", "none"}, further...)...))
	if b.page.sent.Get("code") != "" {
		return ""
	}
	return b.page.sent.Get("error")
}

func (b *browser) wantSilent(t *testing.T, when, want string) {
	t.Helper()
	if got := b.silent(); got != want {
		t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

func TestASessionEndsWhenItIsIdleOrTooOld(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.flow("web")
	// 1. Used every few hours it lives, until the sign-in is too long ago.
	started := w.clock.Now()
	for w.clock.Now().Sub(started) < 30*24*time.Hour-11*time.Hour {
		w.clock.Advance(11 * time.Hour)
		b.wantSilent(t, w.clock.Now().Sub(started).String(), "")
	}
	w.clock.Advance(11 * time.Hour)
	b.wantSilent(t, "after 30 days", "login_required")
	// 2. Unused it ends.
	c := w.newBrowser()
	c.flow("web")
	w.clock.Advance(12 * time.Hour)
	c.wantSilent(t, "after 12 hours", "login_required")
}

func TestADirectorySaysHowLongSessionsLast(t *testing.T) {
	w := newSite(t)
	entry := must(storage.Get[storage.Directory](t.Context(), w.engine, "default"))(t)
	next := entry.Record
	next.Lifetimes = storage.Lifetimes{SessionIdle: 60, SessionAbsolute: 100}
	must(entry.Replace(t.Context(), w.engine, next))(t)
	w.clock.Advance(6 * time.Second)
	b := w.newBrowser()
	b.flow("web")
	if life := b.set["mf-default"]; !strings.Contains(life, "Max-Age=100") {
		t.Errorf("cookie is %q", life)
	}
	w.clock.Advance(50 * time.Second)
	b.wantSilent(t, "after 50 s", "")
	w.clock.Advance(45 * time.Second)
	b.wantSilent(t, "after 95 s", "")
	w.clock.Advance(5 * time.Second)
	b.wantSilent(t, "after 100 s", "login_required")
}

func TestASessionIsNotWrittenByEveryUse(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.flow("web")
	writes := 0
	w.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		if o.Kind == storage.KindSession && o.Write() {
			writes++
		}
		return err
	}
	for range 60 {
		w.clock.Advance(time.Minute)
		b.wantSilent(t, "in use", "")
	}
	if writes > 3 {
		t.Errorf("60 uses in an hour made %d writes", writes)
	}
}

func TestWhatEndsASession(t *testing.T) {
	for name, end := range map[string]func(w *world, session storage.Session){
		"logout": func(w *world, s storage.Session) {
			w.changeSession(s.ID, func(s *storage.Session) { s.EndedAt = w.clock.Now() })
		},
		"the user signs out everywhere": func(w *world, _ storage.Session) {
			w.changeUser("alice", func(u *storage.User) { u.Epoch++ })
		},
		"the user is disabled": func(w *world, _ storage.Session) {
			w.changeUser("alice", func(u *storage.User) { u.Status = storage.UserDisabled })
		},
		"the user is merged away": func(w *world, _ storage.Session) {
			w.changeUser("alice", func(u *storage.User) { u.Status, u.AliasOf = storage.UserAlias, "bob" })
		},
		"the user is gone": func(w *world, _ storage.Session) {
			check(w.T, w.engine.Delete(w.Context(), storage.KindUser, storage.Key("default", "alice")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSite(t)
			b := w.newBrowser()
			a := b.flow("web")
			b.get(w.authorizeURL("web"))
			code := b.code()
			end(w, list[storage.Session](w)[0])
			b.wantSilent(t, "afterwards", "login_required")
			for what, answer := range map[string]answer{
				"refresh": w.refresh("web", a.text("refresh_token")), "code": w.redeem("web", code), "UserInfo": w.userinfo(a.text("access_token")),
			} {
				if answer.status/100 != 4 {
					t.Errorf("%s: got %d %s", what, answer.status, answer.raw)
				}
			}
		})
	}
}

func TestAfterSigningOutEverywhereOneCanSignInAgain(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.flow("web")
	w.changeUser("alice", func(u *storage.User) { u.Epoch++ })
	b.get(w.authorizeURL("web"))
	b.signIn("alice")
	b.code()
	b.wantSilent(t, "afterwards", "")
}

func TestOfflineAccessOutlivesTheSession(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	a := b.flow("web", "scope", "openid offline_access")
	w.changeSession(list[storage.Session](w)[0].ID, func(s *storage.Session) { s.EndedAt = w.clock.Now() })
	if r := w.refresh("web", a.text("refresh_token")); r.status != http.StatusOK {
		t.Errorf("got %d %s", r.status, r.raw)
	}
}

// changeSession edits a session's record.
func (w *world) changeSession(id string, edit func(*storage.Session)) {
	w.Helper()
	entry := must(storage.Get[storage.Session](w.Context(), w.engine.Engine, storage.Key("default", id)))(w.T)
	next := entry.Record
	edit(&next)
	must(entry.Replace(w.Context(), w.engine.Engine, next))(w.T)
}

// TestSessionFixationIsImpossible: a cookie that somebody planted or saw is worth nothing after a sign-in.
func TestSessionFixationIsImpossible(t *testing.T) {
	w := newSite(t)
	// 1. The attacker's own session, planted into the victim's browser.
	attacker := w.newBrowser()
	attacker.get(w.authorizeURL("web"))
	attacker.signIn("bob")
	planted := attacker.cookies["mf-default"]
	victim := w.newBrowser()
	victim.cookies["mf-default"] = planted
	victim.get(w.authorizeURL("web", "prompt", "login"))
	victim.signIn("alice")
	if victim.cookies["mf-default"] == planted {
		t.Error("the cookie stayed")
	}
	attacker.wantSilent(t, "attacker", "login_required")
	// 2. A value that was seen before the user signed in again.
	seen := victim.cookies["mf-default"]
	victim.get(w.authorizeURL("web", "prompt", "login"))
	victim.signIn("alice")
	attacker.cookies["mf-default"] = seen
	attacker.wantSilent(t, "old cookie", "login_required")
	// 3. Values that nobody gave out.
	id, secret, _ := strings.Cut(victim.cookies["mf-default"], ".")
	for _, value := range []string{"", ".", "x", id, id + ".", id + "." + strings.Repeat("A", len(secret)), "AAAAAAAAAAAAAAAAAAAAAA." + secret, id + "." + secret + "=", secret} {
		attacker.cookies["mf-default"] = value
		attacker.wantSilent(t, value, "login_required")
	}
	// 4. Two cookies of that name: somebody put one there.
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, w.authorizeURL("web", "prompt", "none"), nil))(t)
	request.Header.Set("Cookie", "mf-default="+id+"."+secret+"; mf-default="+seen)
	if sent := w.newBrowser().open(request, true).sent; sent.Get("error") != "login_required" {
		t.Errorf("got %v", sent)
	}
	// 5. The store does not have the secret.
	for _, session := range list[storage.Session](w) {
		if strings.Contains(session.Secret, secret) || session.Secret == "" {
			t.Error("the secret can be read in the store")
		}
	}
}

// TestSigningInAgainKeepsWhatTheSessionGave, while somebody else's sign-in ends it.
func TestSigningInAgainKeepsWhatTheSessionGave(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	a := b.flow("web")
	w.clock.Advance(time.Minute)
	b.get(w.authorizeURL("web", "prompt", "login"))
	b.signIn("alice")
	second := w.redeem("web", b.code())
	if first, again := claims(t, a.text("id_token")), claims(t, second.text("id_token")); first["sid"] != again["sid"] {
		t.Errorf("sid went from %v to %v", first["sid"], again["sid"])
	}
	r := w.refresh("web", a.text("refresh_token"))
	if r.status != http.StatusOK {
		t.Errorf("refresh: %d %s", r.status, r.raw)
	}
	b.get(w.authorizeURL("web", "prompt", "login"))
	b.signIn("bob")
	if r := w.refresh("web", r.text("refresh_token")); r.status != http.StatusBadRequest {
		t.Errorf("alice's tokens after bob signed in: %d %s", r.status, r.raw)
	}
}

// TestTwoDirectoriesInOneBrowser have a session each, and none opens the other.
func TestTwoDirectoriesInOneBrowser(t *testing.T) {
	w := newSite(t)
	w.addDirectory(storage.Directory{ID: "acme", Name: "Acme"})
	w.addClient("web", func(c *storage.Client) { c.Directory = "acme" })
	w.addUserIn("acme", "carol")
	in := func(address string) string { return strings.Replace(address, w.url, w.url+"/d/acme", 1) }
	b := w.newBrowser()
	b.flow("web")
	b.get(in(w.authorizeURL("web")))
	b.wantPage(t, http.StatusOK, `name="username"`)
	interaction := b.page.url
	b.signIn("carol")
	b.allow()
	b.code()
	b.wantSilent(t, "the first one", "")
	b.get(in(w.authorizeURL("web", "prompt", "none")))
	b.code()
	// The cookies of one under the names of the other.
	swapped := w.newBrowser()
	swapped.cookies = map[string]string{
		"mf-default": b.cookies["mf-acme"], "mf-acme": b.cookies["mf-default"],
		"mf-default.browser": b.cookies["mf-acme.browser"], "mf-acme.browser": b.cookies["mf-default.browser"],
	}
	swapped.wantSilent(t, "swapped", "login_required")
	swapped.get(in(w.authorizeURL("web", "prompt", "none")))
	swapped.wantError(t, "login_required", "state-1")
	// An interaction of one at the pages of the other.
	b.get(strings.Replace(interaction, w.url+"/d/acme", w.url, 1))
	b.wantPage(t, http.StatusBadRequest, "begin again")
}

func TestCookiesAreOfThisHostAloneAndOutOfReachOfScripts(t *testing.T) {
	w := newSite(t)
	w.config.PublicURL = "https://id.example"
	provider := must(server.New(w.config))(t)
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
	asked := serve(http.MethodGet, "/oauth2/authorize?"+w.authorizeForm("web").Encode(), "", nil)
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

func TestASessionKnowsItsBrowserAndWhoMustHearOfItsEnd(t *testing.T) {
	w := newSite(t)
	w.addClient("hears", func(c *storage.Client) { c.BackchannelLogoutURI = "https://rp.example/logout" })
	b := w.newBrowser()
	b.flow("web")
	b.flow("hears")
	session := list[storage.Session](w)[0]
	if _, ok := session.Clients["hears"]; !ok || len(session.Clients) != 1 {
		t.Errorf("clients are %v", session.Clients)
	}
	if session.Browser == "Go-http-client/1.1" || session.User != "alice" || session.ACR != "1" {
		t.Errorf("session is %+v", session)
	}
}
