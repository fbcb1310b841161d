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

// newBindUserServer has the client "mini", which may bind by password, under the policy bind, and the client "other".
func newBindUserServer(t *testing.T) *pageTestServer {
	t.Helper()
	ts := newPageTestServer(t)
	ts.change("mini", func(c *storage.Client) {
		c.FirstParty, c.AccountLinking, c.Scopes = true, true, append(c.Scopes, linkScope)
		c.Federation.Provisioning, c.Federation.PasswordBinding = storage.ProvisionBind, true
	})
	ts.addMiniProgram("other", func(c *storage.Client) { c.AccountLinking, c.Scopes = true, append(c.Scopes, linkScope) })
	return ts
}

func (ts *pageTestServer) bind(client, user, method string, further ...string) response {
	ts.Helper()
	return ts.bindWith(client, ts.app(client).Login(user), method, further...)
}

func (ts *pageTestServer) bindWith(client, code, method string, further ...string) response {
	ts.Helper()
	form := url.Values{"method": {method}, "code": {code}}
	for i := 0; i < len(further); i += 2 {
		form.Set(further[i], further[i+1])
	}
	return ts.post(client, bindPath, form)
}

// linkToken returns an access token of a user of a client by the mini-program, with the scope that allows account linking.
func (ts *pageTestServer) linkToken(client, user string, further ...string) response {
	ts.Helper()
	return ts.exchange(client, ts.app(client).Login(user), append([]string{"scope", "openid profile " + linkScope}, further...)...)
}

func wantReason(t *testing.T, a response, status int, code, reason string) {
	t.Helper()
	if a.status != status || a.member("error") != code || a.member("reason") != reason {
		t.Errorf("%d %s, want %d %s %s", a.status, a.raw, status, code, reason)
	}
}

func TestBindUserPassword_AttachesAccountAndNotifiesOwner(t *testing.T) {
	ts := newBindUserServer(t)
	user := ts.addEmailUser("wanda")
	code := ts.app("mini").Login("w")
	bound := ts.bindWith("mini", code, "password", "username", "WANDA", "password", goodPassword, "scope", "openid profile")
	profile, _ := bound.body["profile"].(map[string]any)
	if bound.status != http.StatusOK || ts.sub(bound) != user.ID || profile["preferred_username"] != "wanda" || profile["sub"] != user.ID {
		t.Fatalf("%d %s", bound.status, bound.raw)
	}
	if got := claims(t, bound.member("id_token"))["amr"]; fmt.Sprint(got) != "[wechat_miniapp]" {
		t.Errorf("amr is %v", got)
	}
	// 1. A repeat gets the same response. A repeat with another password, or without one, does not.
	again := ts.bindWith("mini", code, "password", "username", "WANDA", "password", goodPassword, "scope", "openid profile")
	if again.status != http.StatusOK || ts.sub(again) != user.ID || again.member("refresh_token") != bound.member("refresh_token") {
		t.Errorf("repeat: %d %s", again.status, again.raw)
	}
	wantReason(t, ts.bindWith("mini", code, "password", "username", "WANDA", "password", "wrong", "scope", "openid profile"), http.StatusBadRequest, "invalid_request", "repeat_differs")
	wantReason(t, ts.exchange("mini", code, "scope", "openid profile"), http.StatusBadRequest, "invalid_request", "repeat_differs")
	// 2. From now on the WeChat user is this user.
	if got := ts.sub(ts.login("mini", "w")); got != user.ID {
		t.Errorf("sub is %s", got)
	}
	// 3. The owner is notified, by mail and in the audit trail.
	letters := ts.mailTo("wanda@example.com")
	if len(letters) != 1 || letters[0].Subject != "WeChat was linked to your account at Default" {
		t.Errorf("mail: %+v", letters)
	}
	attached := false
	for _, entry := range list[storage.AuditEntry](ts.testServer) {
		attached = attached || entry.Action == identity.ActionAttach && entry.Target == "user:"+user.ID && entry.Details["method"] == "password"
	}
	if !attached {
		t.Error("no audit entry")
	}
}

func TestBindUserPassword_RequiresFlaggedFirstParty(t *testing.T) {
	ts := newBindUserServer(t)
	ts.addPasswordUser("wanda")
	for name, edit := range map[string]func(*storage.Client){
		"not a first party": func(c *storage.Client) { c.FirstParty, c.Federation.PasswordBinding = false, true },
		"not flagged":       func(c *storage.Client) { c.FirstParty, c.Federation.PasswordBinding = true, false },
	} {
		ts.change("mini", edit)
		calls := len(ts.sim.Requests())
		got := ts.bind("mini", "w", "password", "username", "wanda", "password", goodPassword)
		if got.status != http.StatusBadRequest || got.member("error") != "unauthorized_client" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
		if len(ts.sim.Requests()) != calls {
			t.Errorf("%s: the code was spent", name)
		}
	}
}

func TestBindUserPassword_RejectsInvalidProof(t *testing.T) {
	ts := newBindUserServer(t)
	ts.addPasswordUser("wanda")
	var first response
	for _, name := range []string{"wanda", "nobody"} {
		got := ts.bind("mini", "w", "password", "username", name, "password", "wrong")
		wantReason(t, got, http.StatusBadRequest, "invalid_grant", "wrong_password")
		delete(got.body, "request_id")
		if first.body == nil {
			first = got
		}
		if fmt.Sprint(got.body) != fmt.Sprint(first.body) {
			t.Errorf("an unknown user is distinguishable: %v", got.body)
		}
	}
	for name, further := range map[string][]string{
		"no username": {"password", goodPassword}, "no password": {"username", "wanda"}, "a long name": {"username", strings.Repeat("w", 600), "password", "x"},
	} {
		if got := ts.bind("mini", "w", "password", further...); got.status != http.StatusBadRequest || got.member("error") != "invalid_request" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	ticket := ts.exchange("mini", ts.app("mini").Login("w")).member("bind_ticket")
	got := ts.post("mini", bindPath, url.Values{"method": {"password"}, "bind_ticket": {ticket}, "username": {"wanda"}, "password": {goodPassword}})
	if got.status != http.StatusBadRequest || got.member("error") != "invalid_request" {
		t.Errorf("a ticket alone: %d %s", got.status, got.raw)
	}
	if links := list[storage.Identity](ts.testServer); len(links) != 1 {
		t.Errorf("links: %+v", links)
	}
}

func TestBindUserPassword_TicketRequiresSameWeChatUser(t *testing.T) {
	ts := newBindUserServer(t)
	user := ts.addPasswordUser("wanda")
	ticket := ts.exchange("mini", ts.app("mini").Login("w")).member("bind_ticket")
	wantReason(t, ts.bind("mini", "mallory", "password", "bind_ticket", ticket, "username", "wanda", "password", goodPassword), http.StatusBadRequest, "invalid_request", "new_code")
	bound := ts.bind("mini", "w", "password", "bind_ticket", ticket, "username", "wanda", "password", goodPassword)
	if bound.status != http.StatusOK || ts.sub(bound) != user.ID {
		t.Errorf("%d %s", bound.status, bound.raw)
	}
}

func TestBindUserPassword_FiveFailuresEndTicket(t *testing.T) {
	ts := newBindUserServer(t)
	ts.addPasswordUser("wanda")
	ticket := ts.exchange("mini", ts.app("mini").Login("w")).member("bind_ticket")
	for range 5 {
		wantReason(t, ts.bind("mini", "w", "password", "bind_ticket", ticket, "username", "wanda", "password", "wrong"), http.StatusBadRequest, "invalid_grant", "wrong_password")
	}
	wantReason(t, ts.bind("mini", "w", "password", "bind_ticket", ticket, "username", "wanda", "password", goodPassword), http.StatusBadRequest, "invalid_request", "new_code")
}

func TestBindUserPassword_LimitsGuessesButNotOwner(t *testing.T) {
	ts := newBindUserServer(t)
	user := ts.addPasswordUser("wanda")
	ts.addPasswordUser("victor")
	bound := ts.bind("mini", "w", "password", "username", "wanda", "password", goodPassword)
	if bound.status != http.StatusOK {
		t.Fatalf("%s", bound.raw)
	}
	// 1. Many WeChat users guess the password of one account.
	for i := range 6 {
		ts.bind("mini", fmt.Sprint("mallory-", i), "password", "username", "wanda", "password", "wrong")
	}
	got := ts.bind("mini", "mallory-7", "password", "username", "wanda", "password", goodPassword)
	wantReason(t, got, http.StatusTooManyRequests, "temporarily_unavailable", "rate_limited")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	// 2. The login page counts the same account. The owner's WeChat sign-in is not affected.
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.signInAs("wanda")
	b.wantAt(t, "/login", http.StatusTooManyRequests, "Too many failed attempts.")
	if again := ts.bind("mini", "w", "password", "username", "wanda", "password", goodPassword); again.status != http.StatusOK || ts.sub(again) != user.ID {
		t.Errorf("the owner: %d %s", again.status, again.raw)
	}
	// 3. One WeChat user guesses the passwords of many accounts.
	for i := range 6 {
		ts.bind("mini", "trudy", "password", "username", fmt.Sprint("person-", i), "password", "wrong")
	}
	wantReason(t, ts.bind("mini", "trudy", "password", "username", "victor", "password", goodPassword), http.StatusTooManyRequests, "temporarily_unavailable", "rate_limited")
}

func TestBindUserPassword_RejectsBoundWeChatUser(t *testing.T) {
	ts := newBindUserServer(t)
	ts.addPasswordUser("wanda")
	ts.addPasswordUser("victor")
	if got := ts.bind("mini", "w", "password", "username", "wanda", "password", goodPassword); got.status != http.StatusOK {
		t.Fatalf("%s", got.raw)
	}
	got := ts.bind("mini", "w", "password", "username", "victor", "password", goodPassword)
	if got.status != http.StatusConflict || got.member("error") != "already_bound" {
		t.Errorf("%d %s", got.status, got.raw)
	}
}

func TestBindUserSession_AttachesAccountOfToken(t *testing.T) {
	ts := newBindUserServer(t)
	ts.change("mini", func(c *storage.Client) { c.Federation.LinkingPartners = []string{"shop"} })
	user := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid "+linkScope)
	b.signInAs("wanda")
	b.press("consent-form", "allow")
	token := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect).member("access_token")
	code := ts.app("mini").Login("w")
	bound := ts.bindWith("mini", code, "session", "access_token", token)
	if bound.status != http.StatusOK || ts.sub(bound) != user.ID {
		t.Fatalf("%d %s", bound.status, bound.raw)
	}
	if again := ts.bindWith("mini", code, "session", "access_token", token); again.status != http.StatusOK || ts.sub(again) != user.ID {
		t.Errorf("repeat: %d %s", again.status, again.raw)
	}
	if got := ts.sub(ts.login("mini", "w")); got != user.ID {
		t.Errorf("sub is %s", got)
	}
	// The client's own tokens are a proof as well.
	own := ts.linkToken("mini", "w")
	if got := ts.bind("mini", "second", "session", "access_token", own.member("access_token")); got.status != http.StatusOK || ts.sub(got) != user.ID {
		t.Errorf("%d %s", got.status, got.raw)
	}
}

func TestBindUserSession_RejectsOtherTokens(t *testing.T) {
	ts := newBindUserServer(t)
	ts.change("mini", func(c *storage.Client) {
		c.Federation.Provisioning, c.Audiences, c.Federation.LinkingPartners = "", []string{"https://api.example"}, []string{"opaque"}
	})
	ts.addMiniProgram("opaque", func(c *storage.Client) {
		c.AccountLinking, c.Scopes, c.OpaqueAccessTokens = true, append(c.Scopes, linkScope), true
	})
	ts.addDirectory(teaDirectory())
	victim := ts.linkToken("mini", "victim")
	ended := ts.linkToken("mini", "ended")
	check(t, ts.identities.SignOutEverywhere(ts.Context(), "default", ts.sub(ended), identity.System))
	for name, token := range map[string]string{
		"nonsense":                  "nonsense",
		"an ID token":               victim.member("id_token"),
		"a refresh token":           ts.login("mini", "refreshing", "scope", "openid offline_access "+linkScope).member("refresh_token"),
		"without the scope":         ts.login("mini", "plain").member("access_token"),
		"for another audience":      ts.linkToken("mini", "abroad", "audience", "https://api.example").member("access_token"),
		"of an unknown issuer":      ts.linkToken("other", "unrelated").member("access_token"),
		"opaque":                    ts.linkToken("opaque", "opaque").member("access_token"),
		"of a grant that has ended": ended.member("access_token"),
		"changed":                   victim.member("access_token")[:len(victim.member("access_token"))-4] + "AAAA",
	} {
		if token == "" {
			t.Fatalf("%s: no token", name)
		}
		calls := len(ts.sim.Requests())
		got := ts.bind("mini", "mallory", "session", "access_token", token)
		if got.status != http.StatusBadRequest || got.member("error") != "invalid_grant" || got.member("reason") != "session_token" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
		if len(ts.sim.Requests()) != calls {
			t.Errorf("%s: the code was spent", name)
		}
	}
	ts.clock.Advance(5*time.Minute + time.Second)
	wantReason(t, ts.bind("mini", "mallory", "session", "access_token", victim.member("access_token")), http.StatusBadRequest, "invalid_grant", "session_token")
	got := ts.post("mini", bindPath, url.Values{"method": {"session"}, "access_token": {victim.member("access_token")}, "bind_ticket": {"x"}})
	if got.member("error") != "invalid_request" {
		t.Errorf("without a code: %s", got.raw)
	}
}

func TestBindUserSession_RejectsRefreshedToken(t *testing.T) {
	ts := newBindUserServer(t)
	ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = "" })
	tokens := ts.login("mini", "w", "scope", "openid offline_access "+linkScope)
	ts.clock.Advance(5*time.Minute + time.Second)
	fresh := ts.refresh("mini", tokens.member("refresh_token")).member("access_token")
	wantReason(t, ts.bind("mini", "mallory", "session", "access_token", fresh), http.StatusBadRequest, "invalid_grant", "session_token")
	got := ts.setPassword(fresh, "wanda", goodPassword)
	wantReason(t, got, http.StatusUnauthorized, "insufficient_user_authentication", "")
	if challenge := got.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_user_authentication"`) || got.body["max_age"] != float64(300) {
		t.Errorf("%q %s", challenge, got.raw)
	}
}

func TestLinkScope_IsNotGrantedByDefault(t *testing.T) {
	ts := newBindUserServer(t)
	ts.change("mini", func(c *storage.Client) {
		c.Federation.Provisioning, c.DefaultScopes = "", []string{"openid", linkScope}
	})
	if got := ts.login("mini", "w").member("scope"); got != "openid" {
		t.Errorf("scope is %q", got)
	}
}

// setPassword calls the setPassword endpoint with a token.
func (ts *pageTestServer) setPassword(token, username, password string, current ...string) response {
	ts.Helper()
	form := url.Values{}
	for name, value := range map[string]string{"username": username, "password": password, "current_password": strings.Join(current, "")} {
		if value != "" {
			form.Set(name, value)
		}
	}
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+setPasswordPath, strings.NewReader(form.Encode())))(ts.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return ts.do(request)
}

// TestSetPassword_ShadowUserSignsInElsewhere: the same user with the same profile everywhere is what minifed promises.
func TestSetPassword_ShadowUserSignsInElsewhere(t *testing.T) {
	ts := newBindUserServer(t)
	ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = "" })
	mini := ts.post("mini", "/federation/wechat/miniapp/profile", url.Values{
		"code": {ts.app("mini").Login("w")}, "scope": {"openid profile " + linkScope}, "user": {`{"nickname":"小明"}`},
	})
	set := ts.setPassword(mini.member("access_token"), "xiaoming", goodPassword)
	if set.status != http.StatusOK || set.member("sub") != ts.sub(mini) || set.member("preferred_username") != "xiaoming" || set.member("nickname") != "小明" {
		t.Fatalf("%d %s", set.status, set.raw)
	}
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid profile")
	b.signInAs("xiaoming")
	b.press("consent-form", "allow")
	tokens := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	if ts.sub(tokens) != ts.sub(mini) {
		t.Errorf("sub is %s, was %s", ts.sub(tokens), ts.sub(mini))
	}
	here := ts.userinfo(ts.login("mini", "w", "scope", "openid profile").member("access_token"))
	there := ts.userinfo(tokens.member("access_token"))
	if here.status != http.StatusOK || fmt.Sprint(here.body) != fmt.Sprint(there.body) || here.member("preferred_username") != "xiaoming" {
		t.Errorf("%s\n%s", here.raw, there.raw)
	}
	if got := ts.refresh("mini", mini.member("refresh_token")); mini.member("refresh_token") != "" && got.status != http.StatusOK {
		t.Errorf("a first password ends nothing: %s", got.raw)
	}
}

func TestSetPassword_ReplacementEndsSessionsAndGrants(t *testing.T) {
	ts := newBindUserServer(t)
	ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = "" })
	first := ts.linkToken("mini", "w")
	if got := ts.setPassword(first.member("access_token"), "wanda", goodPassword); got.status != http.StatusOK {
		t.Fatalf("%s", got.raw)
	}
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	token := ts.linkToken("mini", "w").member("access_token")
	if got := ts.setPassword(token, "", "another password", goodPassword); got.status != http.StatusOK || got.member("preferred_username") != "wanda" {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	b.get(ts.url + "/account")
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
	if got := ts.setPassword(token, "", "a third password", "another password"); got.status != http.StatusUnauthorized {
		t.Errorf("the former token: %d %s", got.status, got.raw)
	}
}

func TestSetPassword_RejectsWithReason(t *testing.T) {
	ts := newBindUserServer(t)
	ts.change("mini", func(c *storage.Client) {
		c.Federation.Provisioning, c.Audiences = "", []string{"https://api.example"}
	})
	ts.addPasswordUser("victor")
	token := ts.linkToken("mini", "w").member("access_token")
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
		wantReason(t, ts.setPassword(token, c.username, c.password), c.status, "invalid_request", c.reason)
	}
	for name, c := range map[string]struct {
		token  string
		status int
		code   string
	}{
		"no token":             {"", http.StatusUnauthorized, ""},
		"nonsense":             {"nonsense", http.StatusUnauthorized, "invalid_token"},
		"without the scope":    {ts.login("mini", "w").member("access_token"), http.StatusForbidden, "insufficient_scope"},
		"for another audience": {ts.linkToken("mini", "w", "audience", "https://api.example").member("access_token"), http.StatusUnauthorized, "invalid_token"},
	} {
		got := ts.setPassword(c.token, "wanda", goodPassword)
		if got.status != c.status || got.member("error") != c.code || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), `Bearer realm="minifed"`) {
			t.Errorf("%s: %d %s %q", name, got.status, got.raw, got.header.Get("WWW-Authenticate"))
		}
	}
	request := must(http.NewRequestWithContext(ts.Context(), http.MethodPost, ts.url+setPasswordPath, strings.NewReader(`{"username":"wanda","password":"`+goodPassword+`"}`)))(t)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	if got := ts.do(request); got.status != http.StatusOK {
		t.Errorf("JSON: %d %s", got.status, got.raw)
	}
}

func TestBindUser_ProofsAreNeitherLoggedNorStored(t *testing.T) {
	ts := newBindUserServer(t)
	ts.addPasswordUser("wanda")
	ts.bind("mini", "w", "password", "username", "wanda", "password", "a wrong password")
	ts.bind("mini", "w", "password", "username", "wanda", "password", goodPassword)
	token := ts.linkToken("mini", "w").member("access_token")
	ts.setPassword(token, "", "another password")
	for _, secret := range []string{goodPassword, "a wrong password", "another password", token} {
		if strings.Contains(ts.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
