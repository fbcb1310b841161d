package server_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// newServerWithGroups has a directory that maps claims, a user with groups and attributes, and a client that may ask for them.
func newServerWithGroups(t *testing.T) *testServer {
	ts := newPopulatedServer(t)
	entry := must(storage.Get[storage.Directory](t.Context(), ts.engine.Engine, "default"))(t)
	next := entry.Record
	next.Claims = []storage.ClaimMapping{
		{Claim: "groups", Source: storage.ClaimGroups, Scope: "groups"},
		{Claim: "roles", Source: "list:role", Scope: "groups"},
		{Claim: "department", Source: "text:department", Scope: "profile"},
		{Claim: "https://example.com/old_id", Source: storage.ClaimExternalID, Scope: "profile"},
	}
	must(entry.Replace(t.Context(), ts.engine.Engine, next))(t)
	ts.changeUser("alice", func(u *storage.User) {
		u.Groups, u.ExternalID = []string{"buyers", "staff"}, "4711"
		u.Attributes = map[string][]string{"department": {"Sales", "Support"}, "role": {"editor"}, "secret": {"not mapped"}}
	})
	on := true
	ts.addClient("reader", func(c *storage.Client) { c.IDTokenClaims, c.Scopes = &on, append(c.Scopes, "groups") })
	return ts
}

// TestMappedClaims_FollowTheirScopes: UserInfo and, by the client's setting, ID tokens have them; other clients do not.
func TestMappedClaims_FollowTheirScopes(t *testing.T) {
	ts := newServerWithGroups(t)
	b := ts.newBrowser()
	a := ts.redeem("reader", b.freshCode("reader", "scope", "openid profile groups"))
	for place, got := range map[string]map[string]any{"UserInfo": ts.userinfo(a.member("access_token")).body, "ID token": claims(t, a.member("id_token"))} {
		want := map[string]string{
			"groups": "[buyers staff]", "roles": "[editor]", "department": "Sales", "https://example.com/old_id": "4711", "secret": "<nil>",
		}
		for name, value := range want {
			if fmt.Sprint(got[name]) != value {
				t.Errorf("%s: %s is %v, want %s", place, name, got[name], value)
			}
		}
	}
	plain := ts.redeem("web", b.freshCode("web", "scope", "openid profile"))
	got := ts.userinfo(plain.member("access_token")).body
	if got["groups"] != nil || got["roles"] != nil || got["department"] != "Sales" {
		t.Errorf("without the scope groups: %v", got)
	}
	if got := claims(t, plain.member("id_token")); got["department"] != nil {
		t.Errorf("the ID token of a client without the setting: %v", got)
	}
}

func TestMappedClaims_AreInDiscovery(t *testing.T) {
	ts := newServerWithGroups(t)
	got := ts.get(ts.url + "/.well-known/openid-configuration").body
	for member, values := range map[string][]string{"scopes_supported": {"groups"}, "claims_supported": {"groups", "roles", "department", "https://example.com/old_id"}} {
		listed, _ := got[member].([]any)
		for _, value := range values {
			if !slices.Contains(listed, any(value)) {
				t.Errorf("%s lacks %s: %v", member, value, listed)
			}
		}
	}
}

// TestOIDCCore_5_5_MappedClaimsCanBeRequested one by one, with the consent to their scope.
func TestOIDCCore_5_5_MappedClaimsCanBeRequested(t *testing.T) {
	ts := newServerWithGroups(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("reader", "claims", `{"id_token":{"groups":{"essential":true}},"userinfo":{"roles":null}}`))
	b.signIn("alice")
	if !strings.Contains(b.page.body, `value="groups"`) {
		t.Errorf("consent does not ask for the scope: %s", b.page.body)
	}
	b.submit("allow")
	a := ts.redeem("reader", b.code())
	if got := claims(t, a.member("id_token")); fmt.Sprint(got["groups"]) != "[buyers staff]" || got["roles"] != nil {
		t.Errorf("ID token: %v", got)
	}
	if got := ts.userinfo(a.member("access_token")).body; fmt.Sprint(got["roles"]) != "[editor]" {
		t.Errorf("UserInfo: %v", got)
	}
}

// TestGroups_CannotBeSetByAClientsBackend: the member "user" of profile and bindUser is about the profile alone.
func TestGroups_CannotBeSetByAClientsBackend(t *testing.T) {
	ts := newServerWithGroups(t)
	members := map[string]any{
		"nickname": "Al", "groups": []string{"admins"}, "roles": []string{"admin"}, "attributes": map[string]any{"role": []string{"admin"}},
		"external_id": "1",
	}
	sub := ""
	for range 2 { // A new user, and a known one.
		a := ts.profile("mini", map[string]any{"code": ts.app("mini").Login("mallory"), "user": members})
		if a.status != 200 {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
		sub = ts.sub(a)
	}
	ts.addBinder()
	bound := ts.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ts.ticket("binder", "eve"), "user": members})
	for _, id := range []string{sub, ts.sub(bound)} {
		user := must(storage.Get[storage.User](t.Context(), ts.engine.Engine, storage.Key("default", id)))(t).Record
		if len(user.Groups) > 0 || len(user.Attributes) > 0 || user.ExternalID != "" {
			t.Errorf("got %+v", user)
		}
	}
}

// TestMappedClaims_CannotTakeNamesOfOthers: every claim that discovery lists without a mapping is reserved.
func TestMappedClaims_CannotTakeNamesOfOthers(t *testing.T) {
	ts := newTestServer(t)
	service := ts.adminService()
	listed, _ := ts.get(ts.url + "/.well-known/openid-configuration").body["claims_supported"].([]any)
	if len(listed) < 20 {
		t.Fatalf("claims_supported is %v", listed)
	}
	for _, name := range append(listed, "scope", "client_id", "jti", "nbf", "urn:minifed:former_sub") {
		_, err := service.UpdateDirectory(t.Context(), "default", "", func(d *storage.Directory) {
			d.Claims = []storage.ClaimMapping{{Claim: fmt.Sprint(name), Source: storage.ClaimGroups, Scope: "groups"}}
		})
		if _, invalid := errors.AsType[*admin.Invalid](err); !invalid {
			t.Errorf("%v can be mapped: %v", name, err)
		}
	}
}

// TestMappedClaims_ThatAreLargeLeaveTheIDTokenWithin4KB and stay complete at UserInfo.
func TestMappedClaims_ThatAreLargeLeaveTheIDTokenWithin4KB(t *testing.T) {
	ts := newServerWithGroups(t)
	var groups []string
	for i := range 30 {
		groups = append(groups, fmt.Sprintf("%02d-%s", i, strings.Repeat("g", 55)))
	}
	ts.changeUser("alice", func(u *storage.User) { u.Groups = groups })
	a := ts.redeem("reader", ts.newBrowser().freshCode("reader", "scope", "openid profile email groups", "claims", `{"id_token":{"groups":null,"address":null}}`))
	if token := a.member("id_token"); len(token) > 4096 || claims(t, token)["email"] != "alice@example.com" {
		t.Errorf("%d bytes, %v", len(token), claims(t, token))
	}
	if got, _ := ts.userinfo(a.member("access_token")).body["groups"].([]any); len(got) != 30 {
		t.Errorf("UserInfo has %d groups", len(got))
	}
}
