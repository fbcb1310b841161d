package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// TestAccessTokenType_JWTIsAcceptedAndNoIDToken: such a token works wherever access tokens do, and is told from an ID token by its
// claim token_use, in both directions.
func TestAccessTokenType_JWTIsAcceptedAndNoIDToken(t *testing.T) {
	w := newSite(t)
	on := true
	w.addClient("plain", func(c *storage.Client) { c.AccessTokenType, c.IDTokenClaims = "JWT", &on })
	w.addService("plainservice", func(c *storage.Client) { c.AccessTokenType = "JWT" })
	b := w.newBrowser()
	a := w.redeem("plain", b.freshCode("plain", "scope", "openid profile"))
	access, id := a.text("access_token"), a.text("id_token")
	if typ, use := jwtHeader(t, access)["typ"], claims(t, access)["token_use"]; typ != "JWT" || use != "access" {
		t.Errorf("typ %v, token_use %v", typ, use)
	}
	if claims(t, id)["token_use"] != nil {
		t.Error("the ID token has the claim of access tokens")
	}
	if typ, use := jwtHeader(t, w.redeem("web", b.freshCode("web")).text("access_token"))["typ"], claims(t, access)["typ"]; typ != "at+jwt" || use != nil {
		t.Errorf("without the setting: typ %v", typ)
	}
	if info := w.userinfo(access); info.text("sub") != "alice" {
		t.Errorf("UserInfo: got %d %s", info.status, info.raw)
	}
	if info := w.userinfo(id); info.status != http.StatusUnauthorized {
		t.Errorf("UserInfo of an ID token: got %d %s", info.status, info.raw)
	}
	service := w.credentials("plainservice").text("access_token")
	for token, active := range map[string]bool{service: true, id: false} {
		if got := w.introspect("plainservice", token); got.body["active"] != active {
			t.Errorf("introspection: got %s, want active %t", got.raw, active)
		}
	}
	// An access token is no hint.
	b.get(w.authorizeURL("plain", "id_token_hint", access, "prompt", "none"))
	b.wantError(t, "invalid_request", "state-1")
}

// TestRefresh_KeepsTheTokenWhereTheClientSaysSo, and its life is prolonged as by a rotation.
func TestRefresh_KeepsTheTokenWhereTheClientSaysSo(t *testing.T) {
	w := newWorld(t)
	w.change("mini", func(c *storage.Client) { c.KeepRefreshToken = true })
	a := w.login("mini", "alice")
	token := a.text("refresh_token")
	for range 4 {
		w.clock.Advance(3 * 24 * time.Hour) // It lives for seven days unused.
		again := w.refresh("mini", token)
		if again.status != http.StatusOK || again.text("refresh_token") != token {
			t.Fatalf("got %d %s", again.status, again.raw)
		}
	}
	// Taken back, the setting rotates from then on, and finds a reuse.
	w.change("mini", func(c *storage.Client) { c.KeepRefreshToken = false })
	next := w.refresh("mini", token)
	if next.status != http.StatusOK || next.text("refresh_token") == token {
		t.Fatalf("got %d %s", next.status, next.raw)
	}
	w.clock.Advance(time.Minute)
	wantInvalidGrant(t, "reuse", w.refresh("mini", token))
	wantInvalidGrant(t, "after the reuse", w.refresh("mini", next.text("refresh_token")))
}

// TestPlaceholderEmail_ForUsersWithoutOne, at clients that are set so, unverified, in UserInfo and ID token.
func TestPlaceholderEmail_ForUsersWithoutOne(t *testing.T) {
	w := newSite(t)
	on := true
	w.addClient("needy", func(c *storage.Client) { c.PlaceholderEmailDomain, c.IDTokenClaims = "users.example.com", &on })
	w.changeUser("bob", func(u *storage.User) { u.Email, u.EmailVerified = "", false })
	b := w.newBrowser()
	b.get(w.authorizeURL("needy", "scope", "openid email"))
	b.signIn("bob")
	b.allow()
	a := w.redeem("needy", b.code())
	for where, got := range map[string]map[string]any{
		"UserInfo": w.userinfo(a.text("access_token")).body, "ID token": claims(t, a.text("id_token")),
	} {
		if got["email"] != "bob@users.example.com" || got["email_verified"] != false {
			t.Errorf("%s: got %v", where, got)
		}
	}
	w.change("mini", func(c *storage.Client) { c.PlaceholderEmailDomain = "users.example.com" })
	for path, members := range map[string]map[string]string{
		"profile": {"code": w.app("mini").Login("bob"), "scope": "openid email"}, "bindUser": {"code": w.app("mini").Login("carol"), "method": "register", "scope": "openid email"},
	} {
		answer := w.postJSON("mini", "/federation/wechat/miniapp/"+path, members)
		profile, _ := answer.body["profile"].(map[string]any)
		if sub, _ := profile["sub"].(string); sub == "" || profile["email"] != sub+"@users.example.com" || profile["email_verified"] != false {
			t.Errorf("%s: got %s", path, answer.raw)
		}
	}
	other := w.redeem("web", b.freshCode("web", "scope", "openid email"))
	if info := w.userinfo(other.text("access_token")); info.body["email"] != nil {
		t.Errorf("without the setting: got %s", info.raw)
	}
	alice := w.newBrowser()
	full := w.redeem("needy", alice.freshCode("needy", "scope", "openid email"))
	if info := w.userinfo(full.text("access_token")); info.text("email") != "alice@example.com" {
		t.Errorf("of a user who has one: got %s", info.raw)
	}
}
