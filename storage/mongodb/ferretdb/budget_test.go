package ferretdb

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// budget is what a request may ask of the database.
type budget struct {
	request       string
	do            func() apiResponse
	status        int
	reads, writes int
}

// within sends each request and counts the commands.
func (i *instance) within(budgets []budget) {
	i.Helper()
	for _, row := range budgets {
		i.commands.forget()
		a := row.do()
		names := i.commands.names()
		reads := len(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name != "find" }))
		if a.status != row.status {
			i.Errorf("%s: got %d %s", row.request, a.status, a.raw)
		}
		if reads != row.reads || len(names)-reads != row.writes {
			i.Errorf("%s: commands %v, the budget is %d reads and %d writes", row.request, names, row.reads, row.writes)
		}
	}
}

// openAudit writes the first entry of the instance's audit chain. The first entry opens the chain, which is a write of its own.
func (i *instance) openAudit() {
	i.Helper()
	must(i.audit.Record(i.Context(), storage.AuditEntry{Directory: "default", Actor: "system", Action: "test.begin", Target: "directory:default"}))(i.T)
}

// The budgets of the design, in commands on the wire.
func TestBudget_Requests(t *testing.T) {
	t.Parallel()
	_, i := newDeployment(t, (*Server).ReplicaSet)
	i.openAudit()
	mini := i.addMiniProgram("mini", func(*storage.Client) {})
	binder := i.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	i.addKeyed()
	i.addClient("service", storage.ClientService, func(c *storage.Client) { c.Scopes = []string{"read"} })
	// Clients and directories are in memory from now on.
	i.exchange("mini", mini.Login("warm")).wantOK(t)
	i.exchange("binder", binder.Login("warm")).wantOK(t)
	i.asserted(i.assertion()).wantOK(t)
	credentials := func() apiResponse {
		return i.send("service", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
	}
	credentials().wantOK(t)

	known := i.exchange("mini", mini.Login("alice")).wantOK(t)
	again := mini.Login("alice")
	i.exchange("mini", again).wantOK(t)
	ticket := i.profile("binder", "code", binder.Login("carol")).text("bind_ticket")
	assertion := i.assertion()
	people, sub := i.people(), known.sub(t)
	_, err := people.User(t.Context(), "default", sub)
	check(t, err)

	i.within([]budget{
		{"mini-program login, known user", func() apiResponse { return i.exchange("mini", mini.Login("alice")) }, 200, 3, 1},
		{"first login, OpenID and UnionID new", func() apiResponse { return i.exchange("mini", mini.Login("bob")) }, 200, 3, 4},
		{"repeat of a code", func() apiResponse { return i.exchange("mini", again) }, 200, 2, 0},
		{"registration_required", func() apiResponse { return i.profile("binder", "code", binder.Login("dave")) }, 400, 3, 1},
		{"bindUser register with ticket", func() apiResponse { return i.bindUser("binder", "method", "register", "bind_ticket", ticket) }, 200, 3, 4},
		{"refresh", func() apiResponse { return i.refresh("mini", known.text("refresh_token")) }, 200, 2, 1},
		{"UserInfo", func() apiResponse { return i.get("/oauth2/userinfo", known.text("access_token")) }, 200, 2, 0},
		{"introspection", func() apiResponse { return i.introspect("mini", known.text("access_token")) }, 200, 2, 0},
		{"client_credentials", credentials, 200, 0, 0},
		{"client_credentials by private_key_jwt", func() apiResponse { return i.asserted(assertion) }, 200, 0, 1},
		{"JWKS", func() apiResponse { return i.get("/oauth2/jwks", "") }, 200, 0, 0},
		{"discovery", func() apiResponse { return i.get("/.well-known/openid-configuration", "") }, 200, 0, 0},
		{"revoke", func() apiResponse { return i.revoke("mini", known.text("refresh_token")) }, 200, 1, 1},
		{"disable a user", func() apiResponse {
			check(t, people.Disable(t.Context(), "default", sub, identity.System))
			return apiResponse{}
		}, 0, 1, 1},
		{"enable a user, as an operator, which is recorded", func() apiResponse {
			check(t, people.Enable(t.Context(), "default", sub, identity.Operator("test")))
			return apiResponse{}
		}, 0, 1, 2},
	})
}

func TestBudget_BrowserRequests(t *testing.T) {
	t.Parallel()
	_, i := newDeployment(t, (*Server).ReplicaSet)
	i.addWeb()
	b := i.newBrowser()
	// Ann is signed in, has consented to the partner, and clients and directories are in memory from now on.
	b.code("partner")
	offline := i.redeem(b.code("web", "scope", "openid offline_access", "prompt", "consent")).wantOK(t)
	bound := i.redeem(b.code("web")).wantOK(t)
	unbound, code := i.authorize(), b.code("web")
	pushed := i.push("partner").text("request_uri")
	other := i.newBrowser()
	login := other.visit(i.authorizeURL("web"))

	i.within([]budget{
		{"sign-in with a password in a browser that is new", func() apiResponse { return other.submit(login) }, 200, 7, 1},
		{"authorize with a live session", func() apiResponse { return b.visit(i.authorizeURL("web")) }, 303, 2, 1},
		{"authorize with a live session and a consent", func() apiResponse { return b.visit(i.authorizeURL("partner")) }, 303, 3, 1},
		{"PAR", func() apiResponse { return i.push("partner") }, 201, 0, 1},
		{"authorize what was pushed", func() apiResponse {
			return b.visit(i.url + "/oauth2/authorize?" + url.Values{"client_id": {"partner"}, "request_uri": {pushed}}.Encode())
		}, 303, 4, 1},
		{"code to tokens", func() apiResponse { return i.redeem(unbound) }, 200, 2, 1},
		{"code to tokens, bound to a session", func() apiResponse { return i.redeem(code) }, 200, 3, 1},
		{"refresh, bound to a session", func() apiResponse { return i.refresh("web", bound.text("refresh_token")) }, 200, 3, 1},
		{"UserInfo, bound to a session", func() apiResponse { return i.get("/oauth2/userinfo", bound.text("access_token")) }, 200, 3, 0},
		{"introspection, bound to a session", func() apiResponse { return i.introspect("web", bound.text("access_token")) }, 200, 3, 0},
		{"introspection of a token that outlives the session", func() apiResponse { return i.introspect("web", offline.text("access_token")) }, 200, 2, 0},
		{"logout of a session with several grants", func() apiResponse {
			return b.visit(i.url + "/oauth2/logout?" + url.Values{"id_token_hint": {bound.text("id_token")}}.Encode())
		}, 200, 1, 1},
	})
	// The logout was one write: its grants are invalid without a write to them.
	if a := i.get("/oauth2/userinfo", bound.text("access_token")); a.status != 401 {
		t.Errorf("a token of the session that ended: %d %s", a.status, a.raw)
	}
	if a := b.visit(i.authorizeURL("web", "prompt", "none")); !strings.Contains(a.header.Get("Location"), "error=login_required") {
		t.Errorf("the browser is still signed in: %s", a.header.Get("Location"))
	}
}

// push pushes an authorization request (RFC 9126).
func (i *instance) push(client string) apiResponse {
	i.Helper()
	return i.send(client, "/oauth2/par", must(url.Parse(i.authorizeURL(client)))(i.T).Query())
}

func (i *instance) introspect(client, token string) apiResponse {
	i.Helper()
	return i.send(client, "/oauth2/introspect", url.Values{"token": {token}})
}
