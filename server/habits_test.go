package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/storage"
)

// Requests of backends that were written for WeChat's own API.
func TestMiniProgramRequests_ExplainCommonMistakes(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addMiniProgram("habits", func(*storage.Client) {})
	exchangeForm := func(pairs ...string) url.Values {
		form := url.Values{"grant_type": {grants.GrantType}, "subject_token_type": {grants.SubjectTokenType}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return form
	}
	const profile, token = "/federation/wechat/miniapp/profile", "/oauth2/token"
	for name, row := range map[string]struct {
		path string
		form url.Values
		want []string
	}{
		"js_code at profile":       {profile, url.Values{"js_code": {"0716AVll20uHk94SLDml27etM946AVlq"}}, []string{"code is missing", "js_code"}},
		"js_code at token":         {token, exchangeForm("js_code", "0716AVll20uHk94SLDml27etM946AVlq"), []string{"subject_token is missing", "js_code"}},
		"code at token":            {token, exchangeForm("code", "0716AVll20uHk94SLDml27etM946AVlq"), []string{"subject_token is missing", "The request has code"}},
		"phone code at profile":    {profile, url.Values{"code": {app.TapPhone("alice")}}, []string{"phone number button", "phone_code"}},
		"phone code at token":      {token, exchangeForm("subject_token", app.TapPhone("alice")), []string{"phone number button", "phone_code"}},
		"encryptedData at profile": {profile, url.Values{"code": {app.Login("alice")}, "encryptedData": {"x"}, "iv": {"y"}}, []string{"encryptedData and iv"}},
		"encryptedData at token":   {token, exchangeForm("subject_token", app.Login("alice"), "encryptedData", "x"), []string{"encryptedData and iv"}},
		"no code at profile":       {profile, url.Values{"code": {"two words"}}, []string{"code is not a code of wx.login"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := ts.post("habits", row.path, row.form)
			description := a.member("error_description")
			if a.status != http.StatusBadRequest || row.path == profile && strings.Contains(description, "subject_token") {
				t.Errorf("got %d %q", a.status, description)
			}
			for _, part := range row.want {
				if !strings.Contains(description, part) {
					t.Errorf("%q does not name %q", description, part)
				}
			}
		})
	}
	if calls := ts.sim.Requests(); len(calls) != 0 {
		t.Errorf("WeChat was called %d times", len(calls))
	}
}

func TestMiniProgramRequests_ExplainByteOrderMark(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("habits", func(*storage.Client) {})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ts.url+"/federation/wechat/miniapp/profile", strings.NewReader("\ufeff"+`{"code":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth("habits", "whatever")
	if a := ts.do(request); !strings.Contains(a.member("error_description"), "byte order mark") {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestClientAuth_ExplainsAppIDUsedAsClientID(t *testing.T) {
	ts := newTestServer(t)
	for _, client := range []string{"wx4f4bc4dec97d474b", "wxsim0000000000000001", "unknown"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ts.url+"/federation/wechat/miniapp/profile", strings.NewReader("code=x"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth(client, "0123456789abcdef0123456789abcdef")
		a := ts.do(request)
		if a.member("error") != "invalid_client" || strings.Contains(a.member("error_description"), "AppID") != (client != "unknown") {
			t.Errorf("%s: got %d %s", client, a.status, a.raw)
		}
	}
}
