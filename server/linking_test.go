package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// newLinkingServer has the mini-program "mini", which creates users, and "shop", both with confirmed account linking.
func newLinkingServer(t *testing.T) *pageTestServer {
	t.Helper()
	ts := newBindUserServer(t)
	ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = "" })
	return ts
}

func TestAccountLinking_UnconfirmedScopeIsNotGranted(t *testing.T) {
	ts := newLinkingServer(t)
	ts.change("mini", func(c *storage.Client) { c.AccountLinking = false }) // as every store before this setting has it
	got := ts.linkToken("mini", "w")
	if strings.Contains(got.member("scope"), linkScope) {
		t.Errorf("granted: %d %s", got.status, got.raw)
	}
}

func TestAccountLinking_WithdrawalEndsScopeButNotGrant(t *testing.T) {
	ts := newLinkingServer(t)
	before := ts.login("mini", "w", "scope", "openid offline_access "+linkScope)
	ts.change("mini", func(c *storage.Client) { c.AccountLinking = false })
	wantReason(t, ts.setPassword(before.member("access_token"), "wanda", goodPassword), http.StatusForbidden, "insufficient_scope", "")
	ts.change("other", func(c *storage.Client) { c.Federation.LinkingPartners = []string{"mini"} })
	wantReason(t, ts.bind("other", "mallory", "session", "access_token", before.member("access_token")), http.StatusBadRequest, "invalid_grant", "session_token")
	got := ts.refresh("mini", before.member("refresh_token"))
	if got.status != http.StatusOK || got.member("scope") != "openid offline_access" {
		t.Errorf("refresh: %d %s", got.status, got.raw)
	}
}

func TestSetPassword_ReplacesAPasswordOnlyWithTheOldOne(t *testing.T) {
	ts := newLinkingServer(t)
	user := ts.addEmailUser("wanda")
	if got := ts.bind("mini", "w", "password", "username", "wanda", "password", goodPassword); got.status != http.StatusOK {
		t.Fatalf("%s", got.raw)
	}
	told := len(ts.mailTo("wanda@example.com"))
	token := ts.linkToken("mini", "w").member("access_token")
	wantReason(t, ts.setPassword(token, "", "mallory's password"), http.StatusBadRequest, "invalid_request", "current_password_needed")
	wantReason(t, ts.setPassword(token, "mallory", "mallory's password"), http.StatusBadRequest, "invalid_request", "current_password_needed")
	wantReason(t, ts.setPassword(token, "mallory", "mallory's password", "a guess"), http.StatusBadRequest, "invalid_grant", "wrong_password")
	if _, err := ts.identities.VerifyPassword(t.Context(), "default", "wanda", goodPassword); err != nil {
		t.Fatalf("the password or the username changed: %v", err)
	}
	if got := len(ts.mailTo("wanda@example.com")); got != told {
		t.Errorf("%d unnecessary mails", got-told)
	}
	if got := ts.setPassword(token, "", "a new password", goodPassword); got.status != http.StatusOK || got.member("sub") != user.ID {
		t.Fatalf("with the old one: %d %s", got.status, got.raw)
	}
	letters := ts.mailTo("wanda@example.com")
	if len(letters) != told+1 || !strings.Contains(letters[told].Subject, "was changed") {
		t.Errorf("mail: %+v", letters)
	}
}

func TestSetPassword_ReplacesAPasswordAfterAFreshSignInByIt(t *testing.T) {
	ts := newLinkingServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid "+linkScope)
	b.signInAs("wanda")
	b.press("consent-form", "allow")
	token := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect).member("access_token")
	if got := ts.setPassword(token, "", "a new password"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.raw)
	}
	if _, err := ts.identities.VerifyPassword(t.Context(), "default", "wanda", "a new password"); err != nil {
		t.Error(err)
	}
}

func TestSetPassword_LimitsGuessesOfTheOldOneWithoutLockingTheUserOut(t *testing.T) {
	ts := newLinkingServer(t)
	ts.addPasswordUser("wanda")
	ts.bind("mini", "w", "password", "username", "wanda", "password", goodPassword)
	token := ts.linkToken("mini", "w").member("access_token")
	for range 6 {
		wantReason(t, ts.setPassword(token, "", "mallory's password", "a guess"), http.StatusBadRequest, "invalid_grant", "wrong_password")
	}
	got := ts.setPassword(token, "", "mallory's password", goodPassword)
	wantReason(t, got, http.StatusTooManyRequests, "temporarily_unavailable", "rate_limited")
	ts.newFormBrowser().signInToAccount("wanda")
}

func TestSetPassword_PreservesUnprovenUsername(t *testing.T) {
	ts := newLinkingServer(t)
	first := ts.linkToken("mini", "w")
	must(ts.identities.SetUsername(t.Context(), "default", ts.sub(first), "wanda", identity.System))(t)
	wantReason(t, ts.setPassword(first.member("access_token"), "mallory", goodPassword), http.StatusConflict, "invalid_request", "username_set")
	if got := ts.setPassword(first.member("access_token"), "Wanda", goodPassword); got.status != http.StatusOK {
		t.Errorf("the name as it is: %d %s", got.status, got.raw)
	}
}

func TestSetPassword_RejectedPasswordStoresNoUsername(t *testing.T) {
	ts := newLinkingServer(t)
	token := ts.linkToken("mini", "w").member("access_token")
	wantReason(t, ts.setPassword(token, "wanda", "short"), http.StatusBadRequest, "invalid_request", "password_unacceptable")
	if got := ts.setPassword(token, "wilma", goodPassword); got.status != http.StatusOK || got.member("preferred_username") != "wilma" {
		t.Errorf("%d %s", got.status, got.raw)
	}
}

func TestSetPassword_DelaysTheFirstOfAUserWhoCanObjectByMail(t *testing.T) {
	ts := newLinkingServer(t)
	first := ts.linkToken("mini", "w")
	must(ts.identities.SetEmail(t.Context(), "default", ts.sub(first), "wanda@example.com", identity.System))(t)
	got := ts.setPassword(first.member("access_token"), "wanda", goodPassword)
	if got.status != http.StatusAccepted || got.body["password_from"] != float64(ts.clock.Now().Add(24*time.Hour).Unix()) {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	letters := ts.mailTo("wanda@example.com")
	if len(letters) != 1 || !strings.Contains(letters[0].Text, "/account/forgot") || !strings.Contains(letters[0].Subject, "A password was set") {
		t.Errorf("mail: %+v", letters)
	}
	wantReason(t, ts.setPassword(first.member("access_token"), "", "another password"), http.StatusBadRequest, "invalid_request", "current_password_needed")
	for name, wait := range map[string]time.Duration{"at once": 0, "just before": 24*time.Hour - time.Second} {
		ts.clock.Advance(wait)
		if _, err := ts.identities.VerifyPassword(t.Context(), "default", "wanda", goodPassword); err == nil {
			t.Errorf("%s it works", name)
		}
		ts.clock.Advance(-wait)
	}
	ts.clock.Advance(24 * time.Hour)
	if _, err := ts.identities.VerifyPassword(t.Context(), "default", "wanda", goodPassword); err != nil {
		t.Errorf("after a day: %v", err)
	}
}
