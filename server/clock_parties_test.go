package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
)

// The clock of a client may differ from the server's by a minute.
func TestRFC7523_3_AssertionsOfAClientWhoseClockDiffers(t *testing.T) {
	ts := newPrivateKeyServer(t)
	for _, row := range []struct {
		ahead time.Duration
		want  string
	}{
		{-year, "expired"},
		{-8 * time.Hour, "expired"},
		{-time.Minute, "expired"},
		{-59 * time.Second, ""},
		{time.Minute, ""},
		{61 * time.Second, "future"},
		{8 * time.Hour, "future"},
		{year, "future"},
	} {
		now := ts.clock.Now().Add(row.ahead).Unix()
		for name, changes := range map[string][]any{
			"iat":         {"iat", now, "exp", now + 60},
			"iat and nbf": {"iat", now, "nbf", now, "exp", now + 60},
			"nbf":         {"iat", nil, "nbf", now, "exp", now + 60},
		} {
			a := ts.postWithAssertion("/oauth2/token", signers()["ES256"].sign(t, ts.assertionClaims("keyed", changes...), nil), ownGrant())
			if row.want == "" && a.status != http.StatusOK {
				t.Errorf("%s, %v ahead: %d %s", name, row.ahead, a.status, a.raw)
			}
			if row.want != "" && (a.member("error") != "invalid_client" || !strings.Contains(a.member("error_description"), row.want)) {
				t.Errorf("%s, %v ahead: want %q, got %d %s", name, row.ahead, row.want, a.status, a.raw)
			}
		}
	}
}

func TestClockSetBack_AssertionIsAcceptedOnce(t *testing.T) {
	for _, jump := range clockJumps() {
		ts := newPrivateKeyServer(t)
		key := signers()["ES256"]
		used := key.sign(t, ts.assertionClaims("keyed", "exp", ts.clock.Now().Unix()+240), nil)
		ts.wantStatus(ts.postWithAssertion("/oauth2/token", used, ownGrant()), http.StatusOK)
		var ahead string
		ts.withClockAhead(jump, func() {
			ts.postWithAssertion("/oauth2/token", used, ownGrant())
			ahead = key.sign(t, ts.assertionClaims("keyed"), nil)
			ts.wantStatus(ts.postWithAssertion("/oauth2/token", ahead, ownGrant()), http.StatusOK)
		})
		for name, assertion := range map[string]string{"used before": used, "used while the clock was ahead": ahead} {
			if a := ts.postWithAssertion("/oauth2/token", assertion, ownGrant()); a.member("error") != "invalid_client" {
				t.Errorf("%v, %s: %d %s", jump, name, a.status, a.raw)
			}
		}
	}
}

func TestClockSetBack_ClientKeysAreFetchedAgain(t *testing.T) {
	for _, jump := range clockJumps()[1:] {
		old, next := newSigner("ES256", "old"), newSigner("EdDSA", "next")
		source := newKeyServer(t, old)
		ts := newKeyFetchingServer(t, source)
		ts.withClockAhead(jump, func() { ts.wantStatus(ts.tokenBySigner(old), http.StatusOK) })
		source.set(jwks(next), false)
		if a := ts.tokenBySigner(old); a.member("error") != "invalid_client" {
			t.Errorf("%v: a removed key: %d %s", jump, a.status, a.raw)
		}
		if a := ts.tokenBySigner(next); a.status != http.StatusOK {
			t.Errorf("%v: the new key: %d %s", jump, a.status, a.raw)
		}
		if n := source.asked.Load(); n != 2 {
			t.Errorf("%v: the keys were fetched %d times", jump, n)
		}
	}
}

func TestClockSetBack_ClientRateLimitEnds(t *testing.T) {
	for _, jump := range clockJumps() {
		ts := newTestServer(t).withConfig(func(c *server.Config) { c.ClientRate, c.ClientBurst = 1, 1 })
		ask := func() int {
			return ts.requestOperation(http.MethodPost, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}.Encode()).status
		}
		ts.withClockAhead(jump, func() {
			ask()
			if got := ask(); got != http.StatusTooManyRequests {
				t.Fatalf("%v: the second request at once: %d", jump, got)
			}
		})
		if got := ask(); got == http.StatusTooManyRequests {
			t.Errorf("%v: the first request after the clock was set back is rejected", jump)
		}
		if got := ask(); got != http.StatusTooManyRequests {
			t.Errorf("%v: there is no limit: %d", jump, got)
		}
	}
}

// A notice that was scheduled by a clock ahead is sent when the clock is right, by the schedule from then on.
func TestClockSetBack_SendsNoticesScheduledAhead(t *testing.T) {
	for _, jump := range clockJumps()[2:] {
		ts, web, _ := newLogoutTokenServer(t)
		web.respondWith(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) })
		b := ts.newBrowser()
		ts.withClockAhead(jump, func() {
			token := b.flow("web").member("id_token")
			b.get(ts.logoutURL("id_token_hint", token))
		})
		web.wantLogoutTokens(t, "while the clock is ahead", 1)
		web.respondWith(nil)
		ts.clock.Advance(time.Minute)
		check(t, ts.server.BoundDue(t.Context()))
		ts.deliverDue()
		tokens := web.wantLogoutTokens(t, jump.String()+": a minute after it was set back", 2)
		if issued, _ := claims(t, tokens[len(tokens)-1])["iat"].(float64); int64(issued) > ts.clock.Now().Unix() {
			t.Errorf("%v: the notice is dated ahead", jump)
		}
	}
}

func TestClockSetBack_URLsCreatedAheadExpire(t *testing.T) {
	for _, jump := range clockJumps() {
		// 1. A logout that waits for confirmation.
		ts := newLogoutServer(t)
		b := ts.newBrowser()
		var asked, kept string
		ts.withClockAhead(jump, func() {
			b.flow("web")
			b.get(ts.logoutURL("client_id", "web", "post_logout_redirect_uri", postLogout))
			asked = b.page.url
			// 2. An authorization request that was sent by POST.
			request := must(http.NewRequestWithContext(t.Context(), http.MethodPost, ts.url+"/oauth2/authorize", strings.NewReader(ts.authorizeForm("web").Encode())))(t)
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			kept = ts.do(request).header.Get("Location")
		})
		for name, address := range map[string]string{"logout": asked, "kept request": kept} {
			if address == "" {
				t.Fatalf("%s: no address", name)
			}
			if b.get(address); b.page.status != http.StatusBadRequest {
				t.Errorf("%v: %s: %d %s", jump, name, b.page.status, b.page.callback)
			}
		}
	}
}

func TestClockSetBack_MailLinksCreatedAheadExpire(t *testing.T) {
	for _, jump := range clockJumps() {
		ts := newPageTestServer(t)
		ts.addEmailUser("wanda")
		var link string
		ts.withClockAhead(jump, func() { link = ts.resetLink("wanda@example.com") })
		b := ts.newFormBrowser()
		if b.get(link); b.page.status != http.StatusBadRequest {
			t.Errorf("%v: %d %s", jump, b.page.status, b.page.body)
		}
		// A new link works.
		ts.clock.Advance(2 * time.Hour)
		b.get(ts.resetLink("wanda@example.com"))
		if b.page.status != http.StatusOK {
			t.Errorf("%v: a new link: %d %s", jump, b.page.status, b.page.body)
		}
	}
}

// A phone number that was verified by a clock ahead attaches no other user: the time of the verification is unknown.
func TestClockSetBack_PhoneVerifiedAheadAttachesNoUser(t *testing.T) {
	for _, jump := range clockJumps() {
		ts := newTestServer(t)
		app := ts.addBinder()
		ts.withClockAhead(jump, func() { ts.phoneHolder(storage.Policy{AttachByPhone: true}) })
		a := ts.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("nadia"), "phone_code": app.TapPhone("nadia")})
		if a.status != http.StatusConflict || a.member("error") != "account_conflict" {
			t.Errorf("%v: %d %s", jump, a.status, a.raw)
		}
	}
}
