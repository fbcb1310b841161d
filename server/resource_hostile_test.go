package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

// A token of one API is worth nothing at UserInfo, for another client that introspects it, and for an exchange. A refresh gives tokens of
// the APIs that were granted, one at a time, and of no other one.
func TestResource_TokensOfOneAPIAreOfNoUseElsewhere(t *testing.T) {
	t.Parallel()
	ts := newResourceServer(t)
	ts.addService("stock-api", func(*storage.Client) {})
	ts.changeResource(stockAPI, func(r *storage.Resource) { r.IntrospectedBy = []string{"stock-api"} })
	b := ts.newBrowser()
	granted := ts.redeem("web", b.freshCode("web", "resource", ordersAPI, "scope", "openid profile offline_access orders:read admin"))
	orders := granted.member("access_token")
	ts.wantToken("code", granted, ordersAPI, "admin orders:read")
	if got := ts.userinfo(orders); got.status != http.StatusUnauthorized {
		t.Errorf("UserInfo accepts the token of an API: %d %s", got.status, got.raw)
	}
	if got := ts.introspect("stock-api", orders); got.raw != inactive {
		t.Errorf("the other API introspects it: %s", got.raw)
	}
	refresh := granted.member("refresh_token")
	ts.wantRejected("refresh for another API", ts.refresh("web", refresh, "resource", stockAPI), "invalid_target")
	ts.wantRejected("refresh for two APIs", ts.refresh("web", refresh, "resource", ordersAPI, "resource", stockAPI), "invalid_target")
	ts.wantRejected("refresh for the issuer", ts.refresh("web", refresh, "resource", ts.url), "invalid_target")
	ts.wantRejected("refresh for a path below", ts.refresh("web", refresh, "resource", ordersAPI+"/admin"), "invalid_target")
	ts.wantRejected("refresh for a host that begins alike", ts.refresh("web", refresh, "resource", strings.Replace(ordersAPI, ".example", ".example.evil.example", 1)), "invalid_target")
	ts.wantRejected("refresh with a user in the address", ts.refresh("web", refresh, "resource", strings.Replace(ordersAPI, "https://", "https://orders.example@", 1)), "invalid_target")
	ts.wantRejected("refresh with a scope of another API", ts.refresh("web", refresh, "scope", "orders:read stock:read"), "invalid_scope")
	narrow := ts.refresh("web", refresh, "resource", ordersAPI, "scope", "orders:read")
	ts.wantToken("narrower refresh", narrow, ordersAPI, "orders:read")
	ts.wantToken("as wide as granted again", ts.refresh("web", narrow.member("refresh_token"), "resource", ordersAPI), ordersAPI, "admin orders:read")
}

// No field of a resource becomes an element of the page of a device, which has the part of the consent page.
func TestPages_HostileTextsOfResources(t *testing.T) {
	t.Parallel()
	ts := newDeviceServer(t)
	identifier := "https://orders.example/" + `"onload="x`
	ts.addResource(identifier, "orders", func(r *storage.Resource) {
		r.Name = hostileText
		r.Scopes = []storage.ResourceScope{{Name: "orders:read", TextEN: hostileText, TextZH: hostileText}, {Name: `"onload='x'><hostile>`}}
	})
	d := ts.newDevice("orders:read", "resource", identifier)
	b := ts.newFormBrowser()
	b.scan(d, "wanda")
	b.wantAt(t, "/device", http.StatusOK, hostileText)
	wantHarmless(t, "device", b.page)
}
