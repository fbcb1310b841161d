package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const year = 365 * 24 * time.Hour

// jumps are how far a clock was ahead before it was set back.
func jumps() []time.Duration {
	return []time.Duration{time.Minute, 2 * time.Hour, 8 * time.Hour, year}
}

// ahead does something while the clock is ahead by that much, and sets the clock back.
func (w *world) ahead(by time.Duration, do func()) {
	w.Helper()
	w.clock.Advance(by)
	do()
	w.clock.Advance(-by)
}

func TestClockSetBack_GrantMadeAheadLivesNoLonger(t *testing.T) {
	for _, jump := range jumps() {
		w := newWorld(t)
		var made answer
		w.ahead(jump, func() { made = w.login("mini", "alice", "scope", "openid offline_access") })
		w.clock.Advance(2 * time.Minute)
		refreshed := w.refresh("mini", made.text("refresh_token"))
		if refreshed.status != http.StatusOK {
			t.Fatalf("%v: refresh: %d %s", jump, refreshed.status, refreshed.raw)
		}
		if authTime, _ := claims(t, refreshed.text("id_token"))["auth_time"].(float64); int64(authTime) > w.clock.Now().Unix() {
			t.Errorf("%v: auth_time lies %v ahead", jump, time.Unix(int64(authTime), 0).Sub(w.clock.Now()))
		}
		for _, grant := range list[storage.Grant](w) {
			if grant.CreatedAt.After(w.clock.Now()) || grant.ExpiresAt.After(w.clock.Now().Add(7*24*time.Hour+storage.ClockBound)) {
				t.Errorf("%v: made at %v, expires at %v", jump, grant.CreatedAt, grant.ExpiresAt)
			}
		}
		w.clock.Advance(7*24*time.Hour + time.Minute)
		wantInvalidGrant(t, "refresh token after its idle lifetime", w.refresh("mini", refreshed.text("refresh_token")))
	}
}

func TestClockSetBack_AccessTokenMadeAheadIsOver(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		for _, jump := range jumps() {
			w := newWorld(t)
			w.change("mini", func(c *storage.Client) { c.OpaqueAccessTokens = opaque })
			var made answer
			w.ahead(jump, func() { made = w.login("mini", "alice") })
			want := http.StatusUnauthorized
			if jump <= 5*time.Minute { // Clocks of instances may differ by so much.
				want = http.StatusOK
			}
			if a := w.userinfo(made.text("access_token")); a.status != want {
				t.Errorf("opaque %v, made %v ahead: UserInfo %d, want %d", opaque, jump, a.status, want)
			}
		}
	}
}

func TestClockSetBack_ReuseOfARefreshTokenIsDetected(t *testing.T) {
	for _, jump := range jumps() {
		for _, useFirst := range []bool{false, true} {
			w := newWorld(t)
			var made string
			var rotated answer
			w.ahead(jump, func() {
				made = w.login("mini", "alice", "scope", "openid offline_access").text("refresh_token")
				rotated = w.refresh("mini", made)
			})
			if useFirst {
				if a := w.refresh("mini", rotated.text("refresh_token")); a.status != http.StatusOK {
					t.Fatalf("%v: the current token: %d %s", jump, a.status, a.raw)
				}
				w.clock.Advance(time.Minute)
			}
			wantInvalidGrant(t, "a token that was rotated", w.refresh("mini", made))
			wantInvalidGrant(t, "the current token after a reuse", w.refresh("mini", rotated.text("refresh_token")))
		}
	}
}

func TestClockSetBack_ShortLivedThingsMadeAheadAreOver(t *testing.T) {
	for _, jump := range jumps() {
		w := newSite(t)
		w.change("mini", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
		b, other := w.newBrowser(), w.newBrowser()
		var code, uri, ticket, repeated string
		w.ahead(jump, func() {
			code = b.freshCode("web")
			uri = w.push("web").text("request_uri")
			other.get(w.authorizeURL("web"))
			repeated = w.app("mini").Login("carol")
			ticket = w.exchange("mini", repeated).text("bind_ticket")
		})
		wantInvalidGrant(t, jump.String()+": a code", w.redeem("web", code))
		if p := b.get(w.pushedURL("web", uri)); p.callback != "" || p.status != http.StatusBadRequest {
			t.Errorf("%v: a pushed request: %d %s", jump, p.status, p.callback)
		}
		if p := other.get(other.page.url); p.status != http.StatusBadRequest {
			t.Errorf("%v: an interaction: %d", jump, p.status)
		}
		if ticket == "" {
			t.Fatal("no ticket")
		}
		if a := w.postJSON("mini", "/federation/wechat/miniapp/bindUser", map[string]string{"method": "register", "bind_ticket": ticket}); a.status == http.StatusOK {
			t.Errorf("%v: a ticket: %d %s", jump, a.status, a.raw)
		}
		if a := w.exchange("mini", repeated); a.text("reason") != "new_code" {
			t.Errorf("%v: a repeat: %d %s", jump, a.status, a.raw)
		}
	}
}

func TestClockSetBack_SessionMadeAheadIsSetBack(t *testing.T) {
	for _, jump := range jumps() {
		w := newSite(t)
		b := w.newBrowser()
		w.ahead(jump, func() { b.flow("web") })
		// 1. At its first sight it is as old as that.
		b.wantSilent(t, jump.String()+" at first sight", "")
		for _, session := range list[storage.Session](w) {
			if session.AuthTime.After(w.clock.Now()) || session.ExpiresAt.After(w.clock.Now().Add(30*24*time.Hour)) {
				t.Errorf("%v: auth time %v, expires at %v", jump, session.AuthTime, session.ExpiresAt)
			}
		}
		// 2. max_age counts.
		w.clock.Advance(10 * time.Second)
		if got := b.silent("max_age", "5"); got != "login_required" {
			t.Errorf("%v: max_age=5 after 10 s: %q", jump, got)
		}
		// 3. Idle it ends in time.
		w.clock.Advance(12 * time.Hour)
		b.wantSilent(t, jump.String()+" and 12 hours idle", "login_required")
	}
}

func TestClockSetBack_NothingIsGivenWhenTheTimesCannotBeWritten(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	var made answer
	w.ahead(2*time.Hour, func() {
		made = b.flow("web")
	})
	for _, kind := range []storage.Kind{storage.KindGrant, storage.KindSession} {
		w.engine.Before = func(_ context.Context, o storagetest.Operation) error {
			if o.Kind == kind && o.Method == "Replace" {
				return storage.ErrUnavailable
			}
			return nil
		}
		if a := w.refreshSite("web", made.text("refresh_token")); a.status != http.StatusServiceUnavailable {
			t.Errorf("%s: refresh: %d %s", kind, a.status, a.raw)
		}
		if kind == storage.KindSession {
			if p := b.get(w.authorizeURL("web")); p.status != http.StatusServiceUnavailable {
				t.Errorf("authorize: %d %s", p.status, p.callback)
			}
		}
	}
	w.engine.Before = nil
	if a := w.refreshSite("web", made.text("refresh_token")); a.status != http.StatusOK {
		t.Errorf("afterwards: %d %s", a.status, a.raw)
	}
}

// refreshSite refreshes as a client of a site.
func (w *world) refreshSite(client, token string) answer {
	w.Helper()
	return w.redeem(client, "", "grant_type", "refresh_token", "refresh_token", token, "redirect_uri", "")
}

func TestClockSetBack_ClientMadeAheadGetsTokensThatWork(t *testing.T) {
	for _, jump := range jumps() {
		w := newWorld(t)
		w.ahead(jump, func() { w.addMiniProgram("early", func(*storage.Client) {}) })
		w.clock.Advance(6 * time.Second)
		made := w.login("early", "alice", "scope", "openid offline_access")
		w.clock.Advance(20 * time.Second)
		if a := w.userinfo(made.text("access_token")); a.status != http.StatusOK {
			t.Errorf("%v: UserInfo: %d %s", jump, a.status, a.raw)
		}
		if a := w.refresh("early", made.text("refresh_token")); a.status != http.StatusOK {
			t.Errorf("%v: refresh: %d %s", jump, a.status, a.raw)
		}
	}
}

// TestClockSetBack_LimitsMeanWhatTheySay: waits that a clock ahead planned are over, and failures still count.
func TestClockSetBack_LimitsMeanWhatTheySay(t *testing.T) {
	for _, jump := range jumps()[1:] {
		w := newSite(t)
		fail := func() string {
			b := w.newBrowser()
			b.get(w.authorizeURL("web"))
			return b.submit("go", "username", "alice", "password", "wrong").body
		}
		w.ahead(jump, func() {
			for range 30 {
				fail()
			}
		})
		b := w.newBrowser()
		b.get(w.authorizeURL("web"))
		b.signIn("alice")
		b.allow()
		if b.page.callback == "" {
			t.Errorf("%v: the owner is locked out: %s", jump, b.page.body)
		}
		for _, throttle := range list[storage.Throttle](w) {
			if throttle.Failures > 200 {
				t.Errorf("%v: %d failures under %s", jump, throttle.Failures, throttle.Rule)
			}
		}
	}
}

func TestMaxAge_IsCheckedWhenTheCodeIsIssued(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.get(w.authorizeURL("web", "max_age", "3", "prompt", "consent"))
	b.signIn("alice")
	w.clock.Advance(7 * time.Second) // on the consent page
	b.allow()
	if b.page.callback != "" || !strings.Contains(b.page.body, `name="username"`) {
		t.Fatalf("want the login page, got %d %s", b.page.status, b.page.callback)
	}
	b.signIn("alice")
	a := w.redeem("web", b.code())
	token := claims(t, a.text("id_token"))
	authTime, _ := token["auth_time"].(float64)
	issued, _ := token["iat"].(float64)
	if issued-authTime > 3 {
		t.Errorf("iat is %v s after auth_time", issued-authTime)
	}
}

// max_age=0 demands a sign-in, and not one in less than a second.
func TestMaxAge_ZeroIsMetByTheSignInOfTheRequest(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.flow("web")
	b.get(w.authorizeURL("web", "max_age", "0", "prompt", "consent"))
	b.signIn("alice")
	w.clock.Advance(7 * time.Second)
	b.allow()
	b.code()
}

// A single-page app that refreshes goes on while nobody uses the browser for anything else.
func TestRefresh_KeepsItsTieToAnIdleSession(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	made := b.flow("spa")
	token, writes := made.text("refresh_token"), 0
	w.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		if o.Kind == storage.KindSession && o.Write() {
			writes++
		}
		return err
	}
	started := w.clock.Now()
	for w.clock.Now().Sub(started) < 30*24*time.Hour-2*time.Hour {
		w.clock.Advance(time.Hour)
		a := w.refreshSite("spa", token)
		if a.status != http.StatusOK {
			t.Fatalf("after %v: %d %s", w.clock.Now().Sub(started), a.status, a.raw)
		}
		token = a.text("refresh_token")
		if a := w.userinfo(a.text("access_token")); a.status != http.StatusOK {
			t.Fatalf("UserInfo after %v: %d %s", w.clock.Now().Sub(started), a.status, a.raw)
		}
	}
	if writes > 0 {
		t.Errorf("refreshes wrote the session %d times", writes)
	}
	b.wantSilent(t, "the cookie, after 30 days without use", "login_required")
	// The session reaches its absolute lifetime.
	w.clock.Advance(2 * time.Hour)
	wantSessionEnded(t, w.refreshSite("spa", token))
}

func TestRefresh_EndsWithASessionThatNothingUsed(t *testing.T) {
	w := newSite(t)
	token := w.newBrowser().flow("spa").text("refresh_token")
	w.clock.Advance(11 * time.Hour)
	token = w.refreshSite("spa", token).text("refresh_token")
	w.clock.Advance(12 * time.Hour)
	wantSessionEnded(t, w.refreshSite("spa", token))
}

func TestRefresh_EndsWithALogoutOfAnIdleSession(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	made := b.flow("spa")
	token := made.text("refresh_token")
	for range 2 {
		w.clock.Advance(11 * time.Hour)
		token = w.refreshSite("spa", token).text("refresh_token")
	}
	b.wantSilent(t, "idle", "login_required")
	b.get(w.url + "/oauth2/logout?id_token_hint=" + made.text("id_token"))
	wantSessionEnded(t, w.refreshSite("spa", token))
}

// wantSessionEnded wants an error that says that the session ended.
func wantSessionEnded(t *testing.T, a answer) {
	t.Helper()
	wantInvalidGrant(t, "a refresh", a)
	if !strings.Contains(a.text("error_description"), "session") || !strings.Contains(a.text("error_description"), "sign in again") {
		t.Errorf("the client is told %q", a.text("error_description"))
	}
}
