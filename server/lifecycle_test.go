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

// recreate deletes a client of the default directory and creates another one with its ID, at the same time, and waits until
// every instance knows.
func (w *world) recreate(id string) {
	w.Helper()
	key := storage.Key("default", id)
	next := must(storage.Get[storage.Client](w.Context(), w.engine.Engine, key))(w.T).Record
	check(w.T, w.engine.Delete(w.Context(), storage.KindClient, key))
	next.Incarnation = "second"
	must(storage.Insert(w.Context(), w.engine.Engine, next))(w.T)
	w.clock.Advance(5 * time.Second)
}

func (w *world) isActive(asking, token string) bool {
	w.Helper()
	return w.tokenAbout("/oauth2/introspect", asking, token).body["active"] == true
}

func (w *world) tokenAbout(path, client, token string) answer {
	w.Helper()
	form := url.Values{"token": {token}}
	request := must(http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+path, strings.NewReader(form.Encode())))(w.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, secretOfWeb)
	return w.do(request)
}

func TestLifecycle_RecreatedClientHasNoTokensOfTheDeletedOne(t *testing.T) {
	w := newSite(t)
	w.addClient("opaque", func(c *storage.Client) { c.OpaqueAccessTokens = true })
	for _, client := range []string{"web", "opaque"} {
		b := w.newBrowser()
		code := b.freshCode(client)
		tokens := b.flow(client, "scope", "openid profile offline_access")
		w.recreate(client)
		if a := w.userinfo(tokens.text("access_token")); a.status != http.StatusUnauthorized {
			t.Errorf("%s: UserInfo answers %d %s", client, a.status, a.raw)
		}
		for _, member := range []string{"access_token", "refresh_token"} {
			if w.isActive(client, tokens.text(member)) {
				t.Errorf("%s: the %s is active", client, member)
			}
		}
		if a := w.refresh2(client, tokens.text("refresh_token")); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			t.Errorf("%s: refresh answers %d %s", client, a.status, a.raw)
		}
		if a := w.redeem(client, code); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			t.Errorf("%s: the code gives %d %s", client, a.status, a.raw)
		}
	}
}

// refresh2 refreshes as a client of kind web.
func (w *world) refresh2(client, token string) answer {
	w.Helper()
	return w.tokenRequest(client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func TestLifecycle_RecreatedClientHasNoTokensOfItsOwn(t *testing.T) {
	w := newSite(t)
	w.addClient("api", func(c *storage.Client) {
		c.Kind, c.RedirectURIs, c.Scopes, c.Introspection = storage.ClientService, nil, []string{"orders"}, true
	})
	token := func() string {
		return w.tokenRequest("api", url.Values{"grant_type": {"client_credentials"}}).text("access_token")
	}
	before := token()
	if !w.isActive("api", before) {
		t.Fatal("a token is not active")
	}
	w.recreate("api")
	if w.isActive("api", before) {
		t.Error("the token of the deleted client is active")
	}
	if !w.isActive("api", token()) {
		t.Error("a token of the new client is not active")
	}
}

func TestLifecycle_RecreatedClientHasNoConsentAndNoHint(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	hint := b.flow("web").text("id_token")
	if got := b.silent("id_token_hint", hint); got != "" {
		t.Fatalf("silent before: %q", got)
	}
	w.recreate("web")
	if got := b.silent(); got != "consent_required" {
		t.Errorf("silent: %q", got)
	}
	if got := b.silent("id_token_hint", hint); got != "invalid_request" {
		t.Errorf("silent with the ID token of the deleted client: %q", got)
	}
	again := b.flow("web").text("id_token")
	if got := b.silent("id_token_hint", again); got != "" {
		t.Errorf("silent with an ID token of the new client: %q", got)
	}
}

func TestLifecycle_RecreatedClientGetsNoRequestOfTheDeletedOne(t *testing.T) {
	w := newSite(t)
	b := w.newBrowser()
	b.get(w.authorizeURL("web"))
	interaction := b.page.url
	pushed := must(url.Parse(w.authorizeURL("web")))(t).Query()
	uri := w.tokenTo("/oauth2/par", "web", pushed).text("request_uri")
	w.recreate("web")
	b.get(interaction)
	b.wantPage(t, http.StatusBadRequest, "too long")
	b.get(w.url + "/oauth2/authorize?" + url.Values{"client_id": {"web"}, "request_uri": {uri}}.Encode())
	b.wantPage(t, http.StatusBadRequest, "over")
}

func (w *world) tokenTo(path, client string, form url.Values) answer {
	w.Helper()
	request := must(http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+path, strings.NewReader(form.Encode())))(w.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, secretOfWeb)
	return w.do(request)
}

func TestLifecycle_RecreatedClientGetsNoLogoutTokenOfTheDeletedOne(t *testing.T) {
	w, web, spa := told(t)
	b := w.newBrowser()
	b.flow("web")
	token := b.flow("spa").text("id_token")
	w.recreate("web")
	b.get(w.logoutURL("id_token_hint", token))
	web.want(t, "the new client", 0)
	spa.want(t, "the client that was not deleted", 1)
}

func TestLifecycle_RecreatedClientIsNotSignedOutByTheHintOfTheDeletedOne(t *testing.T) {
	w, _, _ := told(t)
	b := w.newBrowser()
	token := b.flow("web").text("id_token")
	w.recreate("web")
	b.get(w.logoutURL("id_token_hint", token, "client_id", "web", "post_logout_redirect_uri", postLogout))
	b.wantAsked(t)
}

func TestLifecycle_RecreatedMiniProgramRepeatsNoLogin(t *testing.T) {
	w := newWorld(t)
	code := w.app("mini").Login("amy")
	first := w.exchange("mini", code)
	w.recreate("mini")
	if a := w.exchange("mini", code); a.status != http.StatusBadRequest || a.text("reason") != "new_code" {
		t.Errorf("the repeat of a login answers %d %s", a.status, a.raw)
	}
	if a := w.refresh("mini", first.text("refresh_token")); a.status != http.StatusBadRequest {
		t.Errorf("refresh answers %d %s", a.status, a.raw)
	}
	if again := w.login("mini", "amy"); w.sub(again) != w.sub(first) {
		t.Error("the user of the directory is another one") // Users belong to the directory, not to the client.
	}
}

func TestLifecycle_RecreatedMiniProgramTakesNoBindTicketOfTheDeletedOne(t *testing.T) {
	w := newWorld(t)
	w.change("mini", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	ticket := w.exchange("mini", w.app("mini").Login("amy")).text("bind_ticket")
	w.recreate("mini")
	a := w.postJSON("mini", "/federation/wechat/miniapp/bindUser", map[string]string{"method": "register", "bind_ticket": ticket})
	if a.status != http.StatusBadRequest {
		t.Errorf("the ticket gives %d %s", a.status, a.raw)
	}
}

func TestBackChannelLogout_2_ManyClientsOfOneSessionAreAllTold(t *testing.T) {
	w, web, _ := told(t)
	b := w.newBrowser()
	const many = 127
	for i := range many {
		id := fmt.Sprintf("rp-%d-%s", i, strings.Repeat("x", 50))
		w.addClient(id, func(c *storage.Client) {
			c.BackchannelLogoutURI, c.FirstParty, c.Incarnation = web.URL+"/bye", true, "abcdefghijklmnop"
		})
		b.get(w.authorizeURL(id, "scope", "openid"))
		if i == 0 {
			b.signIn("alice")
		}
		b.code()
	}
	token := b.flow("web").text("id_token")
	w.addClient("one-more", func(c *storage.Client) { c.BackchannelLogoutURI, c.FirstParty = web.URL+"/bye", true })
	b.get(w.authorizeURL("one-more"))
	b.code()
	if !strings.Contains(w.log.String(), `"client":"one-more"`) {
		t.Error("nothing is logged of the client that has no room")
	}
	b.get(w.logoutURL("id_token_hint", token))
	w.clock.Advance(time.Minute)
	w.look()
	notified := map[any]bool{} // A client may be told more than once.
	for _, token := range web.tokens() {
		notified[claims(t, token)["aud"]] = true
	}
	if len(notified) != many+1 {
		t.Errorf("%d clients got a logout token, want %d", len(notified), many+1)
	}
}

func TestLifecycle_InstanceWithTheDeletedClientInMemoryTakesTokensOfTheNewOne(t *testing.T) {
	w := newSite(t)
	other := w.secondInstance()
	w.clock.Advance(6 * time.Second)
	other.postPublic("/oauth2/token", url.Values{"client_id": {"spa"}}) // It has the client in memory from now on.
	key := storage.Key("default", "spa")
	next := must(storage.Get[storage.Client](t.Context(), w.engine.Engine, key))(t).Record
	check(t, w.engine.Delete(t.Context(), storage.KindClient, key))
	next.Incarnation = "second"
	must(storage.Insert(t.Context(), w.engine.Engine, next))(t)

	tokens := w.newBrowser().flow("spa", "scope", "openid profile offline_access")
	if a := other.userinfo(tokens.text("access_token")); a.status != http.StatusOK {
		t.Errorf("UserInfo answers %d %s", a.status, a.raw)
	}
	a := other.tokenRequest("spa", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}})
	if a.status != http.StatusOK {
		t.Errorf("refresh answers %d %s", a.status, a.raw)
	}
}

func TestLifecycle_PageOfTheDeletedClientOffersToBeginAgain(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.ask()
	h.recreate("shop")
	v.signInAs("wanda")
	v.get(v.link("Begin again"))
	if v.page.callback == "" {
		v.signInAs("wanda")
	}
	if v.page.callback == "" {
		v.press("consent-form", "allow")
	}
	v.code()
}

func TestLifecycle_RecreatedMiniProgramHasNoAnswersOfTheDeletedOne(t *testing.T) {
	w := newWorld(t)
	other := w.secondInstance()
	code := w.app("mini").Login("alice")
	before := w.exchange("mini", code)
	if a := other.exchange("mini", code); a.text("refresh_token") == "" || a.text("refresh_token") != before.text("refresh_token") {
		t.Fatalf("a repeat at the other instance: %d %s", a.status, a.raw)
	}
	w.recreate("mini")
	for i, at := range []*world{w, other} {
		if a := at.exchange("mini", code); a.status != http.StatusBadRequest || a.text("reason") != "new_code" {
			t.Errorf("instance %d answers a repeat of the code: %d %s", i, a.status, a.raw)
		}
		at.wantInvalidGrant(at.refresh("mini", before.text("refresh_token")), "")
	}
	if a := w.login("mini", "alice"); w.sub(a) != w.sub(before) {
		t.Errorf("the user was %s and is %s", w.sub(before), w.sub(a))
	}
}
