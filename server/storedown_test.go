package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// Without its store the server returns 503 and Retry-After at every endpoint that needs the store. It still publishes its keys
// and its metadata, spends no code, and continues without a restart when the store is back.
func TestStoreDown_Returns503UntilStoreIsBack(t *testing.T) {
	c := newClock()
	ts := pageTestServerOn(newTestServerOn(t, c, engines()["sqlite"](t, c)))
	ts.change("shop", func(c *storage.Client) { c.FirstParty = true })
	ts.addService("service", func(*storage.Client) {})
	ts.addService("handles", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	ts.addPasswordUser("wanda")
	known := ts.login("mini", "alice")
	authorizationCode := ts.codeOf("wanda", "openid")
	code := ts.app("mini").Login("alice")
	ts.credentials("handles")
	ts.get(ts.url + "/oauth2/jwks")

	requests := map[string]func() response{
		"login":              func() response { return ts.exchange("mini", code) },
		"profile":            func() response { return ts.profile("mini", map[string]any{"code": code}) },
		"bindUser":           func() response { return ts.bindUser("mini", map[string]any{"method": "register", "code": code}) },
		"refresh":            func() response { return ts.refresh("mini", known.member("refresh_token")) },
		"code":               func() response { return ts.redeem("shop", authorizationCode, "redirect_uri", shopRedirect) },
		"client_credentials": func() response { return ts.credentials("handles") },
		"UserInfo":           func() response { return ts.userinfo(known.member("access_token")) },
		"introspection":      func() response { return ts.introspect("mini", known.member("access_token")) },
		"revocation":         func() response { return ts.revoke("mini", known.member("refresh_token")) },
		"pushed request": func() response {
			return ts.post("shop", "/oauth2/par", url.Values{"client_id": {"shop"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {shopRedirect}})
		},
	}
	for name, age := range map[string]time.Duration{"at once": 0, "when its copies are old": time.Minute} {
		c.Advance(age)
		ts.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
		var calls sync.WaitGroup
		for request, send := range requests {
			calls.Go(func() {
				a := send()
				if a.status != http.StatusServiceUnavailable || a.member("error") != "temporarily_unavailable" || a.member("reason") != "retry" || a.header.Get("Retry-After") == "" {
					t.Errorf("%s, %s: got %d %s", request, name, a.status, a.raw)
				}
			})
		}
		calls.Wait()
		for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks"} {
			if a := ts.get(ts.url + path); a.status != http.StatusOK || !strings.Contains(a.raw, "{") {
				t.Errorf("%s, %s: got %d %s", path, name, a.status, a.raw)
			}
		}
		ts.engine.Before = nil
	}
	if n := ts.sim.TimesSent(code); n != 0 {
		t.Errorf("the code of a login that could not be stored was sent %d times", n)
	}
	for _, request := range []string{"login", "UserInfo", "introspection", "refresh", "client_credentials", "pushed request", "revocation"} {
		if a := requests[request](); a.status != http.StatusOK && a.status != http.StatusCreated {
			t.Errorf("%s afterwards: got %d %s", request, a.status, a.raw)
		}
	}
	if a := ts.redeem("shop", ts.codeOf("wanda", "openid"), "redirect_uri", shopRedirect); a.status != http.StatusOK {
		t.Errorf("a sign-in afterwards: got %d %s", a.status, a.raw)
	}
}
