package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// TestAccessTokenType_AcceptsJWTButNoIDToken at every endpoint that accepts access tokens. Its claim token_use distinguishes it
// from an ID token.
func TestAccessTokenType_AcceptsJWTButNoIDToken(t *testing.T) {
	ts := newPopulatedServer(t)
	on := true
	ts.addClient("plain", func(c *storage.Client) { c.AccessTokenType, c.IDTokenClaims = "JWT", &on })
	ts.addService("plainservice", func(c *storage.Client) { c.AccessTokenType = "JWT" })
	b := ts.newBrowser()
	a := ts.redeem("plain", b.freshCode("plain", "scope", "openid profile"))
	access, id := a.member("access_token"), a.member("id_token")
	if typ, use := jwtHeader(t, access)["typ"], claims(t, access)["token_use"]; typ != "JWT" || use != "access" {
		t.Errorf("typ %v, token_use %v", typ, use)
	}
	if claims(t, id)["token_use"] != nil {
		t.Error("the ID token has the claim of access tokens")
	}
	if typ, use := jwtHeader(t, ts.redeem("web", b.freshCode("web")).member("access_token"))["typ"], claims(t, access)["typ"]; typ != "at+jwt" || use != nil {
		t.Errorf("without the setting: typ %v", typ)
	}
	if info := ts.userinfo(access); info.member("sub") != "alice" {
		t.Errorf("UserInfo: got %d %s", info.status, info.raw)
	}
	if info := ts.userinfo(id); info.status != http.StatusUnauthorized {
		t.Errorf("UserInfo of an ID token: got %d %s", info.status, info.raw)
	}
	service := ts.credentials("plainservice").member("access_token")
	for token, active := range map[string]bool{service: true, id: false} {
		if got := ts.introspect("plainservice", token); got.body["active"] != active {
			t.Errorf("introspection: got %s, want active %t", got.raw, active)
		}
	}
	// An access token is not accepted as a hint.
	b.get(ts.authorizeURL("plain", "id_token_hint", access, "prompt", "none"))
	b.wantError(t, "invalid_request", "state-1")
}

// TestRefresh_ReturnsSameTokenForConfiguredClient, and a refresh extends its lifetime as a rotation does.
func TestRefresh_ReturnsSameTokenForConfiguredClient(t *testing.T) {
	ts := newTestServer(t)
	ts.change("mini", func(c *storage.Client) { c.KeepRefreshToken = true })
	a := ts.login("mini", "alice")
	token := a.member("refresh_token")
	for range 4 {
		ts.clock.Advance(3 * 24 * time.Hour) // An unused token lasts seven days.
		again := ts.refresh("mini", token)
		if again.status != http.StatusOK || again.member("refresh_token") != token {
			t.Fatalf("got %d %s", again.status, again.raw)
		}
	}
	// Without the setting, tokens rotate from then on, and a reuse is detected.
	ts.change("mini", func(c *storage.Client) { c.KeepRefreshToken = false })
	next := ts.refresh("mini", token)
	if next.status != http.StatusOK || next.member("refresh_token") == token {
		t.Fatalf("got %d %s", next.status, next.raw)
	}
	ts.clock.Advance(time.Minute)
	wantInvalidGrant(t, "reuse", ts.refresh("mini", token))
	wantInvalidGrant(t, "after the reuse", ts.refresh("mini", next.member("refresh_token")))
}

// TestPlaceholderEmail_IsForUsersWithoutEmail of clients with this setting. It is unverified, in UserInfo and ID token.
func TestPlaceholderEmail_IsForUsersWithoutEmail(t *testing.T) {
	ts := newPopulatedServer(t)
	on := true
	ts.addClient("needy", func(c *storage.Client) { c.PlaceholderEmailDomain, c.IDTokenClaims = "users.example.com", &on })
	ts.changeUser("bob", func(u *storage.User) { u.Email, u.EmailVerified = "", false })
	b := ts.newBrowser()
	b.get(ts.authorizeURL("needy", "scope", "openid email"))
	b.signIn("bob")
	b.allow()
	a := ts.redeem("needy", b.code())
	for where, got := range map[string]map[string]any{
		"UserInfo": ts.userinfo(a.member("access_token")).body, "ID token": claims(t, a.member("id_token")),
	} {
		if got["email"] != "bob@users.example.com" || got["email_verified"] != false {
			t.Errorf("%s: got %v", where, got)
		}
	}
	ts.change("mini", func(c *storage.Client) { c.PlaceholderEmailDomain = "users.example.com" })
	for path, members := range map[string]map[string]string{
		"profile": {"code": ts.app("mini").Login("bob"), "scope": "openid email"}, "bindUser": {"code": ts.app("mini").Login("carol"), "method": "register", "scope": "openid email"},
	} {
		answer := ts.postJSON("mini", "/federation/wechat/miniapp/"+path, members)
		profile, _ := answer.body["profile"].(map[string]any)
		if sub, _ := profile["sub"].(string); sub == "" || profile["email"] != sub+"@users.example.com" || profile["email_verified"] != false {
			t.Errorf("%s: got %s", path, answer.raw)
		}
	}
	other := ts.redeem("web", b.freshCode("web", "scope", "openid email"))
	if info := ts.userinfo(other.member("access_token")); info.body["email"] != nil {
		t.Errorf("without the setting: got %s", info.raw)
	}
	alice := ts.newBrowser()
	full := ts.redeem("needy", alice.freshCode("needy", "scope", "openid email"))
	if info := ts.userinfo(full.member("access_token")); info.member("email") != "alice@example.com" {
		t.Errorf("of a user who has one: got %s", info.raw)
	}
}
