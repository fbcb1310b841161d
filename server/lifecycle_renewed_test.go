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
func onEnginesWithTwoInstances(t *testing.T, test func(t *testing.T, h *house, other *world)) {
	t.Helper()
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			h := houseOn(newWorldOn(t, c, engine(t, c)))
			test(t, h, h.secondInstance())
		})
	}
}

// tokensOf signs wanda in at shop and returns the tokens.
func (v *visitor) tokensOf(client string) answer {
	v.Helper()
	v.get(v.authorizeURL(client, "redirect_uri", shopRedirect, "scope", "openid profile offline_access"))
	if v.page.callback == "" && strings.Contains(v.page.body, `id="login-form"`) {
		v.signInAs("wanda")
	}
	if v.page.callback == "" {
		v.press("consent-form", "allow")
	}
	return v.house.redeem(client, v.code(), "redirect_uri", shopRedirect)
}

func TestLifecycle_SignInAfterRemovedAccessRevivesNoOldToken(t *testing.T) {
	onEnginesWithTwoInstances(t, func(t *testing.T, h *house, other *world) {
		h.addPerson("wanda")
		v := h.visitor()
		old := v.tokensOf("shop")
		v.ask("scope", "openid profile offline_access")
		code := v.code()
		v.get(h.url + "/account")
		_, form := v.read("sign-out-form", "sign-out")
		form.Set("client", "shop")
		v.post(h.url+"/account/apps", form, true)
		renewed := v.tokensOf("shop")
		h.clock.Advance(5 * time.Second)
		for i, at := range []*world{h.world, other} {
			at.wantInvalidGrant(at.tokenRequest("shop", map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {old.text("refresh_token")}}), "")
			at.wantInvalidGrant(at.redeem("shop", code, "redirect_uri", shopRedirect), "")
			if a := at.userinfo(old.text("access_token")); a.status != http.StatusUnauthorized {
				t.Errorf("instance %d: UserInfo with the old token: %d %s", i, a.status, a.raw)
			}
			if a := at.userinfo(renewed.text("access_token")); a.status != http.StatusOK {
				t.Errorf("instance %d: UserInfo with the new token: %d %s", i, a.status, a.raw)
			}
			for _, member := range []string{"access_token", "refresh_token"} {
				if at.isActive("shop", old.text(member)) || !at.isActive("shop", renewed.text(member)) {
					t.Errorf("instance %d: the old %s is active, or the new one is not", i, member)
				}
			}
		}
	})
}

func TestLifecycle_SignInAfterSignOutRevivesNoOldCookie(t *testing.T) {
	onEnginesWithTwoInstances(t, func(t *testing.T, h *house, other *world) {
		h.addPerson("wanda")
		v := h.visitor()
		v.enter("wanda")
		old := h.visitor()
		maps.Copy(old.cookies, v.cookies)
		v.press("sign-out-form", "sign-out")
		v.enter("wanda")
		h.clock.Advance(5 * time.Second)
		for i, at := range []*world{h.world, other} {
			for name, one := range map[string]struct {
				*visitor
				want string
			}{"ended": {old, "login_required"}, "new": {v, "consent_required"}} {
				one.get(at.authorizeURL("shop", "redirect_uri", shopRedirect, "prompt", "none"))
				if got := one.page.sent.Get("error"); got != one.want {
					t.Errorf("instance %d: the cookie of the %s session gives %q, want %q", i, name, got, one.want)
				}
			}
		}
	})
}

func TestLifecycle_RevokedKeyNeverReturns(t *testing.T) {
	onEnginesWithTwoInstances(t, func(t *testing.T, h *house, other *world) {
		token := h.login("mini", "alice")
		before, first := token.text("access_token"), jwtHeader(t, token.text("id_token"))["kid"].(string)
		_, err := h.ring.Revoke(t.Context(), "default", first)
		check(t, err)
		for step := range 4 {
			check(t, h.ring.Load(t.Context()))
			check(t, other.ring.Load(t.Context()))
			for i, at := range []*world{h.world, other} {
				if jwks := at.get(at.url + "/oauth2/jwks").raw; strings.Contains(jwks, first) {
					t.Errorf("step %d, instance %d: the revoked key is published", step, i)
				}
				if a := at.userinfo(before); a.status != http.StatusUnauthorized {
					t.Errorf("step %d, instance %d: UserInfo with a token of the revoked key: %d %s", step, i, a.status, a.raw)
				}
				if next := at.login("mini", "alice").text("id_token"); jwtHeader(t, next)["kid"] == first {
					t.Errorf("step %d, instance %d: the revoked key signs", step, i)
				}
			}
			_, err := h.ring.RotateNow(t.Context(), "default", keys.ES256)
			check(t, err)
			h.clock.Advance(time.Minute)
		}
		_, err = h.ring.Revoke(t.Context(), "default", first)
		if err == nil {
			t.Error("the revoked key is revoked a second time")
		}
	})
}
