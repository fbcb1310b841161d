package server_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// tally counts the operations that reach the engine.
type tally struct {
	mu            sync.Mutex
	reads, writes int
	lists         int
	operations    []storagetest.Operation
}

func (c *tally) count(_ context.Context, o storagetest.Operation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.operations = append(c.operations, o)
	switch {
	case o.Write():
		c.writes++
	case o.Method == "List":
		c.lists++
	default:
		c.reads++
	}
	return nil
}

func TestRequestsStayWithinTheirBudgetOfDatabaseOperations(t *testing.T) {
	w := newWorld(t)
	w.addTwins()
	platform := func(c *storage.Client) {
		c.Federation.OpenPlatform, c.Federation.Provisioning = "platform", storage.ProvisionBind
	}
	w.addMiniProgram("binder", platform).BindOpenPlatform("platform")
	for _, client := range []string{"mini", "twin1", "binder"} {
		w.warm(client) // Clients and directories are in memory from now on.
	}
	known, spare := w.login("mini", "alice"), w.login("mini", "alice")
	w.addService("service", func(*storage.Client) {})
	w.addService("handles", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	w.addKeyed("keyed", signers()["ES256"])
	own := w.credentials("service").text("access_token")
	w.credentials("handles")
	w.asserted("/oauth2/token", signers()["ES256"].sign(t, w.assertionClaims("keyed"), nil), ownGrant())
	repeated := w.app("mini").Login("alice")
	w.exchange("mini", repeated)
	ticket := w.ticket("binder", "carol")

	for _, row := range []struct {
		request       string
		do            func() answer
		status        int
		reads, writes int
	}{
		{"mini-program login, known user", func() answer { return w.exchange("mini", w.app("mini").Login("alice")) }, 200, 3, 1},
		{"first login, OpenID and UnionID new", func() answer { return w.exchange("twin1", w.app("twin1").Login("bob")) }, 200, 3, 4},
		{"login after it, known by both", func() answer { return w.exchange("twin1", w.app("twin1").Login("bob")) }, 200, 3, 1},
		{"repeat of a code", func() answer { return w.exchange("mini", repeated) }, 200, 2, 0},
		{"registration_required", func() answer { return w.exchange("binder", w.app("binder").Login("dave")) }, 400, 3, 1},
		{"bindUser register with ticket", func() answer {
			return w.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket})
		}, 200, 3, 4},
		{"profile, known user", func() answer { return w.profile("mini", map[string]any{"code": w.app("mini").Login("alice")}) }, 200, 3, 1},
		{"refresh", func() answer { return w.refresh("mini", known.text("refresh_token")) }, 200, 2, 1},
		{"UserInfo", func() answer { return w.userinfo(known.text("access_token")) }, 200, 2, 0},
		{"client_credentials", func() answer { return w.credentials("service") }, 200, 0, 0},
		{"client_credentials, opaque", func() answer { return w.credentials("handles") }, 200, 0, 1},
		{"client_credentials with private_key_jwt", func() answer {
			return w.asserted("/oauth2/token", signers()["ES256"].sign(t, w.assertionClaims("keyed"), nil), ownGrant())
		}, 200, 0, 1},
		{"an assertion that is forged", func() answer { return w.asserted("/oauth2/token", "x.y.z", ownGrant()) }, 400, 0, 0},
		{"introspection", func() answer { return w.introspect("mini", known.text("access_token")) }, 200, 2, 0},
		{"introspection of a client's own token", func() answer { return w.introspect("service", own) }, 200, 1, 0},
		{"introspection of a refresh token", func() answer { return w.introspect("binder", known.text("refresh_token")) }, 200, 2, 0},
		{"introspection of a made-up token", func() answer { return w.introspect("mini", "mf_at_x") }, 200, 0, 0},
		{"revocation", func() answer { return w.revoke("mini", spare.text("refresh_token")) }, 200, 1, 1},
		{"revocation by an access token", func() answer { return w.revoke("mini", known.text("access_token")) }, 200, 1, 1},
		{"revocation of a client's own token", func() answer { return w.revoke("service", own) }, 200, 0, 1},
		{"JWKS", func() answer { return w.get(w.url + "/oauth2/jwks") }, 200, 0, 0},
		{"discovery", func() answer { return w.get(w.url + "/.well-known/openid-configuration") }, 200, 0, 0},
		{"an unknown path", func() answer { return w.get(w.url + "/nothing") }, 404, 0, 0},
		{"a refresh token that is made up", func() answer { return w.refresh("mini", "mf_rt_x") }, 400, 0, 0},
		{"an access token that is made up", func() answer { return w.userinfo("x.y.z") }, 401, 0, 0},
	} {
		t.Run(row.request, func(t *testing.T) {
			counted := &tally{}
			w.engine.Before = counted.count
			a := row.do()
			w.engine.Before = nil
			if a.status != row.status {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			if counted.reads > row.reads || counted.writes > row.writes || counted.lists > 0 {
				t.Errorf("%d reads, %d writes, %d lists; the budget is %d and %d: %v",
					counted.reads, counted.writes, counted.lists, row.reads, row.writes, counted.operations)
			}
		})
	}
}

// warm brings what a client's requests keep in memory there.
func (w *world) warm(client string) {
	w.Helper()
	if a := w.exchange(client, w.app(client).Login("warm")); a.status != http.StatusOK && a.text("error") != "registration_required" {
		w.Fatalf("got %d %s", a.status, a.raw)
	}
}
