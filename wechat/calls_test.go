package wechat_test

import (
	"bytes"
	"errors"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// newHandler serves handle until the test ends and returns its URL.
func newHandler(t testing.TB, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

func TestPhoneNumber_ReturnsVerifiedNumber(t *testing.T) {
	h := newClientHarness(t, nil)
	number, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), h.app.TapPhone("alice"))
	if err != nil {
		t.Fatal(err)
	}
	if number != h.sim.Phone("alice") {
		t.Error("it is another number")
	}
	abroad := wechat.PhoneNumber{CountryCode: "49", PureNumber: "15100000000"}
	h.sim.SetPhone("alice", abroad)
	if number, err = h.client.PhoneNumber(t.Context(), h.app.Credential(), h.app.TapPhone("alice")); err != nil || number != abroad {
		t.Errorf("a number abroad: %v", err)
	}
}

func TestPhoneNumber_ParsesPublishedResponses(t *testing.T) {
	for name, row := range map[string]struct {
		body  string
		class wechat.Class // ClassToken means success
	}{
		"country code as text":    {`{"errcode":0,"errmsg":"ok","phone_info":{"phoneNumber":"13000000000","purePhoneNumber":"13000000000","countryCode":"86","watermark":{"timestamp":1637744274,"appid":"wxsimFixed"}}}`, wechat.ClassToken},
		"country code as number":  {`{"errcode":0,"errmsg":"ok","phone_info":{"phoneNumber":"13000000000","purePhoneNumber":"13000000000","countryCode":86,"watermark":{"timestamp":1637744274,"appid":"wxsimFixed"}}}`, wechat.ClassToken},
		"another app's watermark": {`{"errcode":0,"phone_info":{"purePhoneNumber":"13000000000","countryCode":"86","watermark":{"appid":"wxsimOther"}}}`, wechat.ClassAmbiguous},
		"no watermark":            {`{"errcode":0,"phone_info":{"purePhoneNumber":"13000000000","countryCode":"86"}}`, wechat.ClassAmbiguous},
		"no number":               {`{"errcode":0,"phone_info":{"countryCode":"86","watermark":{"appid":"wxsimFixed"}}}`, wechat.ClassAmbiguous},
		"no country code":         {`{"errcode":0,"phone_info":{"purePhoneNumber":"13000000000","watermark":{"appid":"wxsimFixed"}}}`, wechat.ClassAmbiguous},
		"a number with letters":   {`{"errcode":0,"phone_info":{"purePhoneNumber":"+86130","countryCode":"86","watermark":{"appid":"wxsimFixed"}}}`, wechat.ClassAmbiguous},
		"a number too long":       {`{"errcode":0,"phone_info":{"purePhoneNumber":"13000000000000","countryCode":"86","watermark":{"appid":"wxsimFixed"}}}`, wechat.ClassAmbiguous},
		"no phone_info":           {`{"errcode":0,"errmsg":"ok"}`, wechat.ClassAmbiguous},
	} {
		t.Run(name, func(t *testing.T) {
			number, err := respondingWith(t, 200, "application/json", row.body).PhoneNumber(t.Context(), fixedApp(), "code")
			if row.class != wechat.ClassToken {
				wantClass(t, err, row.class)
				return
			}
			if err != nil || number != (wechat.PhoneNumber{CountryCode: "86", PureNumber: "13000000000"}) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestPhoneNumber_InvalidCodeIsClassCode(t *testing.T) {
	h := newClientHarness(t, nil)
	other := h.addApp(t, "wxsim0000000000000002")
	used := h.app.TapPhone("alice")
	if _, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), used); err != nil {
		t.Fatal(err)
	}
	for name, code := range map[string]string{
		"unknown": "0123456789abcdef", "used": used, "a login code": h.app.Login("alice"), "another app's": other.TapPhone("alice"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), code)
			wantClass(t, err, wechat.ClassCode)
		})
	}
}

func TestPhoneNumber_CodeIsSentOnce(t *testing.T) {
	for name, fault := range map[string]wechattest.Fault{
		"closed": {Spend: true, Drop: wechattest.FIN},
		"reset":  {Spend: true, Drop: wechattest.RST},
		"502":    {Status: 502},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClientHarness(t, nil)
			if err := h.phone(t, "bob"); err != nil {
				t.Fatal(err)
			}
			h.app.Fail(wechattest.PhoneNumber, fault)
			code := h.app.TapPhone("alice")
			_, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), code)
			wantClass(t, err, wechat.ClassAmbiguous)
			wantSent(t, h.sim, code, 1)
		})
	}
}

func TestCheckSession_FailsForReplacedKey(t *testing.T) {
	h := newClientHarness(t, nil)
	session, _, err := h.login(t, "alice")
	if err != nil {
		t.Fatal(err)
	}
	check := func(key wechat.SessionKey) error {
		return h.client.CheckSession(t.Context(), h.app.Credential(), session.OpenID, key)
	}
	if err := check(session.Key); err != nil {
		t.Fatalf("a fresh key: %v", err)
	}
	replaced, err := h.client.ResetSession(t.Context(), h.app.Credential(), session.OpenID, session.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(replaced); err != nil {
		t.Errorf("the new key: %v", err)
	}
	err = check(session.Key)
	wantClass(t, err, wechat.ClassCode)
	if !errors.Is(err, wechat.ErrSessionKeyStale) {
		t.Errorf("the old key: %v", err)
	}
	if _, err = h.client.ResetSession(t.Context(), h.app.Credential(), session.OpenID, session.Key); !errors.Is(err, wechat.ErrSessionKeyStale) {
		t.Errorf("reset with the old key: %v", err)
	}
	h.sim.Advance(time.Hour)
	h.app.Login("alice")
	if err := check(replaced); !errors.Is(err, wechat.ErrSessionKeyStale) {
		t.Errorf("after another wx.login: %v", err)
	}
	wantClass(t, h.client.CheckSession(t.Context(), h.app.Credential(), "oNobody", session.Key), wechat.ClassBlocked)
}

func TestCheckSession_RequiresOpenIDAndKey(t *testing.T) {
	h := newClientHarness(t, nil)
	wantClass(t, h.client.CheckSession(t.Context(), h.app.Credential(), "", "key"), wechat.ClassCode)
	_, err := h.client.ResetSession(t.Context(), h.app.Credential(), "oAlice", "")
	wantClass(t, err, wechat.ClassCode)
	if n := len(h.sim.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestResetSession_RejectsResponseForOtherUser(t *testing.T) {
	for _, body := range []string{`{"errcode":0,"openid":"oBob","session_key":"k"}`, `{"errcode":0,"openid":"oAlice"}`, `{"errcode":0}`, `x`} {
		_, err := respondingWith(t, 200, "", body).ResetSession(t.Context(), fixedApp(), "oAlice", "key")
		wantClass(t, err, wechat.ClassAmbiguous)
	}
}

func TestMiniProgramCode_IsImage(t *testing.T) {
	h := newClientHarness(t, nil)
	for want, request := range map[string]wechat.MiniProgramCodeRequest{
		"jpeg": {Scene: "abc!#$&'()*+,/:;=?@-._~", Page: "pages/scan", Width: 280, Version: "trial"},
		"png":  {Scene: "a", Transparent: true},
	} {
		picture, err := h.client.MiniProgramCode(t.Context(), h.app.Credential(), request)
		if err != nil {
			t.Fatal(err)
		}
		if _, format, err := image.Decode(bytes.NewReader(picture.Data)); err != nil || format != want || picture.ContentType != "image/"+want {
			t.Errorf("%s: decoded %q, content type %q, %v", want, format, picture.ContentType, err)
		}
	}
}

func TestMiniProgramCode_PhoneReadsScene(t *testing.T) {
	h := newClientHarness(t, nil)
	for _, request := range []wechat.MiniProgramCodeRequest{
		{Scene: "abc-DEF_0123456789", Page: "pages/scan", Version: "trial"}, {Scene: "other", Width: 280, Transparent: true}, {Scene: "third", Width: 1280},
	} {
		picture, err := h.client.MiniProgramCode(t.Context(), h.app.Credential(), request)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := h.sim.ReadPicture(picture.Data)
		if err != nil || opened.AppID != h.app.Credential().ID || opened.Scene != request.Scene || opened.Page != request.Page {
			t.Errorf("%+v: %+v, %v", request, opened, err)
		}
	}
	if _, err := h.sim.ReadPicture([]byte("<html>")); err == nil {
		t.Error("a page was read as a picture")
	}
}

func TestURLLink_PhoneOpensPage(t *testing.T) {
	h := newClientHarness(t, nil)
	app := h.app.Credential()
	link, err := h.client.GenerateURLLink(t.Context(), app, wechat.URLLinkRequest{Page: "pages/scan", Query: "scene=abc-_", Expires: time.Now().Add(5 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := h.sim.OpenLink(link)
	if err != nil || opened.AppID != app.ID || opened.Page != "pages/scan" || opened.Scene != "abc-_" {
		t.Errorf("%+v, %v", opened, err)
	}
	h.sim.Advance(6 * time.Minute)
	if _, err := h.sim.OpenLink(link); err == nil {
		t.Error("an ended link opens")
	}
	h.app.SetPages("pages/index")
	_, err = h.client.GenerateURLLink(t.Context(), app, wechat.URLLinkRequest{Page: "pages/scan", Expires: time.Now().Add(time.Hour)})
	if failure := wantClass(t, err, wechat.ClassConfig); failure.Code != 40165 {
		t.Errorf("a page that is not released: %v", err)
	}
}

func TestURLLink_BadRequestsAndResponsesAreErrors(t *testing.T) {
	h := newClientHarness(t, nil)
	for _, request := range []wechat.URLLinkRequest{{Page: "/pages/scan"}, {Query: "a b"}, {Query: strings.Repeat("a", 1025)}, {Version: "beta"}} {
		_, err := h.client.GenerateURLLink(t.Context(), h.app.Credential(), request)
		wantClass(t, err, wechat.ClassConfig)
	}
	if n := len(h.sim.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	for _, link := range []string{"", "http://wxaurl.cn/a", "https://wxaurl.cn.evil.example/a", "https://evil.example/wxaurl.cn", "javascript:alert(1)"} {
		_, err := respondingWith(t, 200, "", `{"errcode":0,"errmsg":"ok","url_link":"`+link+`"}`).GenerateURLLink(t.Context(), fixedApp(), wechat.URLLinkRequest{})
		wantClass(t, err, wechat.ClassAmbiguous)
	}
	_, err := respondingWith(t, 200, "", `{"errcode":85407,"errmsg":"x"}`).GenerateURLLink(t.Context(), fixedApp(), wechat.URLLinkRequest{})
	if failure := wantClass(t, err, wechat.ClassConfig); failure.Code != 85407 {
		t.Error(err)
	}
}

func TestMiniProgramCode_DetectsErrorsByBytes(t *testing.T) {
	for _, contentType := range []string{"image/jpeg", "text/plain", "application/json:UTF-8"} {
		client := respondingWith(t, 200, contentType, `{"errcode":41030,"errmsg":"invalid page rid: 617833f5-4d39a245-36d3a896"}`)
		_, err := client.MiniProgramCode(t.Context(), fixedApp(), wechat.MiniProgramCodeRequest{Scene: "a"})
		if failure := wantClass(t, err, wechat.ClassConfig); failure.Code != 41030 {
			t.Errorf("as %s: errcode %d", contentType, failure.Code)
		}
	}
	_, err := respondingWith(t, 200, "image/jpeg", "<html>").MiniProgramCode(t.Context(), fixedApp(), wechat.MiniProgramCodeRequest{Scene: "a"})
	wantClass(t, err, wechat.ClassAmbiguous)
}

func TestMiniProgramCode_UnreleasedPageIsError(t *testing.T) {
	h := newClientHarness(t, nil)
	h.app.SetPages("pages/index")
	_, err := h.client.MiniProgramCode(t.Context(), h.app.Credential(), wechat.MiniProgramCodeRequest{Scene: "a", Page: "pages/scan"})
	if failure := wantClass(t, err, wechat.ClassConfig); failure.Code != 41030 {
		t.Errorf("errcode = %d", failure.Code)
	}
	for _, request := range []wechat.MiniProgramCodeRequest{{Scene: "a", Page: "pages/scan", AnyPage: true}, {Scene: "a", Page: "pages/index"}, {Scene: "a"}} {
		if _, err := h.client.MiniProgramCode(t.Context(), h.app.Credential(), request); err != nil {
			t.Errorf("page %q: %v", request.Page, err)
		}
	}
}

func TestMiniProgramCode_InvalidRequestIsNotSent(t *testing.T) {
	h := newClientHarness(t, nil)
	for _, request := range []wechat.MiniProgramCodeRequest{
		{},
		{Scene: strings.Repeat("a", 33)},
		{Scene: "50%"},
		{Scene: "码"},
		{Scene: "a b"},
		{Scene: "a", Page: "/pages/scan"},
		{Scene: "a", Page: "pages/scan?x=1"},
		{Scene: "a", Width: 279},
		{Scene: "a", Width: 1281},
		{Scene: "a", Version: "beta"},
	} {
		_, err := h.client.MiniProgramCode(t.Context(), h.app.Credential(), request)
		wantClass(t, err, wechat.ClassConfig)
	}
	if n := len(h.sim.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
