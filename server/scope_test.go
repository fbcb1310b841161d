package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func (w *world) wantScopes(what string, a answer, want string) {
	w.Helper()
	got := strings.Fields(a.text("scope"))
	slices.Sort(got)
	if a.status != http.StatusOK || strings.Join(got, " ") != want {
		w.Errorf("%s: got %d %s, want the scopes %s", what, a.status, a.raw, want)
	}
}

func (w *world) wantInvalidScope(what string, a answer, named string) {
	w.Helper()
	if a.status != http.StatusBadRequest || a.text("error") != "invalid_scope" || !strings.Contains(a.text("error_description"), named) {
		w.Errorf("%s: got %d %s, want an error that names %s", what, a.status, a.raw, named)
	}
}

// TestScope_UnregisteredOnesAreDropped wherever they are asked for, and the answer names the rest.
func TestScope_UnregisteredOnesAreDropped(t *testing.T) {
	w := newSite(t)
	w.addService("service", func(*storage.Client) {})
	w.addClient("api", func(c *storage.Client) { c.Scopes = []string{"orders"} })
	b := w.newBrowser()
	w.wantScopes("authorization", w.redeem("web", b.freshCode("web", "scope", "openid admin groups email")), "email openid")
	w.wantScopes("token exchange", w.login("mini", "alice", "scope", "openid admin orders"), "openid orders")
	profile := w.profile("mini", map[string]any{"code": w.app("mini").Login("alice"), "scope": "openid admin"})
	w.wantScopes("profile", profile, "openid")
	w.wantScopes("client credentials", w.credentials("service", "scope", "orders admin offline_access"), "orders")

	w.wantInvalidScope("token exchange", w.exchange("mini", w.app("mini").Login("alice"), "scope", "admin groups"), "admin groups")
	w.wantInvalidScope("client credentials", w.credentials("service", "scope", "admin groups"), "admin groups")
	w.wantInvalidScope("openid for a client itself", w.credentials("service", "scope", "openid orders"), "openid")
	for scope, named := range map[string]string{"admin groups": "admin groups", "openid orders": "openid"} {
		b.get(w.authorizeURL("api", "scope", scope))
		if got := b.page.sent; got.Get("error") != "invalid_scope" || !strings.Contains(got.Get("error_description"), named) {
			t.Errorf("authorization of %s: got %v", scope, got)
		}
	}
}

// TestScope_WithoutOneTheDefaultsAreGranted, of which offline_access is none where a browser is.
func TestScope_WithoutOneTheDefaultsAreGranted(t *testing.T) {
	w := newSite(t)
	w.addClient("plain", func(c *storage.Client) { c.DefaultScopes = []string{"openid", "email", "offline_access"} })
	b := w.newBrowser()
	w.wantScopes("authorization", w.redeem("plain", b.freshCode("plain", "scope", "")), "email openid")
	w.wantScopes("token exchange", w.login("mini", "alice"), "offline_access openid profile")
}

// TestRefresh_DeclinedScopesAreNarrowed: software repeats its configured scope at every refresh. What its user declined, or the
// client may not have, is no error there; what was never asked for is.
func TestRefresh_DeclinedScopesAreNarrowed(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	const asked = "openid profile email groups"
	b.get(w.authorizeURL("web", "scope", asked))
	b.signIn("alice")
	b.submit("allow", "scope", "email")
	a := w.redeem("web", b.code())
	w.wantScopes("code", a, "email openid")
	a = w.refresh("web", a.text("refresh_token"), "scope", asked)
	w.wantScopes("refresh with all that was asked for", a, "email openid")
	a = w.refresh("web", a.text("refresh_token"), "scope", "openid profile")
	w.wantScopes("refresh with some", a, "openid")
	w.wantInvalidScope("refresh with another scope", w.refresh("web", a.text("refresh_token"), "scope", "openid phone"), "phone")
	w.wantInvalidScope("refresh with declined ones alone", w.refresh("web", a.text("refresh_token"), "scope", "profile groups"), "profile groups")
	a = w.refresh("web", a.text("refresh_token"))
	w.wantScopes("refresh without scope", a, "email openid")

	mini := w.login("mini", "alice", "scope", "openid offline_access admin")
	w.wantScopes("refresh of a token exchange", w.refresh("mini", mini.text("refresh_token"), "scope", "openid offline_access admin"), "offline_access openid")
}

// TestRefresh_AGrantWithoutTheAskedScopesGoesOn: stores written before have none.
func TestRefresh_AGrantWithoutTheAskedScopesGoesOn(t *testing.T) {
	w := newWorld(t)
	a := w.login("mini", "alice", "scope", "openid offline_access")
	if grants := list[storage.Grant](w); len(grants) != 1 || grants[0].AskedScopes != nil {
		t.Fatalf("got %+v", grants)
	}
	w.wantScopes("refresh", w.refresh("mini", a.text("refresh_token"), "scope", "openid"), "openid")
	w.wantInvalidScope("refresh with another scope", w.refresh("mini", a.text("refresh_token"), "scope", "openid email"), "email")
}
