package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

const everyClaim = `{"id_token":{"name":null,"given_name":null,"family_name":null,"middle_name":null,"nickname":null,"preferred_username":null,` +
	`"profile":null,"picture":null,"website":null,"gender":null,"birthdate":null,"zoneinfo":null,"locale":null,"updated_at":null,` +
	`"email":null,"email_verified":null,"phone_number":null,"phone_number_verified":null,"address":null}}`

// addLargeUser creates a user with the largest possible profile.
func (ts *testServer) addLargeUser(id string) {
	ts.Helper()
	ts.addUser(id)
	entry := must(storage.Get[storage.User](ts.Context(), ts.engine, storage.Key("default", id)))(ts.T)
	user := entry.Record
	long := strings.Repeat("码", 170)
	user.Profile.Name, user.Profile.Nickname = long, long
	for _, link := range []*string{&user.Profile.Profile, &user.Profile.Picture, &user.Profile.Website} {
		*link = "https://example.com/" + strings.Repeat("x", 1000)
	}
	must(entry.Replace(ts.Context(), ts.engine, user))(ts.T)
}

// TestIDTokenHint_AcceptsLargestToken: claims that do not fit are omitted, and UserInfo has them.
func TestIDTokenHint_AcceptsLargestToken(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addLargeUser("lin")
	for _, algorithm := range []string{"RS256", "ES256"} {
		ts.addClient(algorithm, func(c *storage.Client) {
			c.IDTokenAlgorithm, c.PostLogoutRedirectURIs = algorithm, []string{"https://rp.example/out"}
		})
		b := ts.newBrowser()
		b.get(ts.authorizeURL(algorithm, "scope", allScopes, "claims", everyClaim, "nonce", strings.Repeat("码", 512)))
		b.signIn("lin")
		b.allow()
		a := ts.redeem(algorithm, b.code())
		token := a.member("id_token")
		got := claims(t, token)
		for _, name := range []string{"preferred_username", "email", "phone_number", "sid", "at_hash"} {
			if name != "sid" && got[name] == nil {
				t.Errorf("%s: no %s", algorithm, name)
			}
		}
		if len(token) > 4096 || got["website"] != nil {
			t.Errorf("%s: the ID token has %d characters: %v", algorithm, len(token), got)
		}
		if info := ts.userinfo(a.member("access_token")); info.status != http.StatusOK || len(info.member("website")) < 1000 {
			t.Errorf("%s: UserInfo has no website: %s", algorithm, info.raw)
		}
		b.get(ts.authorizeURL(algorithm, "scope", allScopes, "prompt", "none", "id_token_hint", token))
		b.code()
		b.get(ts.url + "/oauth2/logout?" + url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {"https://rp.example/out"}}.Encode())
		if !strings.HasPrefix(b.page.callback, "https://rp.example/out") {
			t.Errorf("%s: logout stays at %d %s", algorithm, b.page.status, b.page.url)
		}
	}
}

// TestIDTokenHint_AcceptsTokensOfEarlierVersions: those had every requested claim.
func TestIDTokenHint_AcceptsTokensOfEarlierVersions(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	a := b.flow("web")
	old := claims(t, a.member("id_token"))
	old["website"] = "https://example.com/" + strings.Repeat("x", 7000)
	token := must(ts.ring.Sign(t.Context(), "default", "ES256", "JWT", must(json.Marshal(old))(t)))(t)
	if len(token) < 9000 {
		t.Fatalf("the token has %d characters", len(token))
	}
	b.get(ts.authorizeURL("web", "prompt", "none", "id_token_hint", token))
	b.code()
	b.post(ts.url+"/oauth2/authorize", ts.authorizeForm("web", "prompt", "none", "id_token_hint", token), false)
	b.code()
	pushed := ts.post("web", "/oauth2/par", ts.authorizeForm("web", "prompt", "none", "id_token_hint", token))
	b.get(ts.url + "/oauth2/authorize?" + url.Values{"client_id": {"web"}, "request_uri": {pushed.member("request_uri")}}.Encode())
	b.code()
	// The hint of a pushed request counts as any other.
	other := ts.newBrowser()
	other.get(ts.authorizeURL("web"))
	other.signIn("bob")
	other.allow()
	pushed = ts.post("web", "/oauth2/par", ts.authorizeForm("web", "prompt", "none", "id_token_hint", token))
	other.get(ts.url + "/oauth2/authorize?" + url.Values{"client_id": {"web"}, "request_uri": {pushed.member("request_uri")}}.Encode())
	other.wantError(t, "login_required", "state-1")
}

// TestAccessToken_IsAcceptedWithEveryScopeAndAudience that a client may have.
func TestAccessToken_IsAcceptedWithEveryScopeAndAudience(t *testing.T) {
	ts := newPopulatedServer(t)
	scopes, audiences := strings.Fields("openid profile"), []string{ts.url}
	for i := len(scopes); i < 50; i++ {
		scopes = append(scopes, fmt.Sprintf("%02d%s", i, strings.Repeat("x", 126)))
	}
	for i := len(audiences); i < 20; i++ {
		audiences = append(audiences, fmt.Sprintf("https://api.example/%02d%s", i, strings.Repeat("x", 234)))
	}
	ts.change("mini", func(c *storage.Client) { c.Scopes, c.Audiences, c.IDTokenAlgorithm = scopes, audiences, "RS256" })
	further := []string{"scope", strings.Join(scopes, " ")}
	for _, audience := range audiences {
		further = append(further, "audience", audience)
	}
	a := ts.login("mini", "alice", further...)
	token := a.member("access_token")
	if a.status != http.StatusOK || len(token) < 14000 {
		t.Fatalf("the token has %d characters: %d %.200s", len(token), a.status, a.raw)
	}
	if info := ts.userinfo(token); info.status != http.StatusOK {
		t.Errorf("UserInfo, header: %d %s", info.status, info.raw)
	}
	if info := ts.postPublic("/oauth2/userinfo", url.Values{"access_token": {token}}); info.status != http.StatusOK {
		t.Errorf("UserInfo, body: %d %s", info.status, info.raw)
	}
	if found := ts.post("mini", "/oauth2/introspect", url.Values{"token": {token}}); found.body["active"] != true {
		t.Errorf("introspection: %.200s", found.raw)
	}
	ts.post("mini", "/oauth2/revoke", url.Values{"token": {token}})
	if info := ts.userinfo(token); info.status != http.StatusUnauthorized {
		t.Errorf("after revocation: %d", info.status)
	}
}
