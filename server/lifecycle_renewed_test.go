package server_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/keys"
)

// onEnginesWithTwoInstances calls test with two instances on one store, for each engine of this module.
func onEnginesWithTwoInstances(t *testing.T, test func(t *testing.T, ts *pageTestServer, other *testServer)) {
	t.Helper()
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			ts := pageTestServerOn(newTestServerOn(t, c, engine(t, c)))
			test(t, ts, ts.secondInstance())
		})
	}
}

// tokensOf signs wanda in at shop and returns the tokens.
func (b *formBrowser) tokensOf(client string) response {
	b.Helper()
	b.get(b.authorizeURL(client, "redirect_uri", shopRedirect, "scope", "openid profile offline_access"))
	if b.page.callback == "" && strings.Contains(b.page.body, `id="login-form"`) {
		b.signInAs("wanda")
	}
	if b.page.callback == "" {
		b.press("consent-form", "allow")
	}
	return b.pageServer.redeem(client, b.code(), "redirect_uri", shopRedirect)
}

func TestLifecycle_SignInAfterRemovedAccessRevivesNoOldToken(t *testing.T) {
	onEnginesWithTwoInstances(t, func(t *testing.T, ts *pageTestServer, other *testServer) {
		ts.addPasswordUser("wanda")
		b := ts.newFormBrowser()
		old := b.tokensOf("shop")
		b.openAuthorize("scope", "openid profile offline_access")
		code := b.code()
		b.get(ts.url + "/account")
		_, form := b.readForm("sign-out-form", "sign-out")
		form.Set("client", "shop")
		b.post(ts.url+"/account/apps", form, true)
		renewed := b.tokensOf("shop")
		ts.clock.Advance(5 * time.Second)
		for i, at := range []*testServer{ts.testServer, other} {
			at.wantInvalidGrant(at.tokenRequest("shop", map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {old.member("refresh_token")}}), "")
			at.wantInvalidGrant(at.redeem("shop", code, "redirect_uri", shopRedirect), "")
			if a := at.userinfo(old.member("access_token")); a.status != http.StatusUnauthorized {
				t.Errorf("instance %d: UserInfo with the old token: %d %s", i, a.status, a.raw)
			}
			if a := at.userinfo(renewed.member("access_token")); a.status != http.StatusOK {
				t.Errorf("instance %d: UserInfo with the new token: %d %s", i, a.status, a.raw)
			}
			for _, member := range []string{"access_token", "refresh_token"} {
				if at.isActive("shop", old.member(member)) || !at.isActive("shop", renewed.member(member)) {
					t.Errorf("instance %d: the old %s is active, or the new one is not", i, member)
				}
			}
		}
	})
}

func TestLifecycle_SignInAfterSignOutRevivesNoOldCookie(t *testing.T) {
	onEnginesWithTwoInstances(t, func(t *testing.T, ts *pageTestServer, other *testServer) {
		ts.addPasswordUser("wanda")
		b := ts.newFormBrowser()
		b.signInToAccount("wanda")
		old := ts.newFormBrowser()
		maps.Copy(old.cookies, b.cookies)
		b.press("sign-out-form", "sign-out")
		b.signInToAccount("wanda")
		ts.clock.Advance(5 * time.Second)
		for i, at := range []*testServer{ts.testServer, other} {
			for name, one := range map[string]struct {
				*formBrowser
				want string
			}{"ended": {old, "login_required"}, "new": {b, "consent_required"}} {
				one.get(at.authorizeURL("shop", "redirect_uri", shopRedirect, "prompt", "none"))
				if got := one.page.sent.Get("error"); got != one.want {
					t.Errorf("instance %d: the cookie of the %s session gives %q, want %q", i, name, got, one.want)
				}
			}
		}
	})
}

func TestLifecycle_RevokedKeyNeverReturns(t *testing.T) {
	onEnginesWithTwoInstances(t, func(t *testing.T, ts *pageTestServer, other *testServer) {
		token := ts.login("mini", "alice")
		before, first := token.member("access_token"), jwtHeader(t, token.member("id_token"))["kid"].(string)
		_, err := ts.ring.Revoke(t.Context(), "default", first)
		check(t, err)
		for step := range 4 {
			check(t, ts.ring.Load(t.Context()))
			check(t, other.ring.Load(t.Context()))
			for i, at := range []*testServer{ts.testServer, other} {
				if jwks := at.get(at.url + "/oauth2/jwks").raw; strings.Contains(jwks, first) {
					t.Errorf("step %d, instance %d: the revoked key is published", step, i)
				}
				if a := at.userinfo(before); a.status != http.StatusUnauthorized {
					t.Errorf("step %d, instance %d: UserInfo with a token of the revoked key: %d %s", step, i, a.status, a.raw)
				}
				if next := at.login("mini", "alice").member("id_token"); jwtHeader(t, next)["kid"] == first {
					t.Errorf("step %d, instance %d: the revoked key signs", step, i)
				}
			}
			_, err := ts.ring.RotateNow(t.Context(), "default", keys.ES256)
			check(t, err)
			ts.clock.Advance(time.Minute)
		}
		_, err = ts.ring.Revoke(t.Context(), "default", first)
		if err == nil {
			t.Error("the revoked key is revoked a second time")
		}
	})
}
