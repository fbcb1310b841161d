package server_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// operationCounter counts the operations that reach the engine.
type operationCounter struct {
	mu            sync.Mutex
	reads, writes int
	lists         int
	operations    []storagetest.Operation
}

func (c *operationCounter) count(_ context.Context, o storagetest.Operation) error {
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

func TestRequests_StayWithinStoreBudget(t *testing.T) {
	ts := newTestServer(t)
	ts.addTwins()
	platform := func(c *storage.Client) {
		c.Federation.OpenPlatform, c.Federation.Provisioning = "platform", storage.ProvisionBind
	}
	ts.addMiniProgram("binder", platform).BindOpenPlatform("platform")
	for _, client := range []string{"mini", "twin1", "binder"} {
		ts.warmCaches(client) // Clients and directories are in memory from now on.
	}
	known, spare := ts.login("mini", "alice"), ts.login("mini", "alice")
	ts.addService("service", func(*storage.Client) {})
	ts.addService("handles", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	ts.addPrivateKeyClient("keyed", signers()["ES256"])
	own := ts.credentials("service").member("access_token")
	ts.credentials("handles")
	ts.postWithAssertion("/oauth2/token", signers()["ES256"].sign(t, ts.assertionClaims("keyed"), nil), ownGrant())
	repeated := ts.app("mini").Login("alice")
	ts.exchange("mini", repeated)
	ticket := ts.ticket("binder", "carol")

	for _, row := range []struct {
		request       string
		do            func() response
		status        int
		reads, writes int
	}{
		{"mini-program login, known user", func() response { return ts.exchange("mini", ts.app("mini").Login("alice")) }, 200, 3, 1},
		{"first login, OpenID and UnionID new", func() response { return ts.exchange("twin1", ts.app("twin1").Login("bob")) }, 200, 3, 4},
		{"login after it, known by both", func() response { return ts.exchange("twin1", ts.app("twin1").Login("bob")) }, 200, 3, 1},
		{"repeat of a code", func() response { return ts.exchange("mini", repeated) }, 200, 2, 0},
		{"registration_required", func() response { return ts.exchange("binder", ts.app("binder").Login("dave")) }, 400, 3, 1},
		{"bindUser register with ticket", func() response {
			return ts.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket})
		}, 200, 3, 4},
		{"profile, known user", func() response { return ts.profile("mini", map[string]any{"code": ts.app("mini").Login("alice")}) }, 200, 3, 1},
		{"refresh", func() response { return ts.refresh("mini", known.member("refresh_token")) }, 200, 2, 1},
		{"UserInfo", func() response { return ts.userinfo(known.member("access_token")) }, 200, 2, 0},
		{"client_credentials", func() response { return ts.credentials("service") }, 200, 0, 0},
		{"client_credentials, opaque", func() response { return ts.credentials("handles") }, 200, 0, 1},
		{"client_credentials with private_key_jwt", func() response {
			return ts.postWithAssertion("/oauth2/token", signers()["ES256"].sign(t, ts.assertionClaims("keyed"), nil), ownGrant())
		}, 200, 0, 1},
		{"an assertion that is forged", func() response { return ts.postWithAssertion("/oauth2/token", "x.y.z", ownGrant()) }, 400, 0, 0},
		{"introspection", func() response { return ts.introspect("mini", known.member("access_token")) }, 200, 2, 0},
		{"introspection of a client's own token", func() response { return ts.introspect("service", own) }, 200, 1, 0},
		{"introspection of a refresh token", func() response { return ts.introspect("binder", known.member("refresh_token")) }, 200, 2, 0},
		{"introspection of an unknown token", func() response { return ts.introspect("mini", "mf_at_x") }, 200, 0, 0},
		{"revocation", func() response { return ts.revoke("mini", spare.member("refresh_token")) }, 200, 1, 1},
		{"revocation by an access token", func() response { return ts.revoke("mini", known.member("access_token")) }, 200, 1, 1},
		{"revocation of a client's own token", func() response { return ts.revoke("service", own) }, 200, 0, 1},
		{"JWKS", func() response { return ts.get(ts.url + "/oauth2/jwks") }, 200, 0, 0},
		{"discovery", func() response { return ts.get(ts.url + "/.well-known/openid-configuration") }, 200, 0, 0},
		{"an unknown path", func() response { return ts.get(ts.url + "/nothing") }, 404, 0, 0},
		{"an unknown refresh token", func() response { return ts.refresh("mini", "mf_rt_x") }, 400, 0, 0},
		{"an unknown access token", func() response { return ts.userinfo("x.y.z") }, 401, 0, 0},
	} {
		t.Run(row.request, func(t *testing.T) {
			counted := &operationCounter{}
			ts.engine.Before = counted.count
			a := row.do()
			ts.engine.Before = nil
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

// unseeingEngine is an engine that knows of no document, as if another process had inserted all of them.
type unseeingEngine struct{ storage.Engine }

func (unseeingEngine) Unseen(storage.Kind, string, time.Duration) bool { return true }

// A code that the process has not seen is exchanged without a search for an earlier request. If there was one, WeChat says so.
func TestExchange_DoesNotSearchUnseenCode(t *testing.T) {
	ts := newTestServer(t).withConfig(func(c *server.Config) { c.Engine, c.SingleProcess = unseeingEngine{c.Engine}, true })
	ts.warmCaches("mini")
	ts.login("mini", "alice")
	counted, code := &operationCounter{}, ts.app("mini").Login("alice")
	ts.engine.Before = counted.count
	first := ts.exchange("mini", code)
	ts.engine.Before = nil
	if first.status != http.StatusOK || counted.reads != 2 || counted.writes != 1 {
		t.Errorf("%d %s after %d reads and %d writes", first.status, first.raw, counted.reads, counted.writes)
	}
	if again := ts.exchange("mini", code); again.status != http.StatusOK || again.member("refresh_token") != first.member("refresh_token") {
		t.Errorf("the repeat gets %d %s", again.status, again.raw)
	}
}

// warmCaches loads what a client's requests cache in memory.
func (ts *testServer) warmCaches(client string) {
	ts.Helper()
	if a := ts.exchange(client, ts.app(client).Login("warm")); a.status != http.StatusOK && a.member("error") != "registration_required" {
		ts.Fatalf("got %d %s", a.status, a.raw)
	}
}
