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

// Without its store the server says 503 and when to come back, wherever it has to ask the store; it publishes its keys and its
// metadata; it spends no code; and it goes on when the store is back, without a restart.
func TestWithoutTheStoreTheServerAnswers503AndGoesOnWhenItIsBack(t *testing.T) {
	c := newClock()
	h := houseOn(newWorldOn(t, c, engines()["sqlite"](t, c)))
	h.change("shop", func(c *storage.Client) { c.FirstParty = true })
	h.addService("service", func(*storage.Client) {})
	h.addService("handles", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	h.addPerson("wanda")
	known := h.login("mini", "alice")
	authorizationCode := h.codeFor("wanda", "openid")
	code := h.app("mini").Login("alice")
	h.credentials("handles")
	h.get(h.url + "/oauth2/jwks")

	requests := map[string]func() answer{
		"login":              func() answer { return h.exchange("mini", code) },
		"profile":            func() answer { return h.profile("mini", map[string]any{"code": code}) },
		"bindUser":           func() answer { return h.bindUser("mini", map[string]any{"method": "register", "code": code}) },
		"refresh":            func() answer { return h.refresh("mini", known.text("refresh_token")) },
		"code":               func() answer { return h.redeem("shop", authorizationCode, "redirect_uri", shopRedirect) },
		"client_credentials": func() answer { return h.credentials("handles") },
		"UserInfo":           func() answer { return h.userinfo(known.text("access_token")) },
		"introspection":      func() answer { return h.introspect("mini", known.text("access_token")) },
		"revocation":         func() answer { return h.revoke("mini", known.text("refresh_token")) },
		"pushed request": func() answer {
			return h.post("shop", "/oauth2/par", url.Values{"client_id": {"shop"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {shopRedirect}})
		},
	}
	for name, age := range map[string]time.Duration{"at once": 0, "when its copies are old": time.Minute} {
		c.Advance(age)
		h.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
		var calls sync.WaitGroup
		for request, send := range requests {
			calls.Go(func() {
				a := send()
				if a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" || a.text("reason") != "retry" || a.header.Get("Retry-After") == "" {
					t.Errorf("%s, %s: got %d %s", request, name, a.status, a.raw)
				}
			})
		}
		calls.Wait()
		for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks"} {
			if a := h.get(h.url + path); a.status != http.StatusOK || !strings.Contains(a.raw, "{") {
				t.Errorf("%s, %s: got %d %s", path, name, a.status, a.raw)
			}
		}
		h.engine.Before = nil
	}
	if n := h.sim.TimesSent(code); n != 0 {
		t.Errorf("the code of a login that could not be stored was sent %d times", n)
	}
	for _, request := range []string{"login", "UserInfo", "introspection", "refresh", "client_credentials", "pushed request", "revocation"} {
		if a := requests[request](); a.status != http.StatusOK && a.status != http.StatusCreated {
			t.Errorf("%s afterwards: got %d %s", request, a.status, a.raw)
		}
	}
	if a := h.redeem("shop", h.codeFor("wanda", "openid"), "redirect_uri", shopRedirect); a.status != http.StatusOK {
		t.Errorf("a sign-in afterwards: got %d %s", a.status, a.raw)
	}
}
