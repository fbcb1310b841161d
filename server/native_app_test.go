package server_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage"
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
	public := must(http.PostForm(ts.url+"/oauth2/token", url.Values{
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
