package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
)

// TestMerge_TokensNameFormerSubjectFor30Days reads the claim in ID tokens and UserInfo, of a browser and of a mini-program.
func TestMerge_TokensNameFormerSubjectFor30Days(t *testing.T) {
	t.Parallel()
	ts := newPageTestServer(t)
	older := ts.sub(ts.login("mini", "wanda"))
	ts.clock.Advance(time.Minute)
	younger := ts.addEmailUser("bella").ID
	must(ts.identities.Merge(t.Context(), "default", older, younger, identity.Operator("ann")))(t)
	const former = "urn:minifed:former_sub"
	tokens := map[string]func() response{
		"a browser": func() response {
			b := ts.newFormBrowser()
			b.openAuthorize("scope", "openid", "prompt", "login")
			b.signInAs("bella")
			b.press("consent-form", "allow")
			return ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
		},
		"a mini-program": func() response { return ts.login("mini", "wanda") },
	}
	wants := func(when string, want any) {
		t.Helper()
		for name, of := range tokens {
			a := of()
			if a.status != http.StatusOK {
				t.Fatalf("%s, %s: %s", when, name, a.raw)
			}
			id, info := claims(t, a.member("id_token")), ts.userinfo(a.member("access_token"))
			if id["sub"] != older || id[former] != want || info.body[former] != want {
				t.Errorf("%s, %s: ID token %v, UserInfo %v", when, name, id[former], info.body[former])
			}
		}
	}
	wants("now", younger)
	ts.clock.Advance(29 * 24 * time.Hour)
	tokens["a browser"] = func() response {
		b := ts.newFormBrowser()
		b.openAuthorize("scope", "openid")
		b.signInAs("bella")
		return ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	}
	wants("after 29 days", younger)
	ts.clock.Advance(2 * 24 * time.Hour)
	wants("after 31 days", nil)
}
