package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func (ts *testServer) wantScopes(what string, a response, want string) {
	ts.Helper()
	got := strings.Fields(a.member("scope"))
	slices.Sort(got)
	if a.status != http.StatusOK || strings.Join(got, " ") != want {
		ts.Errorf("%s: got %d %s, want the scopes %s", what, a.status, a.raw, want)
	}
}

func (ts *testServer) wantInvalidScope(what string, a response, named string) {
	ts.Helper()
	if a.status != http.StatusBadRequest || a.member("error") != "invalid_scope" || !strings.Contains(a.member("error_description"), named) {
		ts.Errorf("%s: got %d %s, want an error that names %s", what, a.status, a.raw, named)
	}
}

// TestScope_UnregisteredIsDropped at every endpoint, and the response names the rest.
func TestScope_UnregisteredIsDropped(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addService("service", func(*storage.Client) {})
	ts.addClient("api", func(c *storage.Client) { c.Scopes = []string{"orders"} })
	b := ts.newBrowser()
	ts.wantScopes("authorization", ts.redeem("web", b.freshCode("web", "scope", "openid admin groups email")), "email openid")
	ts.wantScopes("token exchange", ts.login("mini", "alice", "scope", "openid admin orders"), "openid orders")
	profile := ts.profile("mini", map[string]any{"code": ts.app("mini").Login("alice"), "scope": "openid admin"})
	ts.wantScopes("profile", profile, "openid")
	ts.wantScopes("client credentials", ts.credentials("service", "scope", "orders admin offline_access"), "orders")

	ts.wantInvalidScope("token exchange", ts.exchange("mini", ts.app("mini").Login("alice"), "scope", "admin groups"), "admin groups")
	ts.wantInvalidScope("client credentials", ts.credentials("service", "scope", "admin groups"), "admin groups")
	ts.wantInvalidScope("openid for a client itself", ts.credentials("service", "scope", "openid orders"), "openid")
	for scope, named := range map[string]string{"admin groups": "admin groups", "openid orders": "openid"} {
		b.get(ts.authorizeURL("api", "scope", scope))
		if got := b.page.sent; got.Get("error") != "invalid_scope" || !strings.Contains(got.Get("error_description"), named) {
			t.Errorf("authorization of %s: got %v", scope, got)
		}
	}
}

// TestScope_DefaultsAreGrantedWithoutScope, without offline_access for clients in a browser.
func TestScope_DefaultsAreGrantedWithoutScope(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("plain", func(c *storage.Client) { c.DefaultScopes = []string{"openid", "email", "offline_access"} })
	b := ts.newBrowser()
	ts.wantScopes("authorization", ts.redeem("plain", b.freshCode("plain", "scope", "")), "email openid")
	ts.wantScopes("token exchange", ts.login("mini", "alice"), "offline_access openid profile")
}

// TestRefresh_DeclinedScopesAreNarrowed: software repeats its configured scope at every refresh. Scopes that the user declined
// or the client may not have are no error there; scopes that were never requested are.
func TestRefresh_DeclinedScopesAreNarrowed(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	const asked = "openid profile email groups"
	b.get(ts.authorizeURL("web", "scope", asked))
	b.signIn("alice")
	b.submit("allow", "scope", "email")
	a := ts.redeem("web", b.code())
	ts.wantScopes("code", a, "email openid")
	a = ts.refresh("web", a.member("refresh_token"), "scope", asked)
	ts.wantScopes("refresh with all that was asked for", a, "email openid")
	a = ts.refresh("web", a.member("refresh_token"), "scope", "openid profile")
	ts.wantScopes("refresh with some", a, "openid")
	ts.wantInvalidScope("refresh with another scope", ts.refresh("web", a.member("refresh_token"), "scope", "openid phone"), "phone")
	ts.wantInvalidScope("refresh with declined ones alone", ts.refresh("web", a.member("refresh_token"), "scope", "profile groups"), "profile groups")
	a = ts.refresh("web", a.member("refresh_token"))
	ts.wantScopes("refresh without scope", a, "email openid")

	mini := ts.login("mini", "alice", "scope", "openid offline_access admin")
	ts.wantScopes("refresh of a token exchange", ts.refresh("mini", mini.member("refresh_token"), "scope", "openid offline_access admin"), "offline_access openid")
}

// TestRefresh_GrantWithoutRequestedScopesContinues: older stores have none.
func TestRefresh_GrantWithoutRequestedScopesContinues(t *testing.T) {
	ts := newTestServer(t)
	a := ts.login("mini", "alice", "scope", "openid offline_access")
	if grants := list[storage.Grant](ts); len(grants) != 1 || grants[0].AskedScopes != nil {
		t.Fatalf("got %+v", grants)
	}
	ts.wantScopes("refresh", ts.refresh("mini", a.member("refresh_token"), "scope", "openid"), "openid")
	ts.wantInvalidScope("refresh with another scope", ts.refresh("mini", a.member("refresh_token"), "scope", "openid email"), "email")
}
