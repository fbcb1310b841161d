package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

const (
	bindPath        = "/federation/wechat/miniapp/bindUser"
	setPasswordPath = "/federation/wechat/miniapp/password"
)

// newBindingHouse has the client "mini", which may bind by password, under the policy bind, and the client "other".
func newBindingHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.change("mini", func(c *storage.Client) {
		c.FirstParty, c.AccountLinking, c.Scopes = true, true, append(c.Scopes, linkScope)
		c.Federation.Provisioning, c.Federation.PasswordBinding = storage.ProvisionBind, true
	})
	h.addMiniProgram("other", func(c *storage.Client) { c.AccountLinking, c.Scopes = true, append(c.Scopes, linkScope) })
	return h
}

func (h *house) bind(client, user, method string, further ...string) answer {
	h.Helper()
	return h.bindWith(client, h.app(client).Login(user), method, further...)
}

func (h *house) bindWith(client, code, method string, further ...string) answer {
	h.Helper()
	form := url.Values{"method": {method}, "code": {code}}
	for i := 0; i < len(further); i += 2 {
		form.Set(further[i], further[i+1])
	}
	return h.post(client, bindPath, form)
}

// linkToken is an access token of a user of a client by the mini-program, with the scope that proves.
func (h *house) linkToken(client, user string, further ...string) answer {
	h.Helper()
	return h.exchange(client, h.app(client).Login(user), append([]string{"scope", "openid profile " + linkScope}, further...)...)
}

func wantReason(t *testing.T, a answer, status int, code, reason string) {
	t.Helper()
	if a.status != status || a.text("error") != code || a.text("reason") != reason {
		t.Errorf("%d %s, want %d %s %s", a.status, a.raw, status, code, reason)
	}
}

func TestBindUserByPasswordAttachesTheAccountAndTellsItsOwner(t *testing.T) {
	h := newBindingHouse(t)
	user := h.addMailedPerson("wanda")
	code := h.app("mini").Login("w")
	bound := h.bindWith("mini", code, "password", "username", "WANDA", "password", goodPassword, "scope", "openid profile")
	profile, _ := bound.body["profile"].(map[string]any)
	if bound.status != http.StatusOK || h.sub(bound) != user.ID || profile["preferred_username"] != "wanda" || profile["sub"] != user.ID {
		t.Fatalf("%d %s", bound.status, bound.raw)
	}
	if got := claims(t, bound.text("id_token"))["amr"]; fmt.Sprint(got) != "[wechat_miniapp]" {
		t.Errorf("amr is %v", got)
	}
	// 1. A repeat answers the same; one with another password, or none, does not.
	again := h.bindWith("mini", code, "password", "username", "WANDA", "password", goodPassword, "scope", "openid profile")
	if again.status != http.StatusOK || h.sub(again) != user.ID || again.text("refresh_token") != bound.text("refresh_token") {
		t.Errorf("repeat: %d %s", again.status, again.raw)
	}
	wantReason(t, h.bindWith("mini", code, "password", "username", "WANDA", "password", "wrong", "scope", "openid profile"), http.StatusBadRequest, "invalid_request", "repeat_differs")
	wantReason(t, h.exchange("mini", code, "scope", "openid profile"), http.StatusBadRequest, "invalid_request", "repeat_differs")
	// 2. From now on the WeChat user is that user.
	if got := h.sub(h.login("mini", "w")); got != user.ID {
		t.Errorf("sub is %s", got)
	}
	// 3. The owner hears of it, by mail and in the audit.
	letters := h.letters("wanda@example.com")
	if len(letters) != 1 || letters[0].Subject != "WeChat was linked to your account at Default" {
		t.Errorf("mail: %+v", letters)
	}
	attached := false
	for _, entry := range list[storage.AuditEntry](h.world) {
		attached = attached || entry.Action == identity.ActionAttach && entry.Target == "user:"+user.ID && entry.Details["method"] == "password"
	}
	if !attached {
		t.Error("no audit entry")
	}
}

func TestBindUserByPasswordIsForFirstPartiesThatAreFlagged(t *testing.T) {
	h := newBindingHouse(t)
	h.addPerson("wanda")
	for name, edit := range map[string]func(*storage.Client){
		"not a first party": func(c *storage.Client) { c.FirstParty, c.Federation.PasswordBinding = false, true },
		"not flagged":       func(c *storage.Client) { c.FirstParty, c.Federation.PasswordBinding = true, false },
	} {
		h.change("mini", edit)
		calls := len(h.sim.Requests())
		got := h.bind("mini", "w", "password", "username", "wanda", "password", goodPassword)
		if got.status != http.StatusBadRequest || got.text("error") != "unauthorized_client" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
		if len(h.sim.Requests()) != calls {
			t.Errorf("%s: the code was spent", name)
		}
	}
}

func TestBindUserByPasswordRefusesWhatProvesNothing(t *testing.T) {
	h := newBindingHouse(t)
	h.addPerson("wanda")
	var first answer
	for _, name := range []string{"wanda", "nobody"} {
		got := h.bind("mini", "w", "password", "username", name, "password", "wrong")
		wantReason(t, got, http.StatusBadRequest, "invalid_grant", "wrong_password")
		delete(got.body, "request_id")
		if first.body == nil {
			first = got
		}
		if fmt.Sprint(got.body) != fmt.Sprint(first.body) {
			t.Errorf("an unknown user is told apart: %v", got.body)
		}
	}
	for name, further := range map[string][]string{
		"no username": {"password", goodPassword}, "no password": {"username", "wanda"}, "a long name": {"username", strings.Repeat("w", 600), "password", "x"},
	} {
		if got := h.bind("mini", "w", "password", further...); got.status != http.StatusBadRequest || got.text("error") != "invalid_request" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	ticket := h.exchange("mini", h.app("mini").Login("w")).text("bind_ticket")
	got := h.post("mini", bindPath, url.Values{"method": {"password"}, "bind_ticket": {ticket}, "username": {"wanda"}, "password": {goodPassword}})
	if got.status != http.StatusBadRequest || got.text("error") != "invalid_request" {
		t.Errorf("a ticket alone: %d %s", got.status, got.raw)
	}
	if links := list[storage.Identity](h.world); len(links) != 1 {
		t.Errorf("links: %+v", links)
	}
}

func TestBindUserByPasswordWithATicketWantsTheSameWeChatUser(t *testing.T) {
	h := newBindingHouse(t)
	user := h.addPerson("wanda")
	ticket := h.exchange("mini", h.app("mini").Login("w")).text("bind_ticket")
	wantReason(t, h.bind("mini", "mallory", "password", "bind_ticket", ticket, "username", "wanda", "password", goodPassword), http.StatusBadRequest, "invalid_request", "new_code")
	bound := h.bind("mini", "w", "password", "bind_ticket", ticket, "username", "wanda", "password", goodPassword)
	if bound.status != http.StatusOK || h.sub(bound) != user.ID {
		t.Errorf("%d %s", bound.status, bound.raw)
	}
}

func TestFiveWrongPasswordsKillTheTicket(t *testing.T) {
	h := newBindingHouse(t)
	h.addPerson("wanda")
	ticket := h.exchange("mini", h.app("mini").Login("w")).text("bind_ticket")
	for range 5 {
		wantReason(t, h.bind("mini", "w", "password", "bind_ticket", ticket, "username", "wanda", "password", "wrong"), http.StatusBadRequest, "invalid_grant", "wrong_password")
	}
	wantReason(t, h.bind("mini", "w", "password", "bind_ticket", ticket, "username", "wanda", "password", goodPassword), http.StatusBadRequest, "invalid_request", "new_code")
}

func TestBindUserIsThrottledByAccountAndByOpenIDAndSparesTheOwner(t *testing.T) {
	h := newBindingHouse(t)
	user := h.addPerson("wanda")
	h.addPerson("victor")
	bound := h.bind("mini", "w", "password", "username", "wanda", "password", goodPassword)
	if bound.status != http.StatusOK {
		t.Fatalf("%s", bound.raw)
	}
	// 1. Many WeChat users guess at one account.
	for i := range 6 {
		h.bind("mini", fmt.Sprint("mallory-", i), "password", "username", "wanda", "password", "wrong")
	}
	got := h.bind("mini", "mallory-7", "password", "username", "wanda", "password", goodPassword)
	wantReason(t, got, http.StatusTooManyRequests, "temporarily_unavailable", "rate_limited")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	// 2. The page for signing in counts the same account, and the owner's WeChat is spared.
	v := h.visitor()
	v.get(h.url + "/login")
	v.signInAs("wanda")
	v.at(t, "/login", http.StatusTooManyRequests, "Too many failed attempts.")
	if again := h.bind("mini", "w", "password", "username", "wanda", "password", goodPassword); again.status != http.StatusOK || h.sub(again) != user.ID {
		t.Errorf("the owner: %d %s", again.status, again.raw)
	}
	// 3. One WeChat user guesses at many accounts.
	for i := range 6 {
		h.bind("mini", "trudy", "password", "username", fmt.Sprint("person-", i), "password", "wrong")
	}
	wantReason(t, h.bind("mini", "trudy", "password", "username", "victor", "password", goodPassword), http.StatusTooManyRequests, "temporarily_unavailable", "rate_limited")
}

func TestBindUserByPasswordDoesNotMoveAWeChatUser(t *testing.T) {
	h := newBindingHouse(t)
	h.addPerson("wanda")
	h.addPerson("victor")
	if got := h.bind("mini", "w", "password", "username", "wanda", "password", goodPassword); got.status != http.StatusOK {
		t.Fatalf("%s", got.raw)
	}
	got := h.bind("mini", "w", "password", "username", "victor", "password", goodPassword)
	if got.status != http.StatusConflict || got.text("error") != "already_bound" {
		t.Errorf("%d %s", got.status, got.raw)
	}
}

func TestBindUserBySessionAttachesTheAccountOfTheToken(t *testing.T) {
	h := newBindingHouse(t)
	h.change("mini", func(c *storage.Client) { c.Federation.LinkingPartners = []string{"shop"} })
	user := h.addPerson("wanda")
	v := h.visitor()
	v.ask("scope", "openid "+linkScope)
	v.signInAs("wanda")
	v.press("consent-form", "allow")
	token := h.redeem("shop", v.code(), "redirect_uri", shopRedirect).text("access_token")
	code := h.app("mini").Login("w")
	bound := h.bindWith("mini", code, "session", "access_token", token)
	if bound.status != http.StatusOK || h.sub(bound) != user.ID {
		t.Fatalf("%d %s", bound.status, bound.raw)
	}
	if again := h.bindWith("mini", code, "session", "access_token", token); again.status != http.StatusOK || h.sub(again) != user.ID {
		t.Errorf("repeat: %d %s", again.status, again.raw)
	}
	if got := h.sub(h.login("mini", "w")); got != user.ID {
		t.Errorf("sub is %s", got)
	}
	// The client's own tokens prove as well.
	own := h.linkToken("mini", "w")
	if got := h.bind("mini", "second", "session", "access_token", own.text("access_token")); got.status != http.StatusOK || h.sub(got) != user.ID {
		t.Errorf("%d %s", got.status, got.raw)
	}
}

func TestBindUserBySessionRefusesEveryOtherToken(t *testing.T) {
	h := newBindingHouse(t)
	h.change("mini", func(c *storage.Client) {
		c.Federation.Provisioning, c.Audiences, c.Federation.LinkingPartners = "", []string{"https://api.example"}, []string{"opaque"}
	})
	h.addMiniProgram("opaque", func(c *storage.Client) {
		c.AccountLinking, c.Scopes, c.OpaqueAccessTokens = true, append(c.Scopes, linkScope), true
	})
	h.addDirectory(tea())
	victim := h.linkToken("mini", "victim")
	ended := h.linkToken("mini", "ended")
	check(t, h.people.SignOutEverywhere(h.Context(), "default", h.sub(ended), identity.System))
	for name, token := range map[string]string{
		"nonsense":                  "nonsense",
		"an ID token":               victim.text("id_token"),
		"a refresh token":           h.login("mini", "refreshing", "scope", "openid offline_access "+linkScope).text("refresh_token"),
		"without the scope":         h.login("mini", "plain").text("access_token"),
		"for another audience":      h.linkToken("mini", "abroad", "audience", "https://api.example").text("access_token"),
		"of a stranger":             h.linkToken("other", "stranger").text("access_token"),
		"opaque":                    h.linkToken("opaque", "opaque").text("access_token"),
		"of a grant that has ended": ended.text("access_token"),
		"changed":                   victim.text("access_token")[:len(victim.text("access_token"))-4] + "AAAA",
	} {
		if token == "" {
			t.Fatalf("%s: no token", name)
		}
		calls := len(h.sim.Requests())
		got := h.bind("mini", "mallory", "session", "access_token", token)
		if got.status != http.StatusBadRequest || got.text("error") != "invalid_grant" || got.text("reason") != "session_token" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
		if len(h.sim.Requests()) != calls {
			t.Errorf("%s: the code was spent", name)
		}
	}
	h.clock.Advance(5*time.Minute + time.Second)
	wantReason(t, h.bind("mini", "mallory", "session", "access_token", victim.text("access_token")), http.StatusBadRequest, "invalid_grant", "session_token")
	got := h.post("mini", bindPath, url.Values{"method": {"session"}, "access_token": {victim.text("access_token")}, "bind_ticket": {"x"}})
	if got.text("error") != "invalid_request" {
		t.Errorf("without a code: %s", got.raw)
	}
}

func TestARefreshedTokenIsNoFreshSignIn(t *testing.T) {
	h := newBindingHouse(t)
	h.change("mini", func(c *storage.Client) { c.Federation.Provisioning = "" })
	tokens := h.login("mini", "w", "scope", "openid offline_access "+linkScope)
	h.clock.Advance(5*time.Minute + time.Second)
	fresh := h.refresh("mini", tokens.text("refresh_token")).text("access_token")
	wantReason(t, h.bind("mini", "mallory", "session", "access_token", fresh), http.StatusBadRequest, "invalid_grant", "session_token")
	got := h.setPassword(fresh, "wanda", goodPassword)
	wantReason(t, got, http.StatusUnauthorized, "insufficient_user_authentication", "")
	if challenge := got.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_user_authentication"`) || got.body["max_age"] != float64(300) {
		t.Errorf("%q %s", challenge, got.raw)
	}
}

func TestTheScopeThatProvesIsNeverGrantedByDefault(t *testing.T) {
	h := newBindingHouse(t)
	h.change("mini", func(c *storage.Client) {
		c.Federation.Provisioning, c.DefaultScopes = "", []string{"openid", linkScope}
	})
	if got := h.login("mini", "w").text("scope"); got != "openid" {
		t.Errorf("scope is %q", got)
	}
}

// setPassword calls the endpoint for it with a token.
func (h *house) setPassword(token, username, password string, current ...string) answer {
	h.Helper()
	form := url.Values{}
	for name, value := range map[string]string{"username": username, "password": password, "current_password": strings.Join(current, "")} {
		if value != "" {
			form.Set(name, value)
		}
	}
	request := must(http.NewRequestWithContext(h.Context(), http.MethodPost, h.url+setPasswordPath, strings.NewReader(form.Encode())))(h.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return h.do(request)
}

// TestTheShadowUserSignsInElsewhere is the promise: the same person everywhere, with the same profile.
func TestTheShadowUserSignsInElsewhere(t *testing.T) {
	h := newBindingHouse(t)
	h.change("mini", func(c *storage.Client) { c.Federation.Provisioning = "" })
	mini := h.post("mini", "/federation/wechat/miniapp/profile", url.Values{
		"code": {h.app("mini").Login("w")}, "scope": {"openid profile " + linkScope}, "user": {`{"nickname":"小明"}`},
	})
	set := h.setPassword(mini.text("access_token"), "xiaoming", goodPassword)
	if set.status != http.StatusOK || set.text("sub") != h.sub(mini) || set.text("preferred_username") != "xiaoming" || set.text("nickname") != "小明" {
		t.Fatalf("%d %s", set.status, set.raw)
	}
	v := h.visitor()
	v.ask("scope", "openid profile")
	v.signInAs("xiaoming")
	v.press("consent-form", "allow")
	tokens := h.redeem("shop", v.code(), "redirect_uri", shopRedirect)
	if h.sub(tokens) != h.sub(mini) {
		t.Errorf("sub is %s, was %s", h.sub(tokens), h.sub(mini))
	}
	here := h.userinfo(h.login("mini", "w", "scope", "openid profile").text("access_token"))
	there := h.userinfo(tokens.text("access_token"))
	if here.status != http.StatusOK || fmt.Sprint(here.body) != fmt.Sprint(there.body) || here.text("preferred_username") != "xiaoming" {
		t.Errorf("%s\n%s", here.raw, there.raw)
	}
	if got := h.refresh("mini", mini.text("refresh_token")); mini.text("refresh_token") != "" && got.status != http.StatusOK {
		t.Errorf("a first password ends nothing: %s", got.raw)
	}
}

func TestAPasswordThatIsReplacedByTheMiniProgramEndsEverything(t *testing.T) {
	h := newBindingHouse(t)
	h.change("mini", func(c *storage.Client) { c.Federation.Provisioning = "" })
	first := h.linkToken("mini", "w")
	if got := h.setPassword(first.text("access_token"), "wanda", goodPassword); got.status != http.StatusOK {
		t.Fatalf("%s", got.raw)
	}
	v := h.visitor()
	v.enter("wanda")
	token := h.linkToken("mini", "w").text("access_token")
	if got := h.setPassword(token, "", "another password", goodPassword); got.status != http.StatusOK || got.text("preferred_username") != "wanda" {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	v.get(h.url + "/account")
	v.at(t, "/login", http.StatusOK, "Sign in")
	if got := h.setPassword(token, "", "a third password", "another password"); got.status != http.StatusUnauthorized {
		t.Errorf("the token of before: %d %s", got.status, got.raw)
	}
}

func TestSettingAPasswordRefusesWithReasons(t *testing.T) {
	h := newBindingHouse(t)
	h.change("mini", func(c *storage.Client) {
		c.Federation.Provisioning, c.Audiences = "", []string{"https://api.example"}
	})
	h.addPerson("victor")
	token := h.linkToken("mini", "w").text("access_token")
	for _, c := range []struct {
		username, password string
		status             int
		reason             string
	}{
		{"", goodPassword, http.StatusBadRequest, ""},
		{"wanda", "", http.StatusBadRequest, ""},
		{"w", goodPassword, http.StatusBadRequest, "username_unacceptable"},
		{"victor", goodPassword, http.StatusConflict, "username_taken"},
		{"wandawanda", "wandawanda", http.StatusBadRequest, "password_unacceptable"},
		{"wanda", "short", http.StatusBadRequest, "password_unacceptable"},
	} {
		wantReason(t, h.setPassword(token, c.username, c.password), c.status, "invalid_request", c.reason)
	}
	for name, c := range map[string]struct {
		token  string
		status int
		code   string
	}{
		"no token":             {"", http.StatusUnauthorized, ""},
		"nonsense":             {"nonsense", http.StatusUnauthorized, "invalid_token"},
		"without the scope":    {h.login("mini", "w").text("access_token"), http.StatusForbidden, "insufficient_scope"},
		"for another audience": {h.linkToken("mini", "w", "audience", "https://api.example").text("access_token"), http.StatusUnauthorized, "invalid_token"},
	} {
		got := h.setPassword(c.token, "wanda", goodPassword)
		if got.status != c.status || got.text("error") != c.code || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), `Bearer realm="minifed"`) {
			t.Errorf("%s: %d %s %q", name, got.status, got.raw, got.header.Get("WWW-Authenticate"))
		}
	}
	request := must(http.NewRequestWithContext(h.Context(), http.MethodPost, h.url+setPasswordPath, strings.NewReader(`{"username":"wanda","password":"`+goodPassword+`"}`)))(t)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	if got := h.do(request); got.status != http.StatusOK {
		t.Errorf("JSON: %d %s", got.status, got.raw)
	}
}

func TestProofsOfAccountsAreNotLoggedNorStored(t *testing.T) {
	h := newBindingHouse(t)
	h.addPerson("wanda")
	h.bind("mini", "w", "password", "username", "wanda", "password", "a wrong password")
	h.bind("mini", "w", "password", "username", "wanda", "password", goodPassword)
	token := h.linkToken("mini", "w").text("access_token")
	h.setPassword(token, "", "another password")
	for _, secret := range []string{goodPassword, "a wrong password", "another password", token} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
