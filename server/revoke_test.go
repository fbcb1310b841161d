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
				w := newWorld(t)
				login := w.login("mini", "alice")
				other := w.login("mini", "alice")
				a := w.post("mini", "/oauth2/revoke", url.Values{"token": {login.text(shown)}, "token_type_hint": {hint}})
				if a.status != http.StatusOK || a.raw != "" || a.header.Get("Cache-Control") != "no-store" {
					t.Fatalf("got %d %q", a.status, a.raw)
				}
				if got := w.refresh("mini", login.text("refresh_token")); got.text("error") != "invalid_grant" {
					t.Errorf("refresh: %d %s", got.status, got.raw)
				}
				if got := w.userinfo(login.text("access_token")); got.status != http.StatusUnauthorized {
					t.Errorf("UserInfo: %d %s", got.status, got.raw)
				}
				if got := w.userinfo(other.text("access_token")); got.status != http.StatusOK {
					t.Errorf("another grant of the same user ended: %d %s", got.status, got.raw)
				}
			})
		}
	}
}

func TestRFC7009_2_2_ATokenThatIsWorthNothingIsRevokedAlready(t *testing.T) {
	w := newWorld(t)
	w.twoDirectories()
	login := w.login("mini", "alice")
	gone := w.login("mini", "bob")
	w.revoke("mini", gone.text("refresh_token"))
	writes := &tally{}
	w.engine.Before = writes.count
	for name, token := range map[string]string{
		"nonsense":              "x",
		"a made-up handle":      "mf_rt_x",
		"one revoked before":    gone.text("refresh_token"),
		"its access token":      gone.text("access_token"),
		"an ID token":           login.text("id_token"),
		"a token that was cut":  login.text("access_token")[:200],
		"another directory's":   w.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(w.acme.Login("alice"))).text("access_token"),
		"another kind's prefix": "mf_at_" + login.text("refresh_token")[6:],
	} {
		before := writes.writes
		if a := w.revoke("mini", token); a.status != http.StatusOK || a.raw != "" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
		if writes.writes != before {
			t.Errorf("%s: something was written", name)
		}
	}
	w.engine.Before = nil
	if a := w.userinfo(login.text("access_token")); a.status != http.StatusOK {
		t.Errorf("something was revoked: %d %s", a.status, a.raw)
	}
}

func TestRFC7009_2_1_AnotherClientsTokenIsRefusedAndStaysAsItIs(t *testing.T) {
	w := service(t)
	w.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	w.addService("thief", func(c *storage.Client) { c.Introspection = true })
	login, handle, own := w.login("mini", "alice"), w.login("opaque", "alice"), w.credentials("service")
	for name, token := range map[string]string{
		"a refresh token":      login.text("refresh_token"),
		"an access token":      login.text("access_token"),
		"an opaque token":      handle.text("access_token"),
		"a client's own token": own.text("access_token"),
	} {
		if a := w.revoke("thief", token); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
		if a := w.introspect("thief", token); name != "a refresh token" && a.body["active"] != true {
			t.Errorf("%s: it is not active any more: %s", name, a.raw)
		}
	}
	if a := w.refresh("mini", login.text("refresh_token")); a.status != http.StatusOK {
		t.Errorf("the refresh token is gone: %d %s", a.status, a.raw)
	}
}

func TestAClientRevokesATokenOfItsOwn(t *testing.T) {
	w := service(t)
	w.addService("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"service", "opaque"} {
		first, second := w.credentials(client).text("access_token"), w.credentials(client).text("access_token")
		for range 2 {
			if a := w.revoke(client, first); a.status != http.StatusOK {
				t.Errorf("%s: got %d %s", client, a.status, a.raw)
			}
		}
		if a := w.introspect(client, first); a.raw != inactive {
			t.Errorf("%s: the revoked one: %s", client, a.raw)
		}
		if a := w.introspect(client, second); a.body["active"] != true {
			t.Errorf("%s: the other one: %s", client, a.raw)
		}
	}
	for _, record := range list[storage.RevokedToken](w) {
		if left := record.ExpiresAt.Sub(w.clock.Now()); left < 10*time.Minute || left > 12*time.Minute {
			t.Errorf("the revocation is kept for %v", left)
		}
	}
}

func TestAPublicClientRevokesByItsClientID(t *testing.T) {
	w := newWorld(t)
	login := w.login("mini", "alice")
	w.change("mini", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	w.addService("other", func(c *storage.Client) { c.AuthMethod, c.Secrets = "none", nil })
	token := url.QueryEscape(login.text("refresh_token"))
	if a := w.send("/oauth2/revoke", "proof="+token); a.text("error") != "invalid_client" {
		t.Errorf("nobody: got %d %s", a.status, a.raw)
	}
	if a := w.send("/oauth2/revoke", "client_id=other&token="+token); a.status != http.StatusBadRequest {
		t.Errorf("another one: got %d %s", a.status, a.raw)
	}
	if a := w.send("/oauth2/revoke", "client_id=mini&token="+token); a.status != http.StatusOK {
		t.Errorf("itself: got %d %s", a.status, a.raw)
	}
	if a := w.userinfo(login.text("access_token")); a.status != http.StatusUnauthorized {
		t.Errorf("it was not revoked: %d", a.status)
	}
}

func TestRFC7009_2_2_1_WhatCouldNotBeRevokedIsNotSaidToBe(t *testing.T) {
	w := service(t)
	login := w.login("mini", "alice")
	own := w.credentials("service").text("access_token")
	w.revoke("mini", "x")
	w.revoke("service", "x")
	for name, row := range map[string]struct {
		client, token string
		kind          storage.Kind
	}{
		"a refresh token":      {"mini", login.text("refresh_token"), storage.KindGrant},
		"an access token":      {"mini", login.text("access_token"), storage.KindGrant},
		"a client's own token": {"service", own, storage.KindRevokedToken},
	} {
		w.engine.Before = unavailable(row.kind)
		if a := w.revoke(row.client, row.token); a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
		w.engine.Before = nil
	}
	if a := w.post("mini", "/oauth2/revoke", url.Values{}); a.status != http.StatusBadRequest || a.text("error") != "invalid_request" {
		t.Errorf("without token: got %d %s", a.status, a.raw)
	}
}

// A revocation and refreshes race on one grant: whoever is first, nothing of it is good afterwards.
func TestAfterARacingRevocationNoTokenOfTheGrantIsGood(t *testing.T) {
	w := newWorld(t)
	login := w.login("mini", "alice")
	instances := []*world{w, w.secondInstance()}
	var group sync.WaitGroup
	refreshed := make(chan answer, 16)
	for i := range 16 {
		group.Go(func() {
			if i == 8 {
				if a := instances[0].revoke("mini", login.text("refresh_token")); a.status != http.StatusOK {
					t.Errorf("revoke: %d %s", a.status, a.raw)
				}
				return
			}
			refreshed <- instances[i%2].refresh("mini", login.text("refresh_token"))
		})
	}
	group.Wait()
	close(refreshed)
	for a := range refreshed {
		if a.status != http.StatusOK {
			continue
		}
		if got := w.refresh("mini", a.text("refresh_token")); got.text("error") != "invalid_grant" {
			t.Errorf("a refresh token outlived the revocation: %d %s", got.status, got.raw)
		}
		if got := w.introspect("mini", a.text("access_token")); got.raw != inactive {
			t.Errorf("an access token outlived the revocation: %s", got.raw)
		}
	}
}

func TestARevocationWhoseAnswerWasLostIsDone(t *testing.T) {
	w := newWorld(t)
	login := w.login("mini", "alice")
	w.engine.After = func(_ context.Context, o storagetest.Operation, err error) error {
		if o.Method == "Replace" {
			return storage.ErrUnavailable // It was executed.
		}
		return err
	}
	if a := w.revoke("mini", login.text("refresh_token")); a.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	w.engine.After = nil
	if a := w.revoke("mini", login.text("refresh_token")); a.status != http.StatusOK {
		t.Errorf("again: %d %s", a.status, a.raw)
	}
	if a := w.userinfo(login.text("access_token")); a.status != http.StatusUnauthorized {
		t.Errorf("it was not revoked: %d", a.status)
	}
}
