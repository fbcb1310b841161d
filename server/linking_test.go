package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// newLinkingHouse has the mini-program "mini", which makes users, and "shop", both with confirmed account linking.
func newLinkingHouse(t *testing.T) *house {
	t.Helper()
	h := newBindingHouse(t)
	h.change("mini", func(c *storage.Client) { c.Federation.Provisioning = "" })
	return h
}

func TestAccountLinking_AnUnconfirmedScopeIsNotGranted(t *testing.T) {
	h := newLinkingHouse(t)
	h.change("mini", func(c *storage.Client) { c.AccountLinking = false }) // as every store before the confirmation has it
	got := h.linkToken("mini", "w")
	if strings.Contains(got.text("scope"), linkScope) {
		t.Errorf("granted: %d %s", got.status, got.raw)
	}
}

func TestAccountLinking_WithdrawalEndsTheScopeAtOnceAndLeavesTheGrant(t *testing.T) {
	h := newLinkingHouse(t)
	before := h.login("mini", "w", "scope", "openid offline_access "+linkScope)
	h.change("mini", func(c *storage.Client) { c.AccountLinking = false })
	wantReason(t, h.setPassword(before.text("access_token"), "wanda", goodPassword), http.StatusForbidden, "insufficient_scope", "")
	h.change("other", func(c *storage.Client) { c.Federation.LinkingPartners = []string{"mini"} })
	wantReason(t, h.bind("other", "mallory", "session", "access_token", before.text("access_token")), http.StatusBadRequest, "invalid_grant", "session_token")
	got := h.refresh("mini", before.text("refresh_token"))
	if got.status != http.StatusOK || got.text("scope") != "openid offline_access" {
		t.Errorf("refresh: %d %s", got.status, got.raw)
	}
}

func TestSetPassword_ReplacesAPasswordOnlyWithTheOldOne(t *testing.T) {
	h := newLinkingHouse(t)
	user := h.addMailedPerson("wanda")
	if got := h.bind("mini", "w", "password", "username", "wanda", "password", goodPassword); got.status != http.StatusOK {
		t.Fatalf("%s", got.raw)
	}
	told := len(h.letters("wanda@example.com"))
	token := h.linkToken("mini", "w").text("access_token")
	wantReason(t, h.setPassword(token, "", "mallory's password"), http.StatusBadRequest, "invalid_request", "current_password_needed")
	wantReason(t, h.setPassword(token, "mallory", "mallory's password"), http.StatusBadRequest, "invalid_request", "current_password_needed")
	wantReason(t, h.setPassword(token, "mallory", "mallory's password", "a guess"), http.StatusBadRequest, "invalid_grant", "wrong_password")
	if _, err := h.people.VerifyPassword(t.Context(), "default", "wanda", goodPassword); err != nil {
		t.Fatalf("the password or the username changed: %v", err)
	}
	if got := len(h.letters("wanda@example.com")); got != told {
		t.Errorf("%d mails about nothing", got-told)
	}
	if got := h.setPassword(token, "", "a new password", goodPassword); got.status != http.StatusOK || got.text("sub") != user.ID {
		t.Fatalf("with the old one: %d %s", got.status, got.raw)
	}
	letters := h.letters("wanda@example.com")
	if len(letters) != told+1 || !strings.Contains(letters[told].Subject, "was changed") {
		t.Errorf("mail: %+v", letters)
	}
}

func TestSetPassword_ReplacesAPasswordAfterAFreshSignInByIt(t *testing.T) {
	h := newLinkingHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.ask("scope", "openid "+linkScope)
	v.signInAs("wanda")
	v.press("consent-form", "allow")
	token := h.redeem("shop", v.code(), "redirect_uri", shopRedirect).text("access_token")
	if got := h.setPassword(token, "", "a new password"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.raw)
	}
	if _, err := h.people.VerifyPassword(t.Context(), "default", "wanda", "a new password"); err != nil {
		t.Error(err)
	}
}

func TestSetPassword_LimitsGuessesOfTheOldOneWithoutLockingTheUserOut(t *testing.T) {
	h := newLinkingHouse(t)
	h.addPerson("wanda")
	h.bind("mini", "w", "password", "username", "wanda", "password", goodPassword)
	token := h.linkToken("mini", "w").text("access_token")
	for range 6 {
		wantReason(t, h.setPassword(token, "", "mallory's password", "a guess"), http.StatusBadRequest, "invalid_grant", "wrong_password")
	}
	got := h.setPassword(token, "", "mallory's password", goodPassword)
	wantReason(t, got, http.StatusTooManyRequests, "temporarily_unavailable", "rate_limited")
	h.visitor().enter("wanda")
}

func TestSetPassword_KeepsAUsernameThatNoPasswordProves(t *testing.T) {
	h := newLinkingHouse(t)
	first := h.linkToken("mini", "w")
	must(h.people.SetUsername(t.Context(), "default", h.sub(first), "wanda", identity.System))(t)
	wantReason(t, h.setPassword(first.text("access_token"), "mallory", goodPassword), http.StatusConflict, "invalid_request", "username_set")
	if got := h.setPassword(first.text("access_token"), "Wanda", goodPassword); got.status != http.StatusOK {
		t.Errorf("the name as it is: %d %s", got.status, got.raw)
	}
}

func TestSetPassword_ARefusedPasswordLeavesNoUsernameBehind(t *testing.T) {
	h := newLinkingHouse(t)
	token := h.linkToken("mini", "w").text("access_token")
	wantReason(t, h.setPassword(token, "wanda", "short"), http.StatusBadRequest, "invalid_request", "password_unacceptable")
	if got := h.setPassword(token, "wilma", goodPassword); got.status != http.StatusOK || got.text("preferred_username") != "wilma" {
		t.Errorf("%d %s", got.status, got.raw)
	}
}

func TestSetPassword_DelaysTheFirstOfAUserWhoCanObjectByMail(t *testing.T) {
	h := newLinkingHouse(t)
	first := h.linkToken("mini", "w")
	must(h.people.SetEmail(t.Context(), "default", h.sub(first), "wanda@example.com", identity.System))(t)
	got := h.setPassword(first.text("access_token"), "wanda", goodPassword)
	if got.status != http.StatusAccepted || got.body["password_from"] != float64(h.clock.Now().Add(24*time.Hour).Unix()) {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	letters := h.letters("wanda@example.com")
	if len(letters) != 1 || !strings.Contains(letters[0].Text, "/account/forgot") || !strings.Contains(letters[0].Subject, "A password was set") {
		t.Errorf("mail: %+v", letters)
	}
	wantReason(t, h.setPassword(first.text("access_token"), "", "another password"), http.StatusBadRequest, "invalid_request", "current_password_needed")
	for name, wait := range map[string]time.Duration{"at once": 0, "just before": 24*time.Hour - time.Second} {
		h.clock.Advance(wait)
		if _, err := h.people.VerifyPassword(t.Context(), "default", "wanda", goodPassword); err == nil {
			t.Errorf("%s it works", name)
		}
		h.clock.Advance(-wait)
	}
	h.clock.Advance(24 * time.Hour)
	if _, err := h.people.VerifyPassword(t.Context(), "default", "wanda", goodPassword); err != nil {
		t.Errorf("after a day: %v", err)
	}
}
