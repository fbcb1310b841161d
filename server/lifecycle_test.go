package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// recreate deletes a client of the default directory and creates another one with its ID, at the same time. Then it waits until
// every instance has loaded the change.
func (ts *testServer) recreate(id string) {
	ts.Helper()
	key := storage.Key("default", id)
	next := must(storage.Get[storage.Client](ts.Context(), ts.engine.Engine, key))(ts.T).Record
	check(ts.T, ts.engine.Delete(ts.Context(), storage.KindClient, key))
	next.Incarnation = "second"
	must(storage.Insert(ts.Context(), ts.engine.Engine, next))(ts.T)
	ts.clock.Advance(5 * time.Second)
}

func (ts *testServer) isActive(asking, token string) bool {
	ts.Helper()
	return ts.postTokenParameter("/oauth2/introspect", asking, token).body["active"] == true
}

func (ts *testServer) postTokenParameter(path, client, token string) response {
	ts.Helper()
	form := url.Values{"token": {token}}
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+path, strings.NewReader(form.Encode())))(ts.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, secretOfWeb)
	return ts.do(request)
}

func TestLifecycle_RecreatedClientHasNoTokensOfTheDeletedOne(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"web", "opaque"} {
		b := ts.newBrowser()
		code := b.freshCode(client)
		tokens := b.flow(client, "scope", "openid profile offline_access")
		ts.recreate(client)
		if a := ts.userinfo(tokens.member("access_token")); a.status != http.StatusUnauthorized {
			t.Errorf("%s: UserInfo: %d %s", client, a.status, a.raw)
		}
		for _, member := range []string{"access_token", "refresh_token"} {
			if ts.isActive(client, tokens.member(member)) {
				t.Errorf("%s: the %s is active", client, member)
			}
		}
		if a := ts.refreshAsWeb(client, tokens.member("refresh_token")); a.status != http.StatusBadRequest || a.member("error") != "invalid_grant" {
			t.Errorf("%s: refresh: %d %s", client, a.status, a.raw)
		}
		if a := ts.redeem(client, code); a.status != http.StatusBadRequest || a.member("error") != "invalid_grant" {
			t.Errorf("%s: the code gives %d %s", client, a.status, a.raw)
		}
	}
}

// refreshAsWeb refreshes as a client of kind web.
func (ts *testServer) refreshAsWeb(client, token string) response {
	ts.Helper()
	return ts.tokenRequest(client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func TestLifecycle_RecreatedClientHasNoTokensOfItsOwn(t *testing.T) {
	ts := newPopulatedServer(t)
	ts.addClient("api", func(c *storage.Client) {
		c.Kind, c.RedirectURIs, c.Scopes, c.Introspection = storage.ClientService, nil, []string{"orders"}, true
	})
	token := func() string {
		return ts.tokenRequest("api", url.Values{"grant_type": {"client_credentials"}}).member("access_token")
	}
	before := token()
	if !ts.isActive("api", before) {
		t.Fatal("a token is not active")
	}
	ts.recreate("api")
	if ts.isActive("api", before) {
		t.Error("the token of the deleted client is active")
	}
	if !ts.isActive("api", token()) {
		t.Error("a token of the new client is not active")
	}
}

func TestLifecycle_RecreatedClientHasNoConsentAndNoHint(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	hint := b.flow("web").member("id_token")
	if got := b.silentError("id_token_hint", hint); got != "" {
		t.Fatalf("silent before: %q", got)
	}
	ts.recreate("web")
	if got := b.silentError(); got != "consent_required" {
		t.Errorf("silent: %q", got)
	}
	if got := b.silentError("id_token_hint", hint); got != "invalid_request" {
		t.Errorf("silent with the ID token of the deleted client: %q", got)
	}
	again := b.flow("web").member("id_token")
	if got := b.silentError("id_token_hint", again); got != "" {
		t.Errorf("silent with an ID token of the new client: %q", got)
	}
}

func TestLifecycle_RecreatedClientGetsNoRequestOfTheDeletedOne(t *testing.T) {
	ts := newPopulatedServer(t)
	b := ts.newBrowser()
	b.get(ts.authorizeURL("web"))
	interaction := b.page.url
	pushed := must(url.Parse(ts.authorizeURL("web")))(t).Query()
	uri := ts.requestTokens("/oauth2/par", "web", pushed).member("request_uri")
	ts.recreate("web")
	b.get(interaction)
	b.wantPage(t, http.StatusBadRequest, "too long")
	b.get(ts.url + "/oauth2/authorize?" + url.Values{"client_id": {"web"}, "request_uri": {uri}}.Encode())
	b.wantPage(t, http.StatusBadRequest, "request_uri has expired")
}

func (ts *testServer) requestTokens(path, client string, form url.Values) response {
	ts.Helper()
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+path, strings.NewReader(form.Encode())))(ts.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, secretOfWeb)
	return ts.do(request)
}

func TestLifecycle_RecreatedClientGetsNoLogoutTokenOfTheDeletedOne(t *testing.T) {
	ts, web, spa := newLogoutTokenServer(t)
	b := ts.newBrowser()
	b.flow("web")
	token := b.flow("spa").member("id_token")
	ts.recreate("web")
	b.get(ts.logoutURL("id_token_hint", token))
	web.wantLogoutTokens(t, "the new client", 0)
	spa.wantLogoutTokens(t, "the client that was not deleted", 1)
}

func TestLifecycle_RecreatedClientIsNotSignedOutByTheHintOfTheDeletedOne(t *testing.T) {
	ts, _, _ := newLogoutTokenServer(t)
	b := ts.newBrowser()
	token := b.flow("web").member("id_token")
	ts.recreate("web")
	b.get(ts.logoutURL("id_token_hint", token, "client_id", "web", "post_logout_redirect_uri", postLogout))
	b.wantAsked(t)
}

func TestLifecycle_RecreatedMiniProgramRepeatsNoLogin(t *testing.T) {
	ts := newTestServer(t)
	code := ts.app("mini").Login("amy")
	first := ts.exchange("mini", code)
	ts.recreate("mini")
	if a := ts.exchange("mini", code); a.status != http.StatusBadRequest || a.member("reason") != "new_code" {
		t.Errorf("the repeat of a login: %d %s", a.status, a.raw)
	}
	if a := ts.refresh("mini", first.member("refresh_token")); a.status != http.StatusBadRequest {
		t.Errorf("refresh: %d %s", a.status, a.raw)
	}
	if again := ts.login("mini", "amy"); ts.sub(again) != ts.sub(first) {
		t.Error("the user of the directory is another one") // Users belong to the directory, not to the client.
	}
}

func TestLifecycle_RecreatedMiniProgramTakesNoBindTicketOfTheDeletedOne(t *testing.T) {
	ts := newTestServer(t)
	ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	ticket := ts.exchange("mini", ts.app("mini").Login("amy")).member("bind_ticket")
	ts.recreate("mini")
	a := ts.postJSON("mini", "/federation/wechat/miniapp/bindUser", map[string]string{"method": "register", "bind_ticket": ticket})
	if a.status != http.StatusBadRequest {
		t.Errorf("the ticket gives %d %s", a.status, a.raw)
	}
}

func TestBackChannelLogout_2_NotifiesManyClientsOfOneSession(t *testing.T) {
	ts, web, _ := newLogoutTokenServer(t)
	b := ts.newBrowser()
	const many = 127
	for i := range many {
		id := fmt.Sprintf("rp-%d-%s", i, strings.Repeat("x", 50))
		ts.addClient(id, func(c *storage.Client) {
			c.BackchannelLogoutURI, c.FirstParty, c.Incarnation = web.URL+"/bye", true, "abcdefghijklmnop"
		})
		b.get(ts.authorizeURL(id, "scope", "openid"))
		if i == 0 {
			b.signIn("alice")
		}
		b.code()
	}
	token := b.flow("web").member("id_token")
	ts.addClient("one-more", func(c *storage.Client) { c.BackchannelLogoutURI, c.FirstParty = web.URL+"/bye", true })
	b.get(ts.authorizeURL("one-more"))
	b.code()
	if !strings.Contains(ts.log.String(), `"client":"one-more"`) {
		t.Error("the log does not name the client without room")
	}
	b.get(ts.logoutURL("id_token_hint", token))
	notified := map[any]bool{}
	for range 3 { // On a busy machine, a delivery can reach its timeout. It is then repeated, so that a client may be notified twice.
		ts.clock.Advance(time.Minute)
		ts.deliverDue()
		for _, token := range web.tokens() {
			notified[claims(t, token)["aud"]] = true
		}
		if len(notified) == many+1 {
			return
		}
	}
	t.Errorf("%d clients got a logout token, want %d", len(notified), many+1)
}

func TestLifecycle_InstanceWithTheDeletedClientInMemoryTakesTokensOfTheNewOne(t *testing.T) {
	ts := newPopulatedServer(t)
	other := ts.secondInstance()
	ts.clock.Advance(6 * time.Second)
	other.postPublic("/oauth2/token", url.Values{"client_id": {"spa"}}) // From now on it has the client in memory.
	key := storage.Key("default", "spa")
	next := must(storage.Get[storage.Client](t.Context(), ts.engine.Engine, key))(t).Record
	check(t, ts.engine.Delete(t.Context(), storage.KindClient, key))
	next.Incarnation = "second"
	must(storage.Insert(t.Context(), ts.engine.Engine, next))(t)

	tokens := ts.newBrowser().flow("spa", "scope", "openid profile offline_access")
	if a := other.userinfo(tokens.member("access_token")); a.status != http.StatusOK {
		t.Errorf("UserInfo: %d %s", a.status, a.raw)
	}
	a := other.tokenRequest("spa", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.member("refresh_token")}})
	if a.status != http.StatusOK {
		t.Errorf("refresh: %d %s", a.status, a.raw)
	}
}

func TestLifecycle_PageOfTheDeletedClientOffersToBeginAgain(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize()
	ts.recreate("shop")
	b.signInAs("wanda")
	b.get(b.linkNamed("Begin again"))
	if b.page.callback == "" {
		b.signInAs("wanda")
	}
	if b.page.callback == "" {
		b.press("consent-form", "allow")
	}
	b.code()
}

func TestLifecycle_RecreatedMiniProgramHasNoCachedResults(t *testing.T) {
	ts := newTestServer(t)
	other := ts.secondInstance()
	code := ts.app("mini").Login("alice")
	before := ts.exchange("mini", code)
	if a := other.exchange("mini", code); a.member("refresh_token") == "" || a.member("refresh_token") != before.member("refresh_token") {
		t.Fatalf("a repeat at the other instance: %d %s", a.status, a.raw)
	}
	ts.recreate("mini")
	for i, at := range []*testServer{ts, other} {
		if a := at.exchange("mini", code); a.status != http.StatusBadRequest || a.member("reason") != "new_code" {
			t.Errorf("instance %d: a repeat of the code got %d %s", i, a.status, a.raw)
		}
		at.wantInvalidGrant(at.refresh("mini", before.member("refresh_token")), "")
	}
	if a := ts.login("mini", "alice"); ts.sub(a) != ts.sub(before) {
		t.Errorf("the user was %s and is %s", ts.sub(before), ts.sub(a))
	}
}
