package ferretdb

import (
	"slices"
	"testing"

	"github.com/minifed/minifed/storage"
)

// The budgets of the design, in commands on the wire.
func TestRequestsStayWithinTheirBudgetOfCommands(t *testing.T) {
	t.Parallel()
	_, i := newTown(t, (*Server).ReplicaSet)
	mini := i.addMiniProgram("mini", func(*storage.Client) {})
	binder := i.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	i.addWeb()
	i.addKeyed()
	// Clients and directories are in memory from now on.
	i.exchange("mini", mini.Login("warm")).wantOK(t)
	i.exchange("binder", binder.Login("warm")).wantOK(t)
	i.redeem(i.authorize()).wantOK(t)
	i.asserted(i.assertion()).wantOK(t)

	known := i.exchange("mini", mini.Login("alice")).wantOK(t)
	again := mini.Login("alice")
	i.exchange("mini", again).wantOK(t)
	ticket := i.profile("binder", "code", binder.Login("carol")).text("bind_ticket")
	code, assertion := i.authorize(), i.assertion()

	for _, row := range []struct {
		request       string
		do            func() answer
		status        int
		reads, writes int
	}{
		{"mini-program login, known user", func() answer { return i.exchange("mini", mini.Login("alice")) }, 200, 3, 1},
		{"first login, OpenID and UnionID new", func() answer { return i.exchange("mini", mini.Login("bob")) }, 200, 3, 4},
		{"repeat of a code", func() answer { return i.exchange("mini", again) }, 200, 2, 0},
		{"registration_required", func() answer { return i.profile("binder", "code", binder.Login("dave")) }, 400, 3, 1},
		{"bindUser register with ticket", func() answer { return i.bindUser("binder", "method", "register", "bind_ticket", ticket) }, 200, 3, 4},
		{"refresh", func() answer { return i.refresh("mini", known.text("refresh_token")) }, 200, 2, 1},
		{"code to tokens", func() answer { return i.redeem(code) }, 200, 2, 1},
		{"UserInfo", func() answer { return i.get("/oauth2/userinfo", known.text("access_token")) }, 200, 2, 0},
		{"client_credentials by private_key_jwt", func() answer { return i.asserted(assertion) }, 200, 0, 1},
		{"JWKS", func() answer { return i.get("/oauth2/jwks", "") }, 200, 0, 0},
		{"discovery", func() answer { return i.get("/.well-known/openid-configuration", "") }, 200, 0, 0},
		{"revoke", func() answer { return i.revoke("mini", known.text("refresh_token")) }, 200, 1, 1},
	} {
		i.commands.forget()
		a := row.do()
		names := i.commands.names()
		reads := len(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name != "find" }))
		if a.status != row.status {
			t.Errorf("%s: got %d %s", row.request, a.status, a.raw)
		}
		if reads != row.reads || len(names)-reads != row.writes {
			t.Errorf("%s: commands %v, the budget is %d reads and %d writes", row.request, names, row.reads, row.writes)
		}
	}
}
