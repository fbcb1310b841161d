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

func (w *world) introspect(client, token string, further ...string) answer {
	w.Helper()
	form := url.Values{"token": {token}}
	for i := 0; i < len(further); i += 2 {
		form.Add(further[i], further[i+1])
	}
	return w.post(client, "/oauth2/introspect", form)
}

func (w *world) revoke(client, token string) answer {
	w.Helper()
	return w.post(client, "/oauth2/revoke", url.Values{"token": {token}})
}

// unavailable makes every operation on a kind fail.
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
	w := newWorld(t)
	w.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"mini", "opaque"} {
		login := w.login(client, "alice", "scope", "openid orders")
		issued := w.clock.Now().Unix()
		a := w.introspect(client, login.text("access_token"))
		if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: got %d %v %s", client, a.status, a.header, a.raw)
		}
		for member, want := range map[string]any{
			"active": true, "iss": w.url, "sub": w.sub(login), "client_id": client, "aud": w.url, "scope": "openid orders",
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

func TestTheUsernameIsSaidUnderTheScopeProfile(t *testing.T) {
	w := newWorld(t)
	login := w.login("mini", "alice")
	must(w.people().SetUsername(t.Context(), "default", w.sub(login), "Alice", "system"))(t)
	if a := w.introspect("mini", login.text("access_token")); a.text("username") != "Alice" {
		t.Errorf("got %s", a.raw)
	}
	bare := w.login("mini", "alice", "scope", "openid")
	if a := w.introspect("mini", bare.text("access_token")); a.body["active"] != true || a.body["username"] != nil {
		t.Errorf("without the scope: %s", a.raw)
	}
}

func TestRFC7662_4_ATokenIsSpokenOfToThoseItConcernsAlone(t *testing.T) {
	w := newWorld(t)
	w.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"mini", "opaque"} {
		w.change(client, func(c *storage.Client) { c.Audiences = []string{"shop"} })
	}
	w.addService("shop", func(*storage.Client) {})
	w.addService("stranger", func(*storage.Client) {})
	w.addService("gateway", func(c *storage.Client) { c.Introspection = true })
	for _, client := range []string{"mini", "opaque"} {
		login := w.login(client, "alice", "audience", "shop")
		for asking, active := range map[string]bool{client: true, "shop": true, "gateway": true, "stranger": false} {
			a := w.introspect(asking, login.text("access_token"))
			if a.status != http.StatusOK || a.body["active"] != active || !active && a.raw != inactive {
				t.Errorf("%s asks for %s's access token: %d %s", asking, client, a.status, a.raw)
			}
			refresh := w.introspect(asking, login.text("refresh_token"))
			if mine := asking == client; refresh.body["active"] != mine || !mine && refresh.raw != inactive {
				t.Errorf("%s asks for %s's refresh token: %d %s", asking, client, refresh.status, refresh.raw)
			}
		}
	}
}

// TestIntrospection_TheLogSaysHowToPermitIt: the client is told no more than that the token is not active.
func TestIntrospection_TheLogSaysHowToPermitIt(t *testing.T) {
	w := newSite(t)
	w.addService("other", func(*storage.Client) {})
	token := w.newBrowser().flow("web").text("access_token")
	if got := w.introspect("other", token); got.raw != inactive {
		t.Errorf("got %s", got.raw)
	}
	if log := w.log.String(); strings.Count(log, "--introspection") != 1 || strings.Contains(log, token) {
		t.Errorf("log: %s", log)
	}
}

func TestARefreshTokenNeverLooksLikeAnAccessToken(t *testing.T) {
	w := newWorld(t)
	login := w.login("mini", "alice")
	a := w.introspect("mini", login.text("refresh_token"))
	if a.body["active"] != true || a.text("sub") != w.sub(login) || a.text("client_id") != "mini" || a.body["exp"] == nil {
		t.Errorf("got %s", a.raw)
	}
	for _, member := range []string{"token_type", "aud", "jti", "iat"} {
		if a.body[member] != nil {
			t.Errorf("it has %s: %s", member, a.raw)
		}
	}
	refreshed := w.refresh("mini", login.text("refresh_token"))
	if old := w.introspect("mini", login.text("refresh_token")); old.raw != inactive {
		t.Errorf("a token that was rotated: %s", old.raw)
	}
	w.clock.Advance(time.Minute)
	if old := w.introspect("mini", login.text("refresh_token")); old.raw != inactive {
		t.Errorf("a token that was rotated: %s", old.raw)
	}
	if next := w.introspect("mini", refreshed.text("refresh_token")); next.body["active"] != true {
		t.Errorf("asking about an old token ended the grant: %s", next.raw)
	}
	w.clock.Advance(8 * 24 * time.Hour)
	if late := w.introspect("mini", refreshed.text("refresh_token")); late.raw != inactive {
		t.Errorf("a token that lay too long: %s", late.raw)
	}
}

func TestWhateverIsInDoubtIsNotActive(t *testing.T) {
	for name, end := range map[string]func(w *world, login answer){
		"the user is disabled":     func(w *world, login answer) { w.disable(w.sub(login)) },
		"the client is disabled":   func(w *world, _ answer) { w.change("mini", func(c *storage.Client) { c.Disabled = true }) },
		"the token is revoked":     func(w *world, login answer) { w.revoke("mini", login.text("access_token")) },
		"the grant is revoked":     func(w *world, login answer) { w.revoke("mini", login.text("refresh_token")) },
		"the access token expired": func(w *world, _ answer) { w.clock.Advance(11 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.addService("gateway", func(c *storage.Client) { c.Introspection = true })
			w.change("mini", func(c *storage.Client) { c.Lifetimes.RefreshIdle = 60 })
			w.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
			login := w.login("mini", "alice")
			if a := w.introspect("gateway", login.text("access_token")); a.body["active"] != true {
				t.Fatalf("before: %s", a.raw)
			}
			end(w, login)
			if a := w.introspect("gateway", login.text("access_token")); a.status != http.StatusOK || a.raw != inactive {
				t.Errorf("after: %d %s", a.status, a.raw)
			}
		})
	}
}

func TestTokensOfAnotherKindOrOfNobodyAreNotActive(t *testing.T) {
	w := newWorld(t)
	w.twoDirectories()
	w.addService("gateway", func(c *storage.Client) { c.Introspection = true })
	login := w.login("mini", "alice")
	access := login.text("access_token")
	w.addBinder()
	foreign := w.post("acme-mini", "/d/acme/oauth2/token", exchangeForm(w.acme.Login("alice"))).text("access_token")
	if foreign == "" {
		t.Fatal("no token of the other directory")
	}
	for name, token := range map[string]string{
		"an ID token":                        login.text("id_token"),
		"a token of another directory":       foreign,
		"a bind ticket":                      w.ticket("binder", "carol"),
		"an access token that was cut":       access[:len(access)-3],
		"an access token with a line break":  access + "\n",
		"a refresh token that was cut":       login.text("refresh_token")[:30],
		"a refresh token with other prefix":  "mf_at_" + strings.TrimPrefix(login.text("refresh_token"), "mf_rt_"),
		"a made-up handle":                   "mf_at_x",
		"an unknown prefix":                  "mf_xx_" + login.text("refresh_token")[6:],
		"an unsigned token":                  "eyJhbGciOiJub25lIn0.e30.",
		"nonsense":                           "x",
		"20 KB":                              strings.Repeat("x", 20<<10),
		"the authorization header's whole":   "Bearer " + access,
		"a wx.login code":                    w.app("mini").Login("alice"),
		"the secret of the client that asks": secretOfMini,
	} {
		t.Run(name, func(t *testing.T) {
			for _, hint := range []string{"", "access_token", "refresh_token", "unheard_of"} {
				if a := w.introspect("gateway", token, "token_type_hint", hint); a.status != http.StatusOK || a.raw != inactive {
					t.Errorf("hint %q: %d %s", hint, a.status, a.raw)
				}
			}
		})
	}
	if a := w.introspect("gateway", access, "token_type_hint", "refresh_token"); a.body["active"] != true {
		t.Errorf("a wrong hint hides a token: %s", a.raw)
	}
}

func TestRFC7662_2_1_WhoAsksHasToAuthenticate(t *testing.T) {
	w := newWorld(t)
	w.addService("spa", func(c *storage.Client) { c.Kind, c.AuthMethod, c.Secrets = storage.ClientSPA, "none", nil })
	token := w.login("mini", "alice").text("access_token")
	for name, a := range map[string]answer{
		"nobody":          w.send("/oauth2/introspect", "proof="+token),
		"a wrong secret":  w.send("/oauth2/introspect", "proof="+token, "Authorization", basic("mini", "wrong")),
		"a public client": w.send("/oauth2/introspect", "client_id=spa&token="+token),
		"a bearer token":  w.send("/oauth2/introspect", "proof="+token, "Authorization", "Bearer "+token),
	} {
		if a.status != http.StatusUnauthorized || a.text("error") != "invalid_client" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
	}
	for name, a := range map[string]answer{
		"no token":           w.post("mini", "/oauth2/introspect", url.Values{}),
		"two tokens":         w.post("mini", "/oauth2/introspect", url.Values{"token": {token, token}}),
		"a token in the URL": w.post("mini", "/oauth2/introspect?token="+token, url.Values{"token": {token}}),
	} {
		if a.status != http.StatusBadRequest || a.text("error") != "invalid_request" {
			t.Errorf("%s: got %d %s", name, a.status, a.raw)
		}
	}
	if a := w.get(w.url + "/oauth2/introspect?token=" + token); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d", a.status)
	}
}

func TestAStoreOutOfReachIsNotAnInactiveToken(t *testing.T) {
	w := service(t)
	w.addService("gateway", func(c *storage.Client) { c.Introspection = true })
	login := w.login("mini", "alice")
	own := w.credentials("service").text("access_token")
	w.introspect("gateway", own)
	for _, kind := range []storage.Kind{storage.KindGrant, storage.KindUser} {
		w.engine.Before = unavailable(kind)
		if a := w.introspect("gateway", login.text("access_token")); a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" {
			t.Errorf("%s: got %d %s", kind, a.status, a.raw)
		}
	}
	w.engine.Before = unavailable(storage.KindRevokedToken)
	if a := w.introspect("gateway", own); a.status != http.StatusServiceUnavailable {
		t.Errorf("a client's own token: got %d %s", a.status, a.raw)
	}
}

func TestAClientsOwnTokenIsActiveWhileItsClientIsEnabled(t *testing.T) {
	w := service(t)
	w.addService("gateway", func(c *storage.Client) { c.Introspection = true })
	token := w.credentials("service").text("access_token")
	a := w.introspect("gateway", token)
	if a.body["active"] != true || a.text("sub") != "service" || a.text("client_id") != "service" || a.text("scope") != "orders" {
		t.Errorf("got %s", a.raw)
	}
	w.change("service", func(c *storage.Client) { c.Disabled = true })
	if a := w.introspect("gateway", token); a.raw != inactive {
		t.Errorf("of a disabled client: %s", a.raw)
	}
}

func TestOpaqueAccessTokensAreAcceptedWhereverTokensAre(t *testing.T) {
	w := newWorld(t)
	w.addMiniProgram("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	login := w.login("opaque", "alice")
	token := login.text("access_token")
	if !strings.HasPrefix(token, "mf_at_") {
		t.Fatalf("it is not opaque: %s", token)
	}
	if a := w.userinfo(token); a.status != http.StatusOK || a.text("sub") != w.sub(login) {
		t.Errorf("UserInfo: %d %s", a.status, a.raw)
	}
	refreshed := w.refresh("opaque", login.text("refresh_token"))
	if a := w.introspect("opaque", refreshed.text("access_token")); a.body["active"] != true {
		t.Errorf("after a refresh: %s", a.raw)
	}
	if a := w.revoke("opaque", token); a.status != http.StatusOK {
		t.Errorf("revoke: %d %s", a.status, a.raw)
	}
	if a := w.userinfo(token); a.status != http.StatusUnauthorized {
		t.Errorf("UserInfo afterwards: %d %s", a.status, a.raw)
	}
	if a := w.refresh("opaque", refreshed.text("refresh_token")); a.text("error") != "invalid_grant" {
		t.Errorf("refresh afterwards: %d %s", a.status, a.raw)
	}
}

func FuzzQuestionsAboutTokensAreAnsweredOrRefused(f *testing.F) {
	b := newBare(f)
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
			// What is active is one of the two tokens that there are, in their one spelling.
			form, err := url.ParseQuery(body)
			if token := form.Get("token"); err != nil || token != own && token != handle {
				t.Errorf("%q is active: %s", token, answer.Body)
			}
		}
	})
}
