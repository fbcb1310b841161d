package server_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

const deviceBackendPath = "/federation/wechat/miniapp/device/"

// newDeviceRuleServer is a device server whose link rule opens the mini-program "mini".
func newDeviceRuleServer(t *testing.T, edits ...func(*server.Config)) *pageTestServer {
	t.Helper()
	ts := newDeviceServer(t, edits...)
	ts.change("mini", func(c *storage.Client) { c.StartsSessions = true })
	ts.editDirectory(func(d *storage.Directory) {
		d.Scan, d.ScanLinkRule = storage.ScanTarget{MiniProgram: "mini"}, true
	})
	return ts
}

// phone sends a request of the backend of "mini"; fields are in pairs.
func (ts *pageTestServer) phone(action string, d *device, fields ...string) response {
	ts.Helper()
	body := map[string]any{"user_code": d.user}
	for i := 0; i < len(fields); i += 2 {
		body[fields[i]] = fields[i+1]
	}
	return ts.postJSON("mini", deviceBackendPath+action, body)
}

// allow allows a device in the mini-program of a WeChat user.
func (ts *pageTestServer) allow(d *device, user string, further ...string) response {
	ts.Helper()
	return ts.phone("allow", d, append([]string{"end", d.user[len(d.user)-2:], "code", ts.app("mini").Login(user)}, further...)...)
}

func TestDeviceRule_UserAllowsInMiniProgram(t *testing.T) {
	ts := newDeviceRuleServer(t)
	known := ts.sub(ts.login("mini", "wanda"))
	d := ts.newDevice("openid profile offline_access")
	seen := ts.phone("seen", d, "country", "CN")
	if seen.status != http.StatusOK || seen.object("client")["name"] != "Living room" || seen.member("begin") != d.user[:len(d.user)-2] || seen.body["differs"] != true {
		t.Errorf("seen: %d %s", seen.status, seen.raw)
	}
	if strings.Contains(seen.raw, d.user) {
		t.Error("the mini-program gets the whole code")
	}
	wrong := map[string]any{"user_code": d.user, "end": "BB", "code": ts.app("mini").Login("wanda")}
	if strings.HasSuffix(d.user, "BB") {
		wrong["end"] = "CC"
	}
	ts.postJSON("mini", deviceBackendPath+"allow", wrong).wantReason(t, http.StatusForbidden, "device_end_wrong")
	d.poll().wantError(t, "authorization_pending")
	wrong["end"] = strings.ToLower(d.user[len(d.user)-2:]) // The code was not spent.
	allowed := ts.postJSON("mini", deviceBackendPath+"allow", wrong)
	if allowed.status != http.StatusOK || allowed.object("device")["state"] != "allowed" || ts.sub(allowed) != known {
		t.Fatalf("allow: %d %s", allowed.status, allowed.raw)
	}
	if again := ts.postJSON("mini", deviceBackendPath+"allow", wrong); again.status != http.StatusOK || again.member("refresh_token") != allowed.member("refresh_token") {
		t.Errorf("the repeat of a lost response: %d %s", again.status, again.raw)
	}
	wrong["end"] = "XX"
	ts.postJSON("mini", deviceBackendPath+"allow", wrong).wantReason(t, http.StatusBadRequest, "repeat_differs")
	tokens := d.poll()
	if id := claims(t, tokens.member("id_token")); id["sub"] != known || id["amr"].([]any)[0] != "wechat_device" {
		t.Errorf("%v", id)
	}
	ts.phone("seen", d).wantReason(t, http.StatusBadRequest, "device_unknown")
	ts.allow(d, "wanda").wantReason(t, http.StatusBadRequest, "device_unknown")
}

func TestDeviceRule_SaysWhereDeviceIs(t *testing.T) {
	ts := newDeviceRuleServer(t, func(c *server.Config) {
		c.TrustedProxies, c.CountryHeader = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "CF-IPCountry"
	})
	for _, tt := range []struct {
		device, phone, place string
		differs              bool
	}{{"CN", "CN", "CN", false}, {"US", "CN", "US", true}, {"CN", "", "CN", true}, {"", "CN", "", true}} {
		d := ts.newDeviceIn(tt.device, "openid")
		if seen := ts.phone("seen", d, "country", tt.phone); seen.member("place") != tt.place || seen.body["differs"] != tt.differs {
			t.Errorf("%+v: %d %s", tt, seen.status, seen.raw)
		}
	}
}

func TestDeviceRule_UserDeniesInMiniProgram(t *testing.T) {
	ts := newDeviceRuleServer(t)
	d := ts.newDevice("openid")
	if denied := ts.phone("deny", d); denied.status != http.StatusOK || denied.member("state") != "denied" {
		t.Errorf("%d %s", denied.status, denied.raw)
	}
	d.poll().wantError(t, "access_denied")
}

// TestDeviceRule_RejectsWhatLoginRejects receives every response that openapi.json describes.
func TestDeviceRule_RejectsWhatLoginRejects(t *testing.T) {
	ts := newDeviceRuleServer(t)
	ts.login("mini", "wanda")
	d := ts.newDevice("openid")
	for _, row := range []struct {
		further []string
		code    string
	}{
		{[]string{"scope", "admin"}, "invalid_scope"},
		{[]string{"audience", "https://other.example"}, "invalid_target"},
		{[]string{"code", ""}, "invalid_request"},
		{[]string{"code", "unknown"}, "invalid_request"},
	} {
		ts.allow(d, "wanda", row.further...).wantError(t, row.code)
	}
	for _, action := range []string{"seen", "allow", "deny"} {
		path := deviceBackendPath + action
		if got := ts.send(path, "user_code=x&code=x"); got.status != http.StatusBadRequest || got.member("error") != "invalid_client" {
			t.Errorf("%s without a secret: %d %s", path, got.status, got.raw)
		}
		if got := ts.send(path, "user_code=x&code=x", "Authorization", "Basic bWluaTp3cm9uZw=="); got.status != http.StatusUnauthorized {
			t.Errorf("%s with a wrong secret: %d %s", path, got.status, got.raw)
		}
		ts.postJSON("mini", path, "[]").wantError(t, "invalid_request")
		ts.postJSON("mini", path, map[string]any{"user_code": "x", "code": ts.app("mini").Login("wanda")}).wantReason(t, http.StatusBadRequest, "device_unknown")
	}
	ts.app("mini").Block("wanda", true)
	ts.allow(d, "wanda").wantReason(t, http.StatusForbidden, "blocked")
	ts.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 40125})
	ts.allow(d, "dave").wantReason(t, http.StatusInternalServerError, "misconfigured")
	for user, status := range map[string]storage.UserStatus{"dora": storage.UserDisabled, "dana": storage.UserDeletionPending} {
		sub := ts.sub(ts.login("mini", user))
		editRecord(ts.testServer, storage.Key("default", sub), func(u *storage.User) { u.Status = status })
		reason := map[string]string{"dora": "user_disabled", "dana": "deletion_pending"}[user]
		ts.allow(d, user).wantReason(t, http.StatusForbidden, reason)
	}
	if got := ts.allow(d, "dave", "phone_code", "unknown"); got.status != http.StatusOK || got.member("phone_error") != "new_phone_code" {
		t.Errorf("an unknown phone_code: %d %s", got.status, got.raw)
	}
	d = ts.newDevice("openid")
	ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	ts.allow(d, "nobody-yet").wantError(t, "registration_required")
	ts.change("mini", func(c *storage.Client) { c.GrantTypes = []string{"refresh_token"} })
	ts.allow(d, "wanda").wantError(t, "unauthorized_client")
	ts.change("mini", func(c *storage.Client) { c.GrantTypes = nil })
	all := func(status int, reason string) {
		t.Helper()
		for _, action := range []string{"seen", "deny"} {
			ts.phone(action, d).wantReason(t, status, reason)
		}
		ts.allow(d, "dave").wantReason(t, status, reason)
	}
	ts.editDirectory(func(d *storage.Directory) { d.Policy.TwoFactor = storage.TwoFactorRequired })
	all(http.StatusForbidden, "two_factor_required")
	ts.editDirectory(func(d *storage.Directory) { d.Policy.TwoFactor = "" })
	ts.change("mini", func(c *storage.Client) { c.StartsSessions = false })
	all(http.StatusBadRequest, "starts_no_sessions")
	ts.editDirectory(func(d *storage.Directory) { d.ScanLinkRule = false })
	all(http.StatusBadRequest, "device_rule")
}
