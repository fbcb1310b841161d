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

// clockJumps returns how far a clock was ahead before it was set back.
func clockJumps() []time.Duration {
	return []time.Duration{time.Minute, 2 * time.Hour, 8 * time.Hour, year}
}

// withClockAhead calls do while the clock is ahead, and sets the clock back.
func (ts *testServer) withClockAhead(by time.Duration, do func()) {
	ts.Helper()
	ts.clock.Advance(by)
	do()
	ts.clock.Advance(-by)
}

func TestClockSetBack_GrantCreatedAheadLivesNoLonger(t *testing.T) {
	for _, jump := range clockJumps() {
		ts := newTestServer(t)
		var made response
		ts.withClockAhead(jump, func() { made = ts.login("mini", "alice", "scope", "openid offline_access") })
		ts.clock.Advance(2 * time.Minute)
		refreshed := ts.refresh("mini", made.member("refresh_token"))
		if refreshed.status != http.StatusOK {
			t.Fatalf("%v: refresh: %d %s", jump, refreshed.status, refreshed.raw)
		}
		if authTime, _ := claims(t, refreshed.member("id_token"))["auth_time"].(float64); int64(authTime) > ts.clock.Now().Unix() {
			t.Errorf("%v: auth_time lies %v ahead", jump, time.Unix(int64(authTime), 0).Sub(ts.clock.Now()))
		}
		for _, grant := range list[storage.Grant](ts) {
			if grant.CreatedAt.After(ts.clock.Now()) || grant.ExpiresAt.After(ts.clock.Now().Add(7*24*time.Hour+storage.ClockBound)) {
				t.Errorf("%v: created at %v, expires at %v", jump, grant.CreatedAt, grant.ExpiresAt)
			}
		}
		ts.clock.Advance(7*24*time.Hour + time.Minute)
		wantInvalidGrant(t, "refresh token after its idle lifetime", ts.refresh("mini", refreshed.member("refresh_token")))
	}
}

func TestClockSetBack_AccessTokenCreatedAheadExpires(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		for _, jump := range clockJumps() {
			ts := newTestServer(t)
			ts.change("mini", func(c *storage.Client) { c.OpaqueAccessTokens = opaque })
			var made response
			ts.withClockAhead(jump, func() { made = ts.login("mini", "alice") })
			want := http.StatusUnauthorized
			if jump <= 5*time.Minute { // The clocks of instances may differ by this much.
				want = http.StatusOK
			}
			if a := ts.userinfo(made.member("access_token")); a.status != want {
				t.Errorf("opaque %v, created %v ahead: UserInfo %d, want %d", opaque, jump, a.status, want)
			}
		}
	}
}

func TestClockSetBack_DetectsRefreshTokenReuse(t *testing.T) {
	for _, jump := range clockJumps() {
		for _, useFirst := range []bool{false, true} {
			ts := newTestServer(t)
			var made string
			var rotated response
			ts.withClockAhead(jump, func() {
				made = ts.login("mini", "alice", "scope", "openid offline_access").member("refresh_token")
				rotated = ts.refresh("mini", made)
			})
			if useFirst {
				if a := ts.refresh("mini", rotated.member("refresh_token")); a.status != http.StatusOK {
					t.Fatalf("%v: the current token: %d %s", jump, a.status, a.raw)
				}
				ts.clock.Advance(time.Minute)
			}
			wantInvalidGrant(t, "a token that was rotated", ts.refresh("mini", made))
			wantInvalidGrant(t, "the current token after a reuse", ts.refresh("mini", rotated.member("refresh_token")))
		}
	}
}

func TestClockSetBack_ShortLivedRecordsCreatedAheadExpire(t *testing.T) {
	for _, jump := range clockJumps() {
		ts := newPopulatedServer(t)
		ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
		b, other := ts.newBrowser(), ts.newBrowser()
		var code, uri, ticket, repeated string
		ts.withClockAhead(jump, func() {
			code = b.freshCode("web")
			uri = ts.push("web").member("request_uri")
			other.get(ts.authorizeURL("web"))
			repeated = ts.app("mini").Login("carol")
			ticket = ts.exchange("mini", repeated).member("bind_ticket")
		})
		wantInvalidGrant(t, jump.String()+": a code", ts.redeem("web", code))
		if p := b.get(ts.pushedURL("web", uri)); p.callback != "" || p.status != http.StatusBadRequest {
			t.Errorf("%v: a pushed request: %d %s", jump, p.status, p.callback)
		}
		if p := other.get(other.page.url); p.status != http.StatusBadRequest {
			t.Errorf("%v: an interaction: %d", jump, p.status)
		}
		if ticket == "" {
			t.Fatal("no ticket")
		}
		if a := ts.postJSON("mini", "/federation/wechat/miniapp/bindUser", map[string]string{"method": "register", "bind_ticket": ticket}); a.status == http.StatusOK {
			t.Errorf("%v: a ticket: %d %s", jump, a.status, a.raw)
		}
		if a := ts.exchange("mini", repeated); a.member("reason") != "new_code" {
			t.Errorf("%v: a repeat: %d %s", jump, a.status, a.raw)
		}
	}
}

func TestClockSetBack_SessionCreatedAheadIsCorrected(t *testing.T) {
	for _, jump := range clockJumps() {
		ts := newPopulatedServer(t)
		b := ts.newBrowser()
		ts.withClockAhead(jump, func() { b.flow("web") })
		// 1. Its age counts from the first request after the change.
		b.wantSilent(t, jump.String()+" at first sight", "")
		for _, session := range list[storage.Session](ts) {
			if session.AuthTime.After(ts.clock.Now()) || session.ExpiresAt.After(ts.clock.Now().Add(30*24*time.Hour)) {
				t.Errorf("%v: auth time %v, expires at %v", jump, session.AuthTime, session.ExpiresAt)
			}
		}
		// 2. max_age applies.
		ts.clock.Advance(10 * time.Second)
		if got := b.silentError("max_age", "5"); got != "login_required" {
			t.Errorf("%v: max_age=5 after 10 s: %q", jump, got)
		}
		// 3. It expires when it is idle.
		ts.clock.Advance(12 * time.Hour)
		b.wantSilent(t, jump.String()+" and 12 hours idle", "login_required")
	}
}

func TestClockSetBack_FailedCorrectionIssuesNothing(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	var made response
	ts.withClockAhead(2*time.Hour, func() {
		made = b.flow("web")
	})
	for _, kind := range []storage.Kind{storage.KindGrant, storage.KindSession} {
		ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
			if o.Kind == kind && o.Method == "Replace" {
				return storage.ErrUnavailable
			}
			return nil
		}
		if a := ts.refreshWeb("web", made.member("refresh_token")); a.status != http.StatusServiceUnavailable {
			t.Errorf("%s: refresh: %d %s", kind, a.status, a.raw)
		}
		if kind == storage.KindSession {
			if p := b.get(ts.authorizeURL("web")); p.status != http.StatusServiceUnavailable {
				t.Errorf("authorize: %d %s", p.status, p.callback)
			}
		}
	}
	ts.engine.Before = nil
	if a := ts.refreshWeb("web", made.member("refresh_token")); a.status != http.StatusOK {
		t.Errorf("afterwards: %d %s", a.status, a.raw)
	}
}

// refreshWeb refreshes as a client of the populated server.
func (ts *testServer) refreshWeb(client, token string) response {
	ts.Helper()
	return ts.redeem(client, "", "grant_type", "refresh_token", "refresh_token", token, "redirect_uri", "")
}

func TestClockSetBack_ClientCreatedAheadGetsWorkingTokens(t *testing.T) {
	for _, jump := range clockJumps() {
		ts := newTestServer(t)
		ts.withClockAhead(jump, func() { ts.addMiniProgram("early", func(*storage.Client) {}) })
		ts.clock.Advance(6 * time.Second)
		made := ts.login("early", "alice", "scope", "openid offline_access")
		ts.clock.Advance(20 * time.Second)
		if a := ts.userinfo(made.member("access_token")); a.status != http.StatusOK {
			t.Errorf("%v: UserInfo: %d %s", jump, a.status, a.raw)
		}
		if a := ts.refresh("early", made.member("refresh_token")); a.status != http.StatusOK {
			t.Errorf("%v: refresh: %d %s", jump, a.status, a.raw)
		}
	}
}

// TestClockSetBack_RateLimitsStillApply: waits that were set by a clock ahead end, and failures still count.
func TestClockSetBack_RateLimitsStillApply(t *testing.T) {
	for _, jump := range clockJumps()[1:] {
		ts := newPopulatedServer(t)
		fail := func() string {
			b := ts.newBrowser()
			b.get(ts.authorizeURL("web"))
			return b.submit("go", "username", "alice", "password", "wrong").body
		}
		ts.withClockAhead(jump, func() {
			for range 30 {
				fail()
			}
		})
		b := ts.newBrowser()
		b.get(ts.authorizeURL("web"))
		b.signIn("alice")
		b.allow()
		if b.page.callback == "" {
			t.Errorf("%v: the owner is locked out: %s", jump, b.page.body)
		}
		for _, throttle := range list[storage.Throttle](ts) {
			if throttle.Failures > 200 {
				t.Errorf("%v: %d failures under %s", jump, throttle.Failures, throttle.Rule)
			}
		}
	}
}

func TestMaxAge_IsCheckedWhenTheCodeIsIssued(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "max_age", "3", "prompt", "consent"))
	b.signIn("alice")
	ts.clock.Advance(7 * time.Second) // on the consent page
	b.allow()
	if b.page.callback != "" || !strings.Contains(b.page.body, `name="username"`) {
		t.Fatalf("want the login page, got %d %s", b.page.status, b.page.callback)
	}
	b.signIn("alice")
	a := ts.redeem("web", b.code())
	token := claims(t, a.member("id_token"))
	authTime, _ := token["auth_time"].(float64)
	issued, _ := token["iat"].(float64)
	if issued-authTime > 3 {
		t.Errorf("iat is %v s after auth_time", issued-authTime)
	}
}

// max_age=0 requires a new sign-in, and not one in less than a second.
func TestMaxAge_ZeroAcceptsSignInOfRequest(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.flow("web")
	b.get(ts.authorizeURL("web", "max_age", "0", "prompt", "consent"))
	b.signIn("alice")
	ts.clock.Advance(7 * time.Second)
	b.allow()
	b.code()
}

// A single-page app can refresh while the browser is used for nothing else.
func TestRefresh_StaysBoundToIdleSession(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	made := b.flow("spa")
	token, writes := made.member("refresh_token"), 0
	ts.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		if o.Kind == storage.KindSession && o.Write() {
			writes++
		}
		return err
	}
	started := ts.clock.Now()
	for ts.clock.Now().Sub(started) < 30*24*time.Hour-2*time.Hour {
		ts.clock.Advance(time.Hour)
		a := ts.refreshWeb("spa", token)
		if a.status != http.StatusOK {
			t.Fatalf("after %v: %d %s", ts.clock.Now().Sub(started), a.status, a.raw)
		}
		token = a.member("refresh_token")
		if a := ts.userinfo(a.member("access_token")); a.status != http.StatusOK {
			t.Fatalf("UserInfo after %v: %d %s", ts.clock.Now().Sub(started), a.status, a.raw)
		}
	}
	if writes > 0 {
		t.Errorf("refreshes wrote the session %d times", writes)
	}
	b.wantSilent(t, "the cookie, after 30 days without use", "login_required")
	// The session reaches its absolute lifetime.
	ts.clock.Advance(2 * time.Hour)
	wantSessionEnded(t, ts.refreshWeb("spa", token))
}

func TestRefresh_EndsWithUnusedSession(t *testing.T) {
	ts := newPopulatedServer(t)
	token := ts.newBrowser().flow("spa").member("refresh_token")
	ts.clock.Advance(11 * time.Hour)
	token = ts.refreshWeb("spa", token).member("refresh_token")
	ts.clock.Advance(12 * time.Hour)
	wantSessionEnded(t, ts.refreshWeb("spa", token))
}

func TestRefresh_EndsWithLogoutOfIdleSession(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	made := b.flow("spa")
	token := made.member("refresh_token")
	for range 2 {
		ts.clock.Advance(11 * time.Hour)
		token = ts.refreshWeb("spa", token).member("refresh_token")
	}
	b.wantSilent(t, "idle", "login_required")
	b.get(ts.url + "/oauth2/logout?id_token_hint=" + made.member("id_token"))
	wantSessionEnded(t, ts.refreshWeb("spa", token))
}

// wantSessionEnded asserts an error that says that the session ended.
func wantSessionEnded(t *testing.T, a response) {
	t.Helper()
	wantInvalidGrant(t, "a refresh", a)
	if !strings.Contains(a.member("error_description"), "session") || !strings.Contains(a.member("error_description"), "sign in again") {
		t.Errorf("the description is %q", a.member("error_description"))
	}
}
