package wechat_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

const callback = "https://id.example/federation/wechat/callback"

// approve lets a user sign in at WeChat's page, and returns the code.
func (h *clientHarness) approve(t *testing.T, user string) string {
	t.Helper()
	h.app.SetKind(wechattest.OfficialAccount, "id.example")
	back, err := h.sim.Approve(wechat.Pages{BaseURL: h.url}.OfficialAccount(h.app.Credential().ID, callback, "abc123"), user)
	if err != nil {
		t.Fatal(err)
	}
	code, found := strings.CutPrefix(back, callback+"?code=")
	code, after, _ := strings.Cut(code, "&")
	if !found || after != "state=abc123" {
		t.Fatalf("WeChat sends the browser to %s", back)
	}
	return code
}

func TestPages_AddressesHaveOrderAndFragment(t *testing.T) {
	want := "https://open.weixin.qq.com/connect/%s?appid=wx1&redirect_uri=https%%3A%%2F%%2Fid.example%%2Ffederation%%2Fwechat%%2Fcallback&response_type=code&scope=%s&state=s1#wechat_redirect"
	pages := wechat.Pages{}
	for address, parts := range map[string][2]string{
		pages.Website("wx1", callback, "s1"):         {"qrconnect", "snsapi_login"},
		pages.OfficialAccount("wx1", callback, "s1"): {"oauth2/authorize", "snsapi_userinfo"},
	} {
		expected := strings.Replace(strings.Replace(strings.ReplaceAll(want, "%%", "%"), "%s", parts[0], 1), "%s", parts[1], 1)
		if address != expected {
			t.Errorf("address is\n%s, want\n%s", address, expected)
		}
	}
}

func TestWebLogin_ReturnsUserAndProfile(t *testing.T) {
	h := newClientHarness(t, nil)
	h.sim.SetPerson("alice", wechattest.Person{Nickname: "Al\u0007ice", Picture: "http://thirdwx.qlogo.cn/a/132"})
	session, err := h.client.WebLogin(t.Context(), h.app.Credential(), h.approve(t, "alice"))
	if err != nil || session.OpenID != h.app.OpenID("alice") || session.UnionID != "" {
		t.Fatalf("session of an app without Open Platform account: %v", err)
	}
	h.app.BindOpenPlatform("account")
	profile, err := h.client.WebProfile(t.Context(), h.app.Credential(), session)
	if err != nil || profile.Nickname != "Al ice" || profile.Picture != "http://thirdwx.qlogo.cn/a/132" || profile.UnionID != h.app.UnionID("alice") {
		t.Errorf("profile with a control character: %q %q, %v", profile.Nickname, profile.Picture, err)
	}
	session, err = h.client.WebLogin(t.Context(), h.app.Credential(), h.approve(t, "alice"))
	if err != nil || session.UnionID != h.app.UnionID("alice") {
		t.Errorf("session of a bound app: %v", err)
	}
}

func TestWebLogin_ClassifiesErrors(t *testing.T) {
	h := newClientHarness(t, nil)
	used := h.approve(t, "alice")
	if _, err := h.client.WebLogin(t.Context(), h.app.Credential(), used); err != nil {
		t.Fatal(err)
	}
	expired := h.approve(t, "alice")
	h.sim.Advance(6 * time.Minute)
	h.app.Snapshot("ghost", true)
	wrong := h.app.Credential()
	wrong.Secret = "wrong"
	other := h.addApp(t, "wxsim0000000000000002")
	tests := []struct {
		name  string
		app   wechat.App
		code  string
		fault *wechattest.Fault
		class wechat.Class
		is    error
	}{
		{"used", h.app.Credential(), used, nil, wechat.ClassCode, wechat.ErrCodeUsed},
		{"expired", h.app.Credential(), expired, nil, wechat.ClassCode, nil},
		{"of another app", other.Credential(), h.approve(t, "alice"), nil, wechat.ClassCode, nil},
		{"of wx.login", h.app.Credential(), h.app.Login("alice"), nil, wechat.ClassCode, nil},
		{"timed out (42003)", h.app.Credential(), h.approve(t, "alice"), &wechattest.Fault{Errcode: 42003}, wechat.ClassCode, nil},
		{"malformed", h.app.Credential(), "a\nb", nil, wechat.ClassCode, nil},
		{"wrong secret", wrong, h.approve(t, "alice"), nil, wechat.ClassConfig, nil},
		{"snapshot user", h.app.Credential(), h.approve(t, "ghost"), nil, wechat.ClassBlocked, wechat.ErrSnapshotUser},
		{"rate", h.app.Credential(), h.approve(t, "alice"), &wechattest.Fault{Errcode: 45011}, wechat.ClassRate, nil},
		{"lost", h.app.Credential(), h.approve(t, "alice"), &wechattest.Fault{Spend: true, Drop: wechattest.RST}, wechat.ClassAmbiguous, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fault != nil {
				h.app.Fail(wechattest.WebAccessToken, *tt.fault)
			}
			_, err := h.client.WebLogin(t.Context(), tt.app, tt.code)
			failure := (*wechat.Error)(nil)
			if !errors.As(err, &failure) || failure.Class != tt.class || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error is %v, want class %v", err, tt.class)
			}
		})
	}
}

func TestWebProfile_RejectsOtherUser(t *testing.T) {
	h := newClientHarness(t, nil)
	session, err := h.client.WebLogin(t.Context(), h.app.Credential(), h.approve(t, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	session.OpenID = h.app.OpenID("bob")
	if _, err := h.client.WebProfile(t.Context(), h.app.Credential(), session); err == nil {
		t.Error("returns the profile of another OpenID")
	}
	if _, err := h.client.WebProfile(t.Context(), h.app.Credential(), wechat.WebSession{OpenID: session.OpenID}); err == nil {
		t.Error("returns a profile without a sign-in")
	}
}

func TestCheckWebCredential_NamesWrongSetting(t *testing.T) {
	h := newClientHarness(t, nil)
	if err := h.client.CheckWebCredential(t.Context(), h.app.Credential()); err != nil {
		t.Errorf("right credential: %v", err)
	}
	for errcode, app := range map[int]wechat.App{
		40013: {ID: "wxsimUnknown", Secret: "x"}, 40125: {ID: h.app.Credential().ID, Secret: "wrong"},
	} {
		failure := (*wechat.Error)(nil)
		if err := h.client.CheckWebCredential(t.Context(), app); !errors.As(err, &failure) || failure.Code != errcode || failure.Class != wechat.ClassConfig {
			t.Errorf("wrong credential: %v, want errcode %d", err, errcode)
		}
	}
}

func TestWebLogin_MalformedResponseIsAmbiguous(t *testing.T) {
	for _, body := range []string{`{`, `{"access_token":"a"}`, `{"openid":"o"}`, `<html>`} {
		failure := (*wechat.Error)(nil)
		_, err := respondingWith(t, http.StatusOK, "text/plain", body).WebLogin(t.Context(), fixedApp(), "code")
		if !errors.As(err, &failure) || failure.Class != wechat.ClassAmbiguous {
			t.Errorf("response %s: %v", body, err)
		}
	}
}
