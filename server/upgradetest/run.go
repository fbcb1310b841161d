package upgradetest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/storage"
)

const (
	staff    = PublicURL + "/d/staff"
	shop     = "https://shop.example.com"
	callback = "https://app.example.com/cb"
	allScope = "openid profile email offline_access"
)

// Run fails where the store does not go on working. The engine has the documents of the store, and the clock of Now.
func Run(t *testing.T, engine storage.Engine) {
	t.Helper()
	d := newDeployment(t, engine)
	// The subtests share the store and run in this order: the last one ends grants.
	t.Run("AccessTokens", func(t *testing.T) { d.in(t).accessTokens() })
	t.Run("Keys", func(t *testing.T) { d.in(t).keys() })
	t.Run("ClientsOwnTokens", func(t *testing.T) { d.in(t).clientsOwnTokens() })
	t.Run("SessionsAndConsents", func(t *testing.T) { d.in(t).sessionsAndConsents() })
	t.Run("Codes", func(t *testing.T) { d.in(t).codes() })
	t.Run("MiniPrograms", func(t *testing.T) { d.in(t).miniPrograms() })
	t.Run("Passwords", func(t *testing.T) { d.in(t).passwords() })
	t.Run("RefreshTokens", func(t *testing.T) { d.in(t).refreshTokens() })
	t.Run("WhatHadEnded", func(t *testing.T) { d.in(t).ended() })
}

func (d *deployment) in(t *testing.T) *deployment {
	in := *d
	in.T = t
	return &in
}

func (d *deployment) accessTokens() {
	for name, issuer := range map[string]string{
		"web": PublicURL, "web-opaque": PublicURL, "web-pairwise": PublicURL, "spa": PublicURL,
		"native": PublicURL, "amy": PublicURL, "amy at mini-two": PublicURL, "ben": PublicURL, "staff-web": staff, "shop-web": shop,
	} {
		request := httptest.NewRequestWithContext(d.Context(), http.MethodGet, issuer+"/oauth2/userinfo", nil)
		request.Header.Set("Authorization", "Bearer "+d.value("access_token of "+name))
		if a := d.send(request); a.status != http.StatusOK || a.text("sub") != d.value("sub of "+name) {
			d.Errorf("UserInfo by the access token of %s: %d %s", name, a.status, a.raw)
		}
		if issuer != PublicURL {
			continue
		}
		a := d.post("introspector", PublicURL+"/oauth2/introspect", url.Values{"token": {d.value("access_token of " + name)}})
		if a.body["active"] != true {
			d.Errorf("introspection of the access token of %s: %d %s", name, a.status, a.raw)
		}
	}
}

func (d *deployment) keys() {
	for name, issuer := range map[string]string{"web": PublicURL, "web-rs": PublicURL, "amy": PublicURL, "staff-web": staff, "shop-web": shop} {
		a := d.send(httptest.NewRequestWithContext(d.Context(), http.MethodGet, issuer+"/oauth2/jwks", nil))
		var set jose.JSONWebKeySet
		check(d, json.Unmarshal([]byte(a.raw), &set))
		signed, err := jose.ParseSignedCompact(d.value("id_token of "+name), []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA})
		check(d, err)
		if _, err := signed.Verify(set); err != nil {
			d.Errorf("the ID token of %s is not verified by the JWK Set: %v", name, err)
		}
	}
}

func (d *deployment) clientsOwnTokens() {
	for name, want := range map[string]bool{"service": true, "revoked service": false} {
		a := d.post("introspector", PublicURL+"/oauth2/introspect", url.Values{"token": {d.value("access_token of " + name)}})
		if a.body["active"] != want {
			d.Errorf("introspection of the token of %s: %d %s", name, a.status, a.raw)
		}
	}
	grant := url.Values{"grant_type": {"client_credentials"}}
	if a := d.post("service", PublicURL+"/oauth2/token", grant); a.status != http.StatusOK {
		d.Errorf("client_credentials: %d %s", a.status, a.raw)
	}
	if a := d.post("keyed", PublicURL+"/oauth2/token", d.assertion("keyed")); a.status != http.StatusOK {
		d.Errorf("client_credentials by private_key_jwt: %d %s", a.status, a.raw)
	}
}

// assertion is a request for client_credentials by a client's own key.
func (d *deployment) assertion(client string) url.Values {
	d.Helper()
	block, _ := pem.Decode([]byte(d.value("key of " + client)))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(d, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key.(crypto.Signer)}, (&jose.SignerOptions{}).WithHeader("kid", "one"))
	check(d, err)
	claims, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": PublicURL, "jti": rand.Text(), "iat": d.now.Unix(), "exp": d.now.Unix() + 60,
	})
	check(d, err)
	signed, err := signer.Sign(claims)
	check(d, err)
	text, err := signed.CompactSerialize()
	check(d, err)
	return url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {text},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

func (d *deployment) parameters(client, redirect, scope string) url.Values {
	sum := sha256.Sum256([]byte(d.value("verifier")))
	return url.Values{
		"client_id": {client}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {scope}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

// code returns the code of a silent authorization request.
func (d *deployment) code(user, issuer string, parameters url.Values) string {
	d.Helper()
	parameters.Set("prompt", "none")
	a := d.authorize(user, issuer, parameters)
	if a.location == nil || a.location.Query().Get("code") == "" {
		d.Errorf("silent authorization for %s: %d %v %s", parameters.Get("client_id"), a.status, a.location, a.raw)
		return ""
	}
	return a.location.Query().Get("code")
}

func (d *deployment) redeem(client, issuer, redirect, code string) apiResponse {
	d.Helper()
	return d.post(client, issuer+"/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {d.value("verifier")},
	})
}

func (d *deployment) sessionsAndConsents() {
	for _, session := range []struct{ user, client, issuer, scope string }{
		{"alice", "web", PublicURL, allScope},
		{"alice", "web-chosen", PublicURL, "openid profile"},
		{"alice", "web-pairwise", PublicURL, allScope},
		{"alice", "web-rs", PublicURL, allScope},
		{"dan", "staff-web", staff, allScope},
		{"eve", "shop-web", shop, allScope},
	} {
		parameters := d.parameters(session.client, callback, session.scope)
		if session.client != "web-chosen" { // Without an email there is nothing to remember it by.
			parameters.Set("id_token_hint", d.value("id_token of "+session.client))
		}
		a := d.redeem(session.client, session.issuer, callback, d.code(session.user, session.issuer, parameters))
		if a.status != http.StatusOK || d.claims(a.text("id_token"))["sub"] != d.value("sub of "+session.client) {
			d.Errorf("tokens of the session of %s at %s: %d %s", session.user, session.client, a.status, a.raw)
		}
	}
}

func (d *deployment) codes() {
	if a := d.redeem("web", PublicURL, callback, d.value("code of web")); a.status != http.StatusOK {
		d.Errorf("redeem a code: %d %s", a.status, a.raw)
	}
	pushed := url.Values{"client_id": {"web-par"}, "request_uri": {d.value("request_uri of web-par")}}
	a := d.authorize("alice", PublicURL, pushed)
	if a.location == nil || a.location.Query().Get("code") == "" {
		d.Fatalf("a pushed request: %d %v %s", a.status, a.location, a.raw)
	}
	if a := d.redeem("web-par", PublicURL, callback, a.location.Query().Get("code")); a.status != http.StatusOK {
		d.Errorf("redeem the code of a pushed request: %d %s", a.status, a.raw)
	}
}

func (d *deployment) exchange(client, code string) apiResponse {
	d.Helper()
	return d.post(client, PublicURL+"/oauth2/token", url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:minifed:params:oauth:token-type:wechat-miniapp-code"}, "subject_token": {code},
	})
}

func (d *deployment) miniPrograms() {
	for _, login := range []struct{ client, code, user string }{
		{"mini", "openid-amy.union-amy.later", "amy"},
		{"mini-two", "openid-two-amy.union-amy.later", "amy"},
		{"mini", "openid-new.union-amy.later", "amy"},
		{"mini", "openid-ben.union-ben.later", "ben"},
		{"mini-two", "openid-two-ben.union-ben.later", "ben at mini-two"},
		{"mini", "openid-cai..later", "cai"},
		{"mini", "openid-old-cai..later", "cai"},
	} {
		a := d.exchange(login.client, login.code)
		if a.status != http.StatusOK || d.claims(a.text("id_token"))["sub"] != d.value("sub of "+login.user) {
			d.Errorf("login of %s: %d %s", login.user, a.status, a.raw)
		}
	}
	repeat := d.exchange("mini", "openid-eli..1")
	if repeat.text("refresh_token") != d.value("refresh_token of repeat") {
		d.Errorf("repeat of a login: %d %s", repeat.status, repeat.raw)
	}
	ticket := url.Values{"method": {"register"}, "bind_ticket": {d.value("bind_ticket of deb")}}
	if a := d.post("mini-bind", PublicURL+"/federation/wechat/miniapp/bindUser", ticket); a.status != http.StatusOK {
		d.Errorf("register by a bind ticket: %d %s", a.status, a.raw)
	}
	candidates, _, err := storage.List[storage.MergeCandidate](d.Context(), d.engine, storage.Query{Owner: "default", Order: storage.ByCreated})
	check(d, err)
	open := func(e *storage.Entry[storage.MergeCandidate]) bool { return e.Record.State == "open" }
	if !slices.ContainsFunc(candidates, open) {
		d.Errorf("the open merge candidate is gone: %d candidates", len(candidates))
	}
}

func (d *deployment) passwords() {
	bind := func(user, openID string) apiResponse {
		return d.post("mini-bind", PublicURL+"/federation/wechat/miniapp/bindUser", url.Values{
			"method": {"password"}, "username": {user}, "password": {d.value("password")}, "code": {openID + "..1"},
		})
	}
	if a := bind("alice", "openid-alice"); a.status != http.StatusOK || d.claims(a.text("id_token"))["sub"] != d.value("sub of alice") {
		d.Errorf("sign-in of alice by password: %d %s", a.status, a.raw)
	}
	if a := bind("bob", "openid-bob"); a.status != http.StatusForbidden || a.text("reason") != "user_disabled" {
		d.Errorf("sign-in of a disabled user: %d %s", a.status, a.raw)
	}
	if a := bind("carol", "openid-carol"); a.status != http.StatusBadRequest {
		d.Errorf("sign-in of a deleted user: %d %s", a.status, a.raw)
	}
}

func (d *deployment) refreshTokens() {
	for name, client := range map[string][2]string{
		"web": {"web", PublicURL}, "web-pairwise": {"web-pairwise", PublicURL}, "web-opaque": {"web-opaque", PublicURL}, "web-rs": {"web-rs", PublicURL},
		"native": {"native", PublicURL}, "spa": {"spa", PublicURL}, "amy": {"mini", PublicURL}, "amy at mini-two": {"mini-two", PublicURL},
		"ben": {"mini", PublicURL}, "repeat": {"mini", PublicURL}, "staff-web": {"staff-web", staff}, "shop-web": {"shop-web", shop},
	} {
		a := d.refresh(client[0], client[1], d.value("refresh_token of "+name))
		if a.status != http.StatusOK || d.claims(a.text("id_token"))["sub"] != d.value("sub of "+name) {
			d.Errorf("refresh of %s: %d %s", name, a.status, a.raw)
			continue
		}
		if a = d.refresh(client[0], client[1], a.text("refresh_token")); a.status != http.StatusOK {
			d.Errorf("second refresh of %s: %d %s", name, a.status, a.raw)
		}
	}
}

func (d *deployment) refresh(client, issuer, token string) apiResponse {
	d.Helper()
	return d.post(client, issuer+"/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (d *deployment) ended() {
	for name, client := range map[string]string{"revoked": "mini", "old cai": "mini"} {
		if a := d.refresh(client, PublicURL, d.value("refresh_token of "+name)); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			d.Errorf("refresh of %s: %d %s", name, a.status, a.raw)
		}
	}
}
