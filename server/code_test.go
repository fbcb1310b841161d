package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// freshCode returns the code of a request of alice, who has signed in and given consent.
func (b *browser) freshCode(client string, further ...string) string {
	b.Helper()
	b.get(b.authorizeURL(client, further...))
	if b.page.callback == "" && strings.Contains(b.page.body, `name="username"`) {
		b.signIn("alice")
	}
	b.allow()
	return b.code()
}

func wantInvalidGrant(t *testing.T, what string, a response) {
	t.Helper()
	if a.status != http.StatusBadRequest || a.member("error") != "invalid_grant" {
		t.Errorf("%s: got %d %s", what, a.status, a.raw)
	}
}

// TestRFC7636_4_6_PKCECannotBeStripped: with a challenge the verifier is required, also after failed attempts.
func TestRFC7636_4_6_PKCECannotBeStripped(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	pkce := []string{"code_challenge", challenge, "code_challenge_method", "S256"}
	for _, client := range []string{"web", "spa"} {
		code := b.freshCode(client, pkce...)
		other := strings.Repeat("a", 43)
		for _, try := range []string{other, "", "short", strings.Repeat("a", 129), challenge, verifier + "a", ""} {
			wantInvalidGrant(t, client+" with verifier "+try, ts.redeem(client, code, "code_verifier", try))
		}
		if a := ts.redeem(client, code, "code_verifier", verifier); a.status != http.StatusOK {
			t.Errorf("%s with the right verifier: %d %s", client, a.status, a.raw)
		}
	}
	code := b.freshCode("web")
	wantInvalidGrant(t, "verifier without challenge", ts.redeem("web", code, "code_verifier", verifier))
}

func TestRFC6749_4_1_3_ACodeIsBoundToItsRequest(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("other", func(*storage.Client) {})
	b := ts.newBrowser()
	code := b.freshCode("web")
	wantInvalidGrant(t, "another redirect_uri", ts.redeem("web", code, "redirect_uri", webRedirect+"/"))
	wantInvalidGrant(t, "no redirect_uri", ts.redeem("web", code, "redirect_uri", ""))
	wantInvalidGrant(t, "another client", ts.redeem("other", code))
	wantInvalidGrant(t, "changed", ts.redeem("web", code[:len(code)-6]+"AAAAAA"))
	wantInvalidGrant(t, "made up", ts.redeem("web", "mf_ac_x"))
	if a := ts.redeem("web", "", "code", ""); a.status != http.StatusBadRequest || a.member("error") != "invalid_request" {
		t.Errorf("none: got %d %s", a.status, a.raw)
	}
	if a := ts.redeem("web", code); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestRFC6749_4_1_2_ACodeLastsAMinute(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	code, late := b.freshCode("web"), b.freshCode("web")
	ts.clock.Advance(59 * time.Second)
	if a := ts.redeem("web", code); a.status != http.StatusOK {
		t.Errorf("after 59 s: %d %s", a.status, a.raw)
	}
	ts.clock.Advance(time.Second)
	wantInvalidGrant(t, "after 60 s", ts.redeem("web", late))
}

func TestCode_ConcurrentRedemptionsHaveOneWinner(t *testing.T) {
	for name, engine := range engines() {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			ts := populateWithPlainPages(newTestServerOn(t, c, engine(t, c)))
			code := ts.newBrowser().freshCode("web")
			answers := make([]response, 16)
			var calls sync.WaitGroup
			for i := range answers {
				calls.Go(func() { answers[i] = ts.redeem("web", code) })
			}
			calls.Wait()
			won := 0
			for _, a := range answers {
				if a.status == http.StatusOK {
					won++
					continue
				}
				wantInvalidGrant(t, "loser", a)
			}
			if won != 1 {
				t.Errorf("%d calls got tokens", won)
			}
		})
	}
}

// TestCode_IsRedeemableAfterFailedResponse: all checks come before the write, and a failed write leaves the code unspent.
func TestCode_IsRedeemableAfterFailedResponse(t *testing.T) {
	ts := newPopulatedServer(t)
	code := ts.newBrowser().freshCode("web")
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindGrant && o.Write() {
			return storage.ErrUnavailable
		}
		return nil
	}
	if a := ts.redeem("web", code); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	ts.engine.Before = nil
	if a := ts.redeem("web", code); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

// TestRFC8707_2_2_ATokenRequestNarrowsTheAudience of the access token, and never widens it.
func TestRFC8707_2_2_ATokenRequestNarrowsTheAudience(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	both := "&resource=https%3A%2F%2Fapi.example&resource=https%3A%2F%2Ffiles.example"
	ask := func() string {
		b.get(ts.authorizeURL("web") + both)
		if b.page.callback == "" && strings.Contains(b.page.body, "username") {
			b.signIn("alice")
		}
		b.allow()
		return b.code()
	}
	a := ts.redeem("web", ask())
	if aud := claims(t, a.member("access_token"))["aud"]; !reflect.DeepEqual(aud, []any{"https://api.example", "https://files.example"}) {
		t.Errorf("aud is %v", aud)
	}
	a = ts.redeem("web", ask(), "resource", "https://files.example")
	if aud := claims(t, a.member("access_token"))["aud"]; aud != "https://files.example" {
		t.Errorf("aud is %v", aud)
	}
	// A narrowed audience is available again later.
	r := ts.refresh("web", a.member("refresh_token"), "resource", "https://api.example")
	if aud := claims(t, r.member("access_token"))["aud"]; aud != "https://api.example" {
		t.Errorf("after refresh aud is %v", aud)
	}
	code := b.freshCode("web", "resource", "https://api.example")
	if a := ts.redeem("web", code, "resource", "https://files.example"); a.status != http.StatusBadRequest || a.member("error") != "invalid_target" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if aud := claims(t, ts.redeem("web", code).member("access_token"))["aud"]; aud != "https://api.example" {
		t.Errorf("aud is %v", aud)
	}
	if aud := claims(t, ts.redeem("web", b.freshCode("web")).member("access_token"))["aud"]; aud != ts.url {
		t.Errorf("without resource aud is %v", aud)
	}
}

// TestOIDCCore_2_TheIDToken: it has the user, the time and method of the sign-in, and the session.
func TestOIDCCore_2_TheIDToken(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	b := ts.newBrowser()
	for _, client := range []string{"web", "opaque"} {
		a := ts.redeem(client, b.freshCode(client))
		all := claims(t, a.member("id_token"))
		if all["rat"] != nil {
			t.Errorf("%s: rat is fosite's own", client)
		}
		for name, want := range map[string]any{
			"iss": ts.url, "sub": "alice", "aud": client, "azp": client, "nonce": "nonce-1", "acr": "1", "amr": []any{"pwd"},
			"auth_time": float64(ts.clock.Now().Unix()), "sid": list[storage.Session](ts)[0].ID,
		} {
			if !reflect.DeepEqual(all[name], want) {
				t.Errorf("%s: %s is %v, want %v", client, name, all[name], want)
			}
		}
		if a.body["expires_in"] != 600.0 || a.member("scope") != "openid" || a.member("refresh_token") == "" {
			t.Errorf("%s: got %s", client, a.raw)
		}
		if info := ts.userinfo(a.member("access_token")); info.member("sub") != "alice" {
			t.Errorf("%s: UserInfo is %d %s", client, info.status, info.raw)
		}
	}
}

// TestIDTokenClaims_OfGrantedScopesForConfiguredClient: a client that does not call UserInfo gets them in every ID token, at
// the same cost.
func TestIDTokenClaims_OfGrantedScopesForConfiguredClient(t *testing.T) {
	ts := newPopulatedServer(t)
	on := true
	ts.addClient("reader", func(c *storage.Client) { c.IDTokenClaims = &on })
	names := []string{"name", "nickname", "preferred_username", "picture", "email", "email_verified", "phone_number", "phone_number_verified"}
	shown := func(a response) map[string]any {
		of := map[string]any{}
		for name, value := range claims(t, a.member("id_token")) {
			if !slices.Contains([]string{"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid", "jti"}, name) {
				of[name] = value
			}
		}
		return of
	}
	b := ts.newBrowser()
	if got := shown(ts.redeem("web", b.freshCode("web", "scope", "openid profile email phone"))); len(got) > 0 {
		t.Errorf("without the setting: %v", got)
	}
	a := ts.redeem("reader", b.freshCode("reader", "scope", "openid profile email phone"))
	info := ts.userinfo(a.member("access_token"))
	for _, step := range []string{"code", "refresh"} {
		got := shown(a)
		if len(got) != len(names) {
			t.Errorf("%s: %v", step, got)
		}
		for _, name := range names {
			if got[name] == nil || got[name] != info.body[name] {
				t.Errorf("%s: %s is %v, at UserInfo %v", step, name, got[name], info.body[name])
			}
		}
		counted := &operationCounter{}
		ts.engine.Before = counted.count
		a = ts.refresh("reader", a.member("refresh_token"))
		ts.engine.Before = nil
		if counted.reads > 3 || counted.writes > 1 { // The grant is bound to a session.
			t.Errorf("a refresh cost %v", counted.operations)
		}
	}
	if got := shown(ts.refresh("reader", a.member("refresh_token"), "scope", "openid email")); len(got) != 2 || got["email"] == nil {
		t.Errorf("narrowed to e-mail: %v", got)
	}
	if got := shown(ts.redeem("reader", b.freshCode("reader", "scope", "openid email"))); len(got) != 2 || got["email"] == nil {
		t.Errorf("of the scope email: %v", got)
	}
}

// TestIDTokenClaims_StayWithin4KB: the least important claims are omitted first, and so is a picture of more than 512 bytes.
func TestIDTokenClaims_StayWithin4KB(t *testing.T) {
	ts := newPopulatedServer(t)
	on := true
	ts.addClient("reader", func(c *storage.Client) { c.IDTokenClaims, c.IDTokenAlgorithm = &on, "RS256" })
	for name, row := range map[string]struct {
		edit func(*storage.Profile)
		gone []string
	}{
		"a long picture": {func(p *storage.Profile) { p.Picture = "https://example.com/" + strings.Repeat("p", 500) }, []string{"picture"}},
		"everything long": {func(p *storage.Profile) {
			p.Picture = "https://example.com/" + strings.Repeat("p", 480)
			p.Name, p.Nickname = strings.Repeat("名", 256), strings.Repeat("昵", 256)
		}, []string{"picture"}},
	} {
		ts.changeUser("alice", func(u *storage.User) { row.edit(&u.Profile) })
		a := ts.redeem("reader", ts.newBrowser().freshCode("reader", "scope", "openid profile email phone"))
		token := a.member("id_token")
		if len(token) > 4096 {
			t.Errorf("%s: the ID token has %d bytes", name, len(token))
		}
		all := claims(t, token)
		for _, claim := range row.gone {
			if all[claim] != nil {
				t.Errorf("%s: %s is there", name, claim)
			}
		}
		if all["email"] != "alice@example.com" || all["name"] == nil {
			t.Errorf("%s: got %v", name, all)
		}
	}
}

// TestOIDCCore_5_5_TheClaimsParameter requests individual claims for either place. They stay as long as the grant.
func TestOIDCCore_5_5_TheClaimsParameter(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("poor", func(c *storage.Client) { c.Scopes = []string{"openid", "email"} })
	asked := `{"userinfo":{"nickname":null,"phone_number":{"essential":true},"unknown":null,"name#ja":null},` +
		`"id_token":{"email":{"essential":true},"name":null,"sub":{"value":"alice"},"iss":null,"acr":{"essential":true,"value":"1"},"auth_time":null}}`
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web", "claims", asked))
	b.signIn("alice")
	for _, scope := range []string{"email", "phone", "profile"} {
		if !strings.Contains(b.page.body, `value="`+scope+`"`) {
			t.Errorf("consent does not name %s: %s", scope, b.page.body)
		}
	}
	b.submit("allow")
	a := ts.redeem("web", b.code())
	for _, step := range []string{"code", "refresh"} {
		all := claims(t, a.member("id_token"))
		if all["email"] != "alice@example.com" || all["name"] != "Name of alice" || all["nickname"] != nil || all["iss"] != ts.url {
			t.Errorf("%s: ID token is %v", step, all)
		}
		info := ts.userinfo(a.member("access_token"))
		delete(info.body, "sub")
		if !reflect.DeepEqual(info.body, map[string]any{"nickname": "alice", "phone_number": "+8613800138000"}) {
			t.Errorf("%s: UserInfo is %s", step, info.raw)
		}
		ts.clock.Advance(time.Minute)
		a = ts.refresh("web", a.member("refresh_token"))
	}
	// Claims of scopes that the client may not request are ignored.
	poor := ts.newBrowser().flow("poor", "claims", asked)
	if info := ts.userinfo(poor.member("access_token")); info.member("phone_number") != "" || claims(t, poor.member("id_token"))["name"] != nil {
		t.Errorf("UserInfo is %s", info.raw)
	}
	if claims(t, poor.member("id_token"))["email"] != "alice@example.com" {
		t.Error("the claim that it may request is missing")
	}
}

// TestOIDCCore_5_5_1_ValuesOfClaims requests claims with certain values: a claim with another value is omitted, and the grant
// stores none of the values.
func TestOIDCCore_5_5_1_ValuesOfClaims(t *testing.T) {
	ts := newPopulatedServer(t)
	a := ts.newBrowser().flow("web", "claims", `{
		"userinfo": {"nickname": {"values": ["x", "alice"]}, "name": {"essential": true, "value": "Name of bob"}, "phone_number_verified": {"value": true}},
		"id_token": {"email": {"value": "bob@example.com"}, "name": {"value": "Name of alice"}, "email_verified": {"value": false, "values": [true]}, "sub": {"values": ["bob", "alice"]}}
	}`)
	if info := ts.userinfo(a.member("access_token")); !reflect.DeepEqual(info.body, map[string]any{"sub": "alice", "nickname": "alice", "phone_number_verified": true}) {
		t.Errorf("UserInfo is %s", info.raw)
	}
	if all := claims(t, a.member("id_token")); all["email"] != nil || all["name"] != "Name of alice" || all["email_verified"] != true {
		t.Errorf("ID token is %v", all)
	}
	kept := string(list[storage.Grant](ts)[0].Claims)
	if kept != `{"userinfo":{"nickname":null,"phone_number_verified":null},"id_token":{"email_verified":null,"name":null}}` {
		t.Errorf("the grant stores %s", kept)
	}
	// The request has the scope in addition to the claim: the claim is returned with any value.
	scoped := ts.newBrowser().flow("web", "scope", "openid email", "claims", `{"userinfo":{"email":{"value":"bob@example.com"}}}`)
	if info := ts.userinfo(scoped.member("access_token")); info.member("email") != "alice@example.com" {
		t.Errorf("UserInfo is %s", info.raw)
	}
	// No response mode returns a user who is in neither list.
	for _, wish := range []string{
		`{"userinfo":{"sub":{"values":["bob","carol"]}}}`, `{"id_token":{"sub":{"values":["alice"]}},"userinfo":{"sub":{"value":"bob"}}}`,
	} {
		b := ts.newBrowser()
		b.flow("web")
		b.get(ts.authorizeURL("web", "prompt", "none", "claims", wish))
		b.wantError(t, "login_required", "state-1")
	}
	for _, wish := range []string{`{"userinfo":{"sub":{"value":7}}}`, `{"id_token":{"email":{"essential":"yes"}}}`, `{"id_token":{"email":{"values":"x"}}}`} {
		b := ts.newBrowser()
		b.get(ts.authorizeURL("web", "claims", wish))
		b.wantError(t, "invalid_request", "state-1")
	}
}

// TestGoOIDC_SignsIn runs go-oidc and x/oauth2 against the provider, from discovery to refresh.
func TestGoOIDC_SignsIn(t *testing.T) {
	ts := newPopulatedServer(t)
	provider := must(oidc.NewProvider(t.Context(), ts.url))(t)
	for id, secret := range map[string]string{"web": secretOfWeb, "spa": ""} {
		redirect := map[string]string{"web": webRedirect, "spa": spaRedirect}[id]
		client := oauth2.Config{
			ClientID: id, ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: redirect,
			Scopes: []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess},
		}
		pkce := oauth2.GenerateVerifier()
		b := ts.newBrowser()
		b.get(client.AuthCodeURL("state-of-it", oidc.Nonce("nonce-of-it"), oauth2.S256ChallengeOption(pkce)))
		b.signIn("alice")
		b.allow()
		token, err := client.Exchange(t.Context(), b.code(), oauth2.VerifierOption(pkce))
		check(t, err)
		raw, _ := token.Extra("id_token").(string)
		verified := must(provider.Verifier(&oidc.Config{ClientID: id, Now: ts.clock.Now, SupportedSigningAlgs: []string{"ES256"}}).Verify(t.Context(), raw))(t)
		check(t, verified.VerifyAccessToken(token.AccessToken))
		if verified.Nonce != "nonce-of-it" || b.page.sent.Get("state") != "state-of-it" {
			t.Errorf("%s: nonce %q, state %q", id, verified.Nonce, b.page.sent.Get("state"))
		}
		info := must(provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)))(t)
		var profile struct{ Name string }
		check(t, info.Claims(&profile))
		if info.Subject != verified.Subject || profile.Name != "Name of alice" {
			t.Errorf("%s: UserInfo is %+v", id, info)
		}
		token.Expiry = time.Now().Add(-time.Minute)
		refreshed := must(client.TokenSource(t.Context(), token).Token())(t)
		if refreshed.AccessToken == token.AccessToken || refreshed.RefreshToken == token.RefreshToken {
			t.Errorf("%s: nothing was refreshed", id)
		}
	}
}

func TestGrant_StoresOnlyGrantedClaims(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.newBrowser().flow("web", "claims", `{"userinfo":{"email":{"essential":true,"value":"alice@example.com"}}}`)
	grant := list[storage.Grant](ts)[0]
	var kept map[string]any
	check(t, json.Unmarshal(grant.Claims, &kept))
	if !reflect.DeepEqual(kept, map[string]any{"userinfo": map[string]any{"email": nil}}) {
		t.Errorf("claims are %s", grant.Claims)
	}
	if grant.Session == "" || grant.SID != grant.Session || grant.Code.Challenge != "" || grant.GrantType != "authorization_code" {
		t.Errorf("grant is %+v", grant)
	}
}
