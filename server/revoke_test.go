package server_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestRFC7009_2_1_RevokingAnyTokenEndsItsGrant(t *testing.T) {
	for _, shown := range []string{"access_token", "refresh_token"} {
		for _, hint := range []string{"", "access_token", "refresh_token", "unheard_of"} {
			t.Run(shown+" with hint "+hint, func(t *testing.T) {
				ts := newTestServer(t)
				login := ts.login("mini", "alice")
				other := ts.login("mini", "alice")
				a := ts.post("mini", "/oauth2/revoke", url.Values{"token": {login.member(shown)}, "token_type_hint": {hint}})
				if a.status != http.StatusOK || a.raw != "" || a.header.Get("Cache-Control") != "no-store" {
					t.Fatalf("got %d %q", a.status, a.raw)
				}
				if got := ts.refresh("mini", login.member("refresh_token")); got.member("error") != "invalid_grant" {
					t.Errorf("refresh: %d %s", got.status, got.raw)
				}
				if got := ts.userinfo(login.member("access_token")); got.status != http.StatusUnauthorized {
					t.Errorf("UserInfo: %d %s", got.status, got.raw)
				}
				if got := ts.userinfo(other.member("access_token")); got.status != http.StatusOK {
					t.Errorf("another grant of the same user ended: %d %s", got.status, got.raw)
				}
			})
		}
	}
}

func TestRFC7009_2_2_ATokenThatIsWorthNothingIsRevokedAlready(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	login := ts.login("mini", "alice")
	gone := ts.login("mini", "bob")
	ts.revoke("mini", gone.member("refresh_token"))
	writes := &operationCounter{}
	ts.engine.Before = writes.count
	for name, token := range map[string]string{
		"nonsense":              "x",
		"an unknown handle":     "mf_rt_x",
		"one revoked before":    gone.member("refresh_token"),
		"its access token":      gone.member("access_token"),
		"an ID token":           login.member("id_token"),
		"a token that was cut":  login.member("access_token")[:200],
		"another directory's":   ts.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(ts.acme.Login("alice"))).member("access_token"),
		"another kind's prefix": "mf_at_" + login.member("refresh_token")[6:],
	} {
		before := writes.writes
		if a := ts.revoke("mini", token); a.status != http.StatusOK || a.raw != "" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
		if writes.writes != before {
			t.Errorf("%s: something was written", name)
		}
	}
	ts.engine.Before = nil
	if a := ts.userinfo(login.member("access_token")); a.status != http.StatusOK {
		t.Errorf("something was revoked: %d %s", a.status, a.raw)
	}
}

func TestRFC7009_2_1_AnotherClientsTokenIsRefusedAndStaysAsItIs(t *testing.T) {
	ts := newServiceServer(t)
	ts.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	ts.addService("thief", func(c *storage.Client) { c.Introspection = true })
	login, handle, own := ts.login("mini", "alice"), ts.login("opaque", "alice"), ts.credentials("service")
	for name, token := range map[string]string{
		"a refresh token":      login.member("refresh_token"),
		"an access token":      login.member("access_token"),
		"an opaque token":      handle.member("access_token"),
		"a client's own token": own.member("access_token"),
	} {
		if a := ts.revoke("thief", token); a.status != http.StatusBadRequest || a.member("error") != "invalid_grant" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
		if a := ts.introspect("thief", token); name != "a refresh token" && a.body["active"] != true {
			t.Errorf("%s: it is inactive: %s", name, a.raw)
		}
	}
	if a := ts.refresh("mini", login.member("refresh_token")); a.status != http.StatusOK {
		t.Errorf("the refresh token is invalid: %d %s", a.status, a.raw)
	}
}

func TestRevoke_ClientRevokesOwnToken(t *testing.T) {
	ts := newServiceServer(t)
	ts.addService("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"service", "opaque"} {
		first, second := ts.credentials(client).member("access_token"), ts.credentials(client).member("access_token")
		for range 2 {
			if a := ts.revoke(client, first); a.status != http.StatusOK {
				t.Errorf("%s: got %d %s", client, a.status, a.raw)
			}
		}
		if a := ts.introspect(client, first); a.raw != inactive {
			t.Errorf("%s: the revoked one: %s", client, a.raw)
		}
		if a := ts.introspect(client, second); a.body["active"] != true {
			t.Errorf("%s: the other one: %s", client, a.raw)
		}
	}
	for _, record := range list[storage.RevokedToken](ts) {
		if left := record.ExpiresAt.Sub(ts.clock.Now()); left < 10*time.Minute || left > 12*time.Minute {
			t.Errorf("the revocation is stored for %v", left)
		}
	}
}

func TestRevoke_PublicClientUsesClientID(t *testing.T) {
	ts := newTestServer(t)
	login := ts.login("mini", "alice")
	ts.change("mini", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	ts.addService("other", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	token := url.QueryEscape(login.member("refresh_token"))
	if a := ts.send("/oauth2/revoke", "proof="+token); a.member("error") != "invalid_client" {
		t.Errorf("no client: got %d %s", a.status, a.raw)
	}
	if a := ts.send("/oauth2/revoke", "client_id=other&token="+token); a.status != http.StatusBadRequest {
		t.Errorf("another one: got %d %s", a.status, a.raw)
	}
	if a := ts.send("/oauth2/revoke", "client_id=mini&token="+token); a.status != http.StatusOK {
		t.Errorf("itself: got %d %s", a.status, a.raw)
	}
	if a := ts.userinfo(login.member("access_token")); a.status != http.StatusUnauthorized {
		t.Errorf("it was not revoked: %d", a.status)
	}
}

func TestRFC7009_2_2_1_WhatCouldNotBeRevokedIsNotSaidToBe(t *testing.T) {
	ts := newServiceServer(t)
	login := ts.login("mini", "alice")
	own := ts.credentials("service").member("access_token")
	ts.revoke("mini", "x")
	ts.revoke("service", "x")
	for name, row := range map[string]struct {
		client, token string
		kind          storage.Kind
	}{
		"a refresh token":      {"mini", login.member("refresh_token"), storage.KindGrant},
		"an access token":      {"mini", login.member("access_token"), storage.KindGrant},
		"a client's own token": {"service", own, storage.KindRevokedToken},
	} {
		ts.engine.Before = unavailable(row.kind)
		if a := ts.revoke(row.client, row.token); a.status != http.StatusServiceUnavailable || a.member("error") != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
		ts.engine.Before = nil
	}
	if a := ts.post("mini", "/oauth2/revoke", url.Values{}); a.status != http.StatusBadRequest || a.member("error") != "invalid_request" {
		t.Errorf("without token: got %d %s", a.status, a.raw)
	}
}

// A revocation and refreshes run concurrently on one grant: in every order, no token of it is valid afterwards.
func TestRevoke_ConcurrentRefreshLeavesNoToken(t *testing.T) {
	ts := newTestServer(t)
	login := ts.login("mini", "alice")
	instances := []*testServer{ts, ts.secondInstance()}
	var group sync.WaitGroup
	refreshed := make(chan response, 16)
	for i := range 16 {
		group.Go(func() {
			if i == 8 {
				if a := instances[0].revoke("mini", login.member("refresh_token")); a.status != http.StatusOK {
					t.Errorf("revoke: %d %s", a.status, a.raw)
				}
				return
			}
			refreshed <- instances[i%2].refresh("mini", login.member("refresh_token"))
		})
	}
	group.Wait()
	close(refreshed)
	for a := range refreshed {
		if a.status != http.StatusOK {
			continue
		}
		if got := ts.refresh("mini", a.member("refresh_token")); got.member("error") != "invalid_grant" {
			t.Errorf("a refresh token outlived the revocation: %d %s", got.status, got.raw)
		}
		if got := ts.introspect("mini", a.member("access_token")); got.raw != inactive {
			t.Errorf("an access token outlived the revocation: %s", got.raw)
		}
	}
}

func TestRevoke_UnknownOutcomeIsConfirmed(t *testing.T) {
	ts := newTestServer(t)
	login := ts.login("mini", "alice")
	ts.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		if o.Method == "Replace" {
			return storage.ErrUnavailable // It was executed.
		}
		return err
	}
	if a := ts.revoke("mini", login.member("refresh_token")); a.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	ts.engine.After = nil
	if a := ts.revoke("mini", login.member("refresh_token")); a.status != http.StatusOK {
		t.Errorf("again: %d %s", a.status, a.raw)
	}
	if a := ts.userinfo(login.member("access_token")); a.status != http.StatusUnauthorized {
		t.Errorf("it was not revoked: %d", a.status)
	}
}
