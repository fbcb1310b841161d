package server_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// newNativeServer is newWebServer with a mobile app, whose backend is the client "app" of kind web.
func newNativeServer(t *testing.T) (*webServer, *wechattest.App) {
	t.Helper()
	ts := newWebServer(t)
	app := ts.addConnection("default", storage.ConnectionNativeApp, func(*storage.Connection) {})
	ts.addClient("app", func(c *storage.Client) {
		c.NativeApp = string(app.Credential().ID)
		c.GrantTypes = []string{grants.GrantType, "refresh_token"}
		c.Scopes = []string{"openid", "profile", "offline_access"}
	})
	return ts, app
}

// exchangeNative exchanges a code of SendAuth. Further parameters come in pairs.
func (ts *testServer) exchangeNative(client, code string, further ...string) response {
	ts.Helper()
	form := url.Values{
		"grant_type": {grants.GrantType}, "subject_token": {code}, "subject_token_type": {grants.NativeAppTokenType}, "scope": {"openid offline_access"},
	}
	for i := 0; i < len(further); i += 2 {
		form.Set(further[i], further[i+1])
	}
	return ts.post(client, "/oauth2/token", form)
}

// bindNative sends a code of SendAuth to bindUser.
func (ts *pageTestServer) bindNative(client, code, method string, further ...string) response {
	ts.Helper()
	return ts.bindWith(client, code, method, append([]string{"subject_token_type", grants.NativeAppTokenType}, further...)...)
}

func TestNativeApp_BindUserByEachMethod(t *testing.T) {
	ts, app := newNativeServer(t)
	editRecord(ts.testServer, storage.Key("default", string(app.Credential().ID)), func(c *storage.Connection) { c.Provisioning = storage.ProvisionBind })
	ts.change("mini", func(c *storage.Client) {
		c.NativeApp, c.FirstParty, c.AccountLinking = string(app.Credential().ID), true, true
		c.Scopes, c.Federation.PasswordBinding, c.Federation.UpdateProfile = append(c.Scopes, linkScope), true, true
	})
	ts.change("app", func(c *storage.Client) { c.AccountLinking, c.Scopes = true, append(c.Scopes, linkScope) })
	wanda := ts.addEmailUser("wanda")
	ts.sim.SetPhone("carol", wechat.PhoneNumber{CountryCode: "86", PureNumber: "13800000001"})

	// 1. An unknown user gets a ticket, from profile as from the token endpoint.
	profile := url.Values{"code": {app.SendAuth("alice")}, "subject_token_type": {grants.NativeAppTokenType}}
	asked := ts.post("app", "/federation/wechat/miniapp/profile", profile)
	if asked.member("error") != "registration_required" || asked.member("bind_ticket") == "" {
		t.Fatalf("an unknown user: %d %s", asked.status, asked.raw)
	}
	// 2. Each method signs the app's user in, and the mini-program has the same user.
	session := ts.linkToken("mini", "dora")
	sessionOfApp := ts.exchangeNative("app", app.SendAuth("dora"), "scope", "openid "+linkScope)
	for name, tt := range map[string]struct {
		client, user, method, want string
		further                    []string
	}{
		"register":           {"app", "bob", "register", "", []string{"user", `{"nickname":"Bobby"}`, "scope", "openid profile"}},
		"password":           {"mini", "alice", "password", wanda.ID, []string{"username", "wanda", "password", goodPassword, "scope", "openid profile"}},
		"phone":              {"mini", "carol", "phone", "", []string{"phone_code", ts.app("mini").TapPhone("carol"), "scope", "openid phone"}},
		"session":            {"mini", "erin", "session", ts.sub(session), []string{"access_token", session.member("access_token"), "scope", "openid"}},
		"session of the app": {"app", "fred", "session", ts.sub(session), []string{"access_token", sessionOfApp.member("access_token"), "scope", "openid"}},
	} {
		code := app.SendAuth(tt.user)
		bound := ts.bindNative(tt.client, code, tt.method, tt.further...)
		if bound.status != http.StatusOK || tt.want != "" && ts.sub(bound) != tt.want {
			t.Fatalf("%s: %d %s", name, bound.status, bound.raw)
		}
		if amr := texts(claims(t, bound.member("id_token"))["amr"]); len(amr) != 1 || amr[0] != "wechat_native_app" {
			t.Errorf("%s: amr is %v", name, amr)
		}
		if again := ts.bindNative(tt.client, code, tt.method, tt.further...); again.status != http.StatusOK || ts.sub(again) != ts.sub(bound) {
			t.Errorf("%s, repeated: %d %s", name, again.status, again.raw)
		}
		if got := ts.exchangeNative("app", app.SendAuth(tt.user)); got.status != http.StatusOK || ts.sub(got) != ts.sub(bound) {
			t.Errorf("%s, the next sign-in: %d %s", name, got.status, got.raw)
		}
		if got := ts.sub(ts.login("mini", tt.user)); got != ts.sub(bound) {
			t.Errorf("%s: the mini-program has another user", name)
		}
	}
	// 3. The ticket of one user does not go with the code of another.
	wantReason(t, ts.bindNative("app", app.SendAuth("gina"), "session", "bind_ticket", asked.member("bind_ticket"), "access_token", sessionOfApp.member("access_token")),
		http.StatusBadRequest, "invalid_request", "new_code")
	// 4. A client without a mini-program has no phone button, and no permission for passwords. The code is not spent.
	code := app.SendAuth("gina")
	wantReason(t, ts.bindNative("app", code, "phone", "phone_code", "x"), http.StatusBadRequest, "unauthorized_client", "")
	wantReason(t, ts.bindNative("app", code, "password", "username", "wanda", "password", goodPassword), http.StatusBadRequest, "unauthorized_client", "")
	wantReason(t, ts.bindWith("app", code, "register", "subject_token_type", "urn:other"), http.StatusBadRequest, "invalid_request", "")
	if sent := ts.sim.TimesSent(code); sent != 0 {
		t.Errorf("the code was sent %d times", sent)
	}
}

// The store fails after WeChat accepted the code: the repeated request continues with WeChat's result.
func TestNativeApp_RepeatAfterStoreFailureNeedsNoCode(t *testing.T) {
	ts, app := newNativeServer(t)
	code := app.SendAuth("alice")
	ts.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == "Insert" && operation.Kind == storage.KindGrant {
			return storage.ErrUnavailable
		}
		return nil
	}
	if got := ts.exchangeNative("app", code); got.status != http.StatusServiceUnavailable {
		t.Fatalf("without a store: %d %s", got.status, got.raw)
	}
	ts.engine.Before = nil
	if got := ts.exchangeNative("app", code); got.status != http.StatusOK {
		t.Errorf("a repeat: %d %s", got.status, got.raw)
	}
	if sent := ts.sim.TimesSent(code); sent != 1 {
		t.Errorf("the code was sent %d times", sent)
	}
}

// A profile without the UnionID is read again by the repeat.
func TestNativeApp_RepeatReadsMissingUnionID(t *testing.T) {
	ts, app := newNativeServer(t)
	sub := ts.sub(ts.login("mini", "alice"))
	app.BindOpenPlatform("")
	app.Fail(wechattest.WebUserInfo, wechattest.Fault{Errcode: -1, Times: 2})
	code := app.SendAuth("alice")
	if got := ts.exchangeNative("app", code); got.status != http.StatusServiceUnavailable {
		t.Fatalf("an unreadable UnionID: %d %s", got.status, got.raw)
	}
	app.BindOpenPlatform("shop")
	if got := ts.exchangeNative("app", code); got.status != http.StatusOK || ts.sub(got) != sub {
		t.Errorf("a repeat: %d %s", got.status, got.raw)
	}
}

func TestNativeApp_SameSubjectAsMiniProgram(t *testing.T) {
	ts, app := newNativeServer(t)
	sub := ts.sub(ts.login("mini", "alice"))
	code := app.SendAuth("alice")
	a := ts.exchangeNative("app", code)
	if a.status != http.StatusOK || ts.sub(a) != sub || a.member("refresh_token") == "" {
		t.Fatalf("exchange: %d %s", a.status, a.raw)
	}
	if amr := texts(claims(t, a.member("id_token"))["amr"]); len(amr) != 1 || amr[0] != "wechat_native_app" {
		t.Errorf("amr is %v", amr)
	}
	other := ts.secondInstance()
	for name, at := range map[string]*testServer{"the same instance": ts.testServer, "another instance": other} {
		if again := at.exchangeNative("app", code); again.status != http.StatusOK || again.member("refresh_token") != a.member("refresh_token") {
			t.Errorf("a repeat at %s: %d %s", name, again.status, again.raw)
		}
	}
	if sent := ts.sim.TimesSent(code); sent != 1 {
		t.Errorf("the code was sent %d times", sent)
	}
	if differs := ts.exchangeNative("app", code, "scope", "openid"); differs.member("reason") != "repeat_differs" {
		t.Errorf("a repeat that differs: %d %s", differs.status, differs.raw)
	}
	ts.clock.Advance(61 * time.Second)
	if late := ts.exchangeNative("app", code); late.member("reason") != "new_code" {
		t.Errorf("a late repeat: %d %s", late.status, late.raw)
	}
	if refreshed := ts.refresh("app", a.member("refresh_token")); refreshed.status != http.StatusOK {
		t.Errorf("refresh: %d %s", refreshed.status, refreshed.raw)
	}
}

func TestNativeApp_RejectsWhatIsNotItsCode(t *testing.T) {
	ts, app := newNativeServer(t)
	ts.addClient("web", func(c *storage.Client) { c.GrantTypes = []string{grants.GrantType} })
	ts.addClient("spa", func(c *storage.Client) {
		c.Kind, c.AuthMethod, c.Secrets, c.GrantTypes, c.NativeApp = storage.ClientSPA, "none", nil, []string{grants.GrantType}, string(app.Credential().ID)
	})
	code := app.SendAuth("alice")
	for name, tt := range map[string]struct {
		got          response
		status       int
		code, reason string
	}{
		"a client without a mobile app":    {ts.exchangeNative("web", code), http.StatusBadRequest, "unauthorized_client", ""},
		"a code of wx.login":               {ts.exchangeNative("app", ts.app("mini").Login("alice")), http.StatusBadRequest, "invalid_request", "new_code"},
		"a code of another app":            {ts.exchangeNative("app", ts.website.SendAuth("alice")), http.StatusBadRequest, "invalid_request", "new_code"},
		"a phone code":                     {ts.exchangeNative("app", code, "phone_code", "x"), http.StatusBadRequest, "invalid_request", ""},
		"as a login code of a web client":  {ts.exchange("app", code), http.StatusInternalServerError, "server_error", "misconfigured"},
		"as a login code of mini-programs": {ts.exchange("mini", code), http.StatusBadRequest, "invalid_request", "new_code"},
	} {
		if tt.got.status != tt.status || tt.got.member("error") != tt.code || tt.got.member("reason") != tt.reason {
			t.Errorf("%s: %d %s", name, tt.got.status, tt.got.raw)
		}
	}
	public := must((&http.Client{Transport: ts.transport}).PostForm(ts.url+"/oauth2/token", url.Values{
		"grant_type": {grants.GrantType}, "subject_token": {code}, "subject_token_type": {grants.NativeAppTokenType}, "client_id": {"spa"},
	}))(t)
	defer public.Body.Close()
	if public.StatusCode == http.StatusOK {
		t.Error("a public client exchanges the code of an app")
	}
	if sent := ts.sim.TimesSent(code); sent > 1 {
		t.Errorf("the code was sent %d times", sent)
	}
	if users := list[storage.User](ts.testServer); len(users) != 0 {
		t.Errorf("there are %d users", len(users))
	}
	editRecord(ts.testServer, storage.Key("default", string(app.Credential().ID)), func(c *storage.Connection) { c.Disabled = true })
	ts.clock.Advance(6 * time.Second)
	if got := ts.exchangeNative("app", app.SendAuth("alice")); got.member("reason") != "misconfigured" {
		t.Errorf("a disabled connection: %d %s", got.status, got.raw)
	}
}

// Under the policy bind, the app registers an unknown user with the ticket, as a mini-program does.
func TestNativeApp_BindRegistersByTicket(t *testing.T) {
	ts, app := newNativeServer(t)
	editRecord(ts.testServer, storage.Key("default", string(app.Credential().ID)), func(c *storage.Connection) { c.Provisioning = storage.ProvisionBind })
	ts.clock.Advance(6 * time.Second)
	asked := ts.exchangeNative("app", app.SendAuth("alice"))
	if asked.member("error") != "registration_required" || asked.member("bind_ticket") == "" {
		t.Fatalf("an unknown user: %d %s", asked.status, asked.raw)
	}
	form := url.Values{"method": {"register"}, "bind_ticket": {asked.member("bind_ticket")}, "scope": {"openid"}, "user": {`{"nickname":"Alice"}`}}
	registered := ts.post("app", "/federation/wechat/miniapp/bindUser", form)
	if registered.status != http.StatusOK {
		t.Fatalf("register: %d %s", registered.status, registered.raw)
	}
	if again := ts.exchangeNative("app", app.SendAuth("alice")); again.status != http.StatusOK || ts.sub(again) != ts.sub(registered) {
		t.Errorf("the next sign-in: %d %s", again.status, again.raw)
	}
	if got := ts.sub(ts.login("mini", "alice")); got != ts.sub(registered) {
		t.Error("the mini-program has another user")
	}
	check(t, ts.identities.Disable(t.Context(), "default", ts.sub(registered), "operator"))
	if disabled := ts.exchangeNative("app", app.SendAuth("alice")); disabled.member("reason") != "user_disabled" {
		t.Errorf("a disabled user: %d %s", disabled.status, disabled.raw)
	}
}
