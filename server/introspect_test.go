package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func (ts *testServer) introspect(client, token string, further ...string) response {
	ts.Helper()
	form := url.Values{"token": {token}}
	for i := 0; i < len(further); i += 2 {
		form.Add(further[i], further[i+1])
	}
	return ts.post(client, "/oauth2/introspect", form)
}

func (ts *testServer) revoke(client, token string) response {
	ts.Helper()
	return ts.post(client, "/oauth2/revoke", url.Values{"token": {token}})
}

// unavailable returns a hook that fails every operation on a kind.
func unavailable(kind storage.Kind) func(context.Context, storagetest.Operation) error {
	return func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == kind {
			return storage.ErrUnavailable
		}
		return nil
	}
}

const inactive = `{"active":false}`

func TestRFC7662_2_2_WhatIsSaidOfAnAccessToken(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"mini", "opaque"} {
		login := ts.login(client, "alice", "scope", "openid orders")
		issued := ts.clock.Now().Unix()
		a := ts.introspect(client, login.member("access_token"))
		if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: got %d %v %s", client, a.status, a.header, a.raw)
		}
		for member, want := range map[string]any{
			"active": true, "iss": ts.url, "sub": ts.sub(login), "client_id": client, "aud": ts.url, "scope": "openid orders",
			"token_type": "Bearer", "iat": float64(issued), "auth_time": float64(issued),
		} {
			if a.body[member] != want {
				t.Errorf("%s: %s is %v, want %v", client, member, a.body[member], want)
			}
		}
		if life := a.body["exp"].(float64) - float64(issued); life < 600 || life > 601 {
			t.Errorf("%s: exp is in %v s", client, life)
		}
		if id, _ := a.body["jti"].(string); id == "" {
			t.Errorf("%s: no jti", client)
		}
		if _, has := a.body["username"]; has {
			t.Errorf("%s: a username without the scope profile: %s", client, a.raw)
		}
	}
}

func TestIntrospection_UsernameRequiresScopeProfile(t *testing.T) {
	ts := newTestServer(t)
	login := ts.login("mini", "alice")
	must(ts.identityService().SetUsername(t.Context(), "default", ts.sub(login), "Alice", "system"))(t)
	if a := ts.introspect("mini", login.member("access_token")); a.member("username") != "Alice" {
		t.Errorf("got %s", a.raw)
	}
	bare := ts.login("mini", "alice", "scope", "openid")
	if a := ts.introspect("mini", bare.member("access_token")); a.body["active"] != true || a.body["username"] != nil {
		t.Errorf("without the scope: %s", a.raw)
	}
}

func TestRFC7662_4_ATokenIsSpokenOfToThoseItConcernsAlone(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"mini", "opaque"} {
		ts.change(client, func(c *storage.Client) { c.Audiences = []string{"shop"} })
	}
	ts.addService("shop", func(*storage.Client) {})
	ts.addService("unrelated", func(*storage.Client) {})
	ts.addService("gateway", func(c *storage.Client) { c.Introspection = true })
	for _, client := range []string{"mini", "opaque"} {
		login := ts.login(client, "alice", "audience", "shop")
		for asking, active := range map[string]bool{client: true, "shop": true, "gateway": true, "unrelated": false} {
			a := ts.introspect(asking, login.member("access_token"))
			if a.status != http.StatusOK || a.body["active"] != active || !active && a.raw != inactive {
				t.Errorf("%s introspects %s's access token: %d %s", asking, client, a.status, a.raw)
			}
			refresh := ts.introspect(asking, login.member("refresh_token"))
			if mine := asking == client; refresh.body["active"] != mine || !mine && refresh.raw != inactive {
				t.Errorf("%s introspects %s's refresh token: %d %s", asking, client, refresh.status, refresh.raw)
			}
		}
	}
}

// TestIntrospection_LogNamesPermission: the client only gets that the token is not active.
func TestIntrospection_LogNamesPermission(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addService("other", func(*storage.Client) {})
	token := ts.newBrowser().flow("web").member("access_token")
	if got := ts.introspect("other", token); got.raw != inactive {
		t.Errorf("got %s", got.raw)
	}
	if log := ts.log.String(); strings.Count(log, "--introspection") != 1 || strings.Contains(log, token) {
		t.Errorf("log: %s", log)
	}
}

func TestIntrospection_RefreshTokenIsNotAccessToken(t *testing.T) {
	ts := newTestServer(t)
	login := ts.login("mini", "alice")
	a := ts.introspect("mini", login.member("refresh_token"))
	if a.body["active"] != true || a.member("sub") != ts.sub(login) || a.member("client_id") != "mini" || a.body["exp"] == nil {
		t.Errorf("got %s", a.raw)
	}
	for _, member := range []string{"token_type", "aud", "jti", "iat"} {
		if a.body[member] != nil {
			t.Errorf("it has %s: %s", member, a.raw)
		}
	}
	refreshed := ts.refresh("mini", login.member("refresh_token"))
	if old := ts.introspect("mini", login.member("refresh_token")); old.raw != inactive {
		t.Errorf("a token that was rotated: %s", old.raw)
	}
	ts.clock.Advance(time.Minute)
	if old := ts.introspect("mini", login.member("refresh_token")); old.raw != inactive {
		t.Errorf("a token that was rotated: %s", old.raw)
	}
	if next := ts.introspect("mini", refreshed.member("refresh_token")); next.body["active"] != true {
		t.Errorf("asking about an old token ended the grant: %s", next.raw)
	}
	ts.clock.Advance(8 * 24 * time.Hour)
	if late := ts.introspect("mini", refreshed.member("refresh_token")); late.raw != inactive {
		t.Errorf("a token that lay too long: %s", late.raw)
	}
}

func TestIntrospection_EndedTokenIsInactive(t *testing.T) {
	for name, end := range map[string]func(ts *testServer, login response){
		"the user is disabled":     func(ts *testServer, login response) { ts.disable(ts.sub(login)) },
		"the client is disabled":   func(ts *testServer, _ response) { ts.change("mini", func(c *storage.Client) { c.Disabled = true }) },
		"the token is revoked":     func(ts *testServer, login response) { ts.revoke("mini", login.member("access_token")) },
		"the grant is revoked":     func(ts *testServer, login response) { ts.revoke("mini", login.member("refresh_token")) },
		"the access token expired": func(ts *testServer, _ response) { ts.clock.Advance(11 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			ts := newTestServer(t)
			ts.addService("gateway", func(c *storage.Client) { c.Introspection = true })
			ts.change("mini", func(c *storage.Client) { c.Lifetimes.RefreshIdle = 60 })
			ts.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
			login := ts.login("mini", "alice")
			if a := ts.introspect("gateway", login.member("access_token")); a.body["active"] != true {
				t.Fatalf("before: %s", a.raw)
			}
			end(ts, login)
			if a := ts.introspect("gateway", login.member("access_token")); a.status != http.StatusOK || a.raw != inactive {
				t.Errorf("after: %d %s", a.status, a.raw)
			}
		})
	}
}

func TestIntrospection_OtherTokensAreInactive(t *testing.T) {
	ts := newTestServer(t)
	ts.twoDirectories()
	ts.addService("gateway", func(c *storage.Client) { c.Introspection = true })
	login := ts.login("mini", "alice")
	access := login.member("access_token")
	ts.addBinder()
	foreign := ts.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(ts.acme.Login("alice"))).member("access_token")
	if foreign == "" {
		t.Fatal("no token of the other directory")
	}
	for name, token := range map[string]string{
		"an ID token":                       login.member("id_token"),
		"a token of another directory":      foreign,
		"a bind ticket":                     ts.ticket("binder", "carol"),
		"an access token that was cut":      access[:len(access)-3],
		"an access token with a line break": access + "\n",
		"a refresh token that was cut":      login.member("refresh_token")[:30],
		"a refresh token with other prefix": "mf_at_" + strings.TrimPrefix(login.member("refresh_token"), "mf_rt_"),
		"an unknown handle":                 "mf_at_x",
		"an unknown prefix":                 "mf_xx_" + login.member("refresh_token")[6:],
		"an unsigned token":                 "eyJhbGciOiJub25lIn0.e30.",
		"nonsense":                          "x",
		"20 KB":                             strings.Repeat("x", 20<<10),
		"the authorization header's whole":  "Bearer " + access,
		"a wx.login code":                   ts.app("mini").Login("alice"),
		"the secret of the calling client":  secretOfMini,
	} {
		t.Run(name, func(t *testing.T) {
			for _, hint := range []string{"", "access_token", "refresh_token", "unheard_of"} {
				if a := ts.introspect("gateway", token, "token_type_hint", hint); a.status != http.StatusOK || a.raw != inactive {
					t.Errorf("hint %q: %d %s", hint, a.status, a.raw)
				}
			}
		})
	}
	if a := ts.introspect("gateway", access, "token_type_hint", "refresh_token"); a.body["active"] != true {
		t.Errorf("a wrong hint hides a token: %s", a.raw)
	}
}

func TestRFC7662_2_1_WhoAsksHasToAuthenticate(t *testing.T) {
	ts := newTestServer(t)
	ts.addService("spa", func(c *storage.Client) { c.Kind, c.AuthMethod, c.Secrets = storage.ClientSPA, "none", nil })
	token := ts.login("mini", "alice").member("access_token")
	for name, a := range map[string]response{
		"nobody":          ts.send("/oauth2/introspect", "proof="+token),
		"a wrong secret":  ts.send("/oauth2/introspect", "proof="+token, "Authorization", basic("mini", "wrong")),
		"a public client": ts.send("/oauth2/introspect", "client_id=spa&token="+token),
		"a bearer token":  ts.send("/oauth2/introspect", "proof="+token, "Authorization", "Bearer "+token),
	} {
		if a.status != http.StatusUnauthorized || a.member("error") != "invalid_client" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
	}
	for name, a := range map[string]response{
		"no token":           ts.post("mini", "/oauth2/introspect", url.Values{}),
		"two tokens":         ts.post("mini", "/oauth2/introspect", url.Values{"token": {token, token}}),
		"a token in the URL": ts.post("mini", "/oauth2/introspect?token="+token, url.Values{"token": {token}}),
	} {
		if a.status != http.StatusBadRequest || a.member("error") != "invalid_request" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
	}
	if a := ts.get(ts.url + "/oauth2/introspect?token=" + token); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d", a.status)
	}
}

func TestIntrospection_StoreDownIsAnError(t *testing.T) {
	ts := newServiceServer(t)
	ts.addService("gateway", func(c *storage.Client) { c.Introspection = true })
	login := ts.login("mini", "alice")
	own := ts.credentials("service").member("access_token")
	ts.introspect("gateway", own)
	for _, kind := range []storage.Kind{storage.KindGrant, storage.KindUser} {
		ts.engine.Before = unavailable(kind)
		if a := ts.introspect("gateway", login.member("access_token")); a.status != http.StatusServiceUnavailable || a.member("error") != "temporarily_unavailable" {
			t.Errorf("%s: got %d %s", kind, a.status, a.raw)
		}
	}
	ts.engine.Before = unavailable(storage.KindRevokedToken)
	if a := ts.introspect("gateway", own); a.status != http.StatusServiceUnavailable {
		t.Errorf("a client's own token: got %d %s", a.status, a.raw)
	}
}

func TestIntrospection_ClientTokenIsActiveWhileClientIsEnabled(t *testing.T) {
	ts := newServiceServer(t)
	ts.addService("gateway", func(c *storage.Client) { c.Introspection = true })
	token := ts.credentials("service").member("access_token")
	a := ts.introspect("gateway", token)
	if a.body["active"] != true || a.member("sub") != "service" || a.member("client_id") != "service" || a.member("scope") != "orders" {
		t.Errorf("got %s", a.raw)
	}
	ts.change("service", func(c *storage.Client) { c.Disabled = true })
	if a := ts.introspect("gateway", token); a.raw != inactive {
		t.Errorf("of a disabled client: %s", a.raw)
	}
}

func TestIntrospection_AcceptsOpaqueAccessTokens(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	login := ts.login("opaque", "alice")
	token := login.member("access_token")
	if !strings.HasPrefix(token, "mf_at_") {
		t.Fatalf("it is not opaque: %s", token)
	}
	if a := ts.userinfo(token); a.status != http.StatusOK || a.member("sub") != ts.sub(login) {
		t.Errorf("UserInfo: %d %s", a.status, a.raw)
	}
	refreshed := ts.refresh("opaque", login.member("refresh_token"))
	if a := ts.introspect("opaque", refreshed.member("access_token")); a.body["active"] != true {
		t.Errorf("after a refresh: %s", a.raw)
	}
	if a := ts.revoke("opaque", token); a.status != http.StatusOK {
		t.Errorf("revoke: %d %s", a.status, a.raw)
	}
	if a := ts.userinfo(token); a.status != http.StatusUnauthorized {
		t.Errorf("UserInfo afterwards: %d %s", a.status, a.raw)
	}
	if a := ts.refresh("opaque", refreshed.member("refresh_token")); a.member("error") != "invalid_grant" {
		t.Errorf("refresh afterwards: %d %s", a.status, a.raw)
	}
}

func FuzzIntrospection_RespondsOrRejects(f *testing.F) {
	b := newBenchServer(f)
	own, handle := b.token("service"), b.token("handles")
	for _, seed := range []string{
		"token=x", "token=" + own, "token=" + handle, "token=&token_type_hint=access_token", "token=a&token=b", "token=%zz", "token=mf_rt_x&token_type_hint=refresh_token",
		"token=" + own[:40], "token=" + handle + "&client_id=other", "token=" + own + "&client_secret=x", "client_assertion=x.y.z&token=x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
			answer := b.post("gateway", path, body)
			switch answer.Code {
			case http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge:
			default:
				t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
			}
			if path == "/oauth2/revoke" || answer.Code != http.StatusOK || answer.Body.String() == inactive {
				continue
			}
			// An active token is one of the two existing tokens, in its only spelling.
			form, err := url.ParseQuery(body)
			if token := form.Get("token"); err != nil || token != own && token != handle {
				t.Errorf("%q is active: %s", token, answer.Body)
			}
		}
	})
}
