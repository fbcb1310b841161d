package wechat_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func TestCode2Session_ReturnsUser(t *testing.T) {
	h := newClientHarness(t, nil)
	session, code, err := h.login(t, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if session.OpenID != h.app.OpenID("alice") || session.UnionID != "" || len(session.Key) != 24 {
		t.Errorf("session of an app without Open Platform account: OpenID %q, UnionID %q, key of %d characters", session.OpenID, session.UnionID, len(session.Key))
	}
	wantSent(t, h.sim, code, 1)

	h.app.BindOpenPlatform("account")
	session, _, err = h.login(t, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if session.UnionID == "" || session.UnionID != h.app.UnionID("alice") {
		t.Errorf("UnionID = %q after the app was bound", session.UnionID)
	}
}

func TestCode2Session_ParsesPublishedResponses(t *testing.T) {
	for name, body := range map[string]string{
		"without errcode":     `{"session_key":"nzoqhc3OnwHzeTxJs+\/nbQ==","openid":"oVBkZ0aYgDMDIywRdgPW8-joxXc4","unionid":"oqDIW5sx4oTQIBpeUJXcojuRabcd"}`,
		"with errcode 0":      `{"errcode":0,"errmsg":"ok","session_key":"nzoqhc3OnwHzeTxJs+/nbQ==","openid":"oVBkZ0aYgDMDIywRdgPW8-joxXc4","unionid":"oqDIW5sx4oTQIBpeUJXcojuRabcd"}`,
		"with unknown fields": `{"expires_in":7200,"session_key":"nzoqhc3OnwHzeTxJs+/nbQ==","openid":"oVBkZ0aYgDMDIywRdgPW8-joxXc4","unionid":"oqDIW5sx4oTQIBpeUJXcojuRabcd","x":{"y":[1]}}`,
		"errcode null":        `{"errcode":null,"session_key":"nzoqhc3OnwHzeTxJs+/nbQ==","openid":"oVBkZ0aYgDMDIywRdgPW8-joxXc4","unionid":"oqDIW5sx4oTQIBpeUJXcojuRabcd"}`,
	} {
		for _, contentType := range []string{"text/plain", "application/json:UTF-8", "application/json; encoding=utf-8", ""} {
			t.Run(name+" as "+contentType, func(t *testing.T) {
				session, err := respondingWith(t, 200, contentType, body).Code2Session(t.Context(), fixedApp(), "code")
				if err != nil {
					t.Fatal(err)
				}
				want := wechat.Session{OpenID: "oVBkZ0aYgDMDIywRdgPW8-joxXc4", UnionID: "oqDIW5sx4oTQIBpeUJXcojuRabcd", Key: "nzoqhc3OnwHzeTxJs+/nbQ=="}
				if session != want {
					t.Errorf("session differs from the response: OpenID %q, UnionID %q", session.OpenID, session.UnionID)
				}
			})
		}
	}
}

func TestCode2Session_InvalidResponseIsAmbiguous(t *testing.T) {
	for name, response := range map[string]struct {
		status int
		body   string
	}{
		"empty":                  {200, ""},
		"HTML":                   {200, "<html>login to the hotel's network</html>"},
		"a gateway's error page": {502, "<html>502 Bad Gateway</html>"},
		"a redirect":             {302, ""},
		"a valid body with 500":  {500, `{"openid":"o","session_key":"k"}`},
		"truncated":              {200, `{"session_key":"nzoqhc3OnwHz`},
		"no OpenID":              {200, `{"session_key":"nzoqhc3OnwHzeTxJs+inbQ=="}`},
		"an empty OpenID":        {200, `{"openid":"","session_key":"k"}`},
		"an OpenID with newline": {200, `{"openid":"o\n","session_key":"k"}`},
		"an endless OpenID":      {200, `{"openid":"` + strings.Repeat("o", 129) + `"}`},
		"an endless response":    {200, strings.Repeat(" ", 1<<20) + `{"openid":"o"}`},
		"another JSON":           {200, `["openid"]`},
		"errcode of no sense":    {200, `{"errcode":{},"openid":"o"}`},
	} {
		t.Run(name, func(t *testing.T) {
			session, err := respondingWith(t, response.status, "text/plain", response.body).Code2Session(t.Context(), fixedApp(), "code")
			wantClass(t, err, wechat.ClassAmbiguous)
			if session != (wechat.Session{}) {
				t.Error("there is a session next to the error")
			}
		})
	}
}

func TestErrcode_HasClass(t *testing.T) {
	for _, row := range []struct {
		errcode int
		class   wechat.Class
	}{
		{40029, wechat.ClassCode},
		{40163, wechat.ClassCode},
		{42003, wechat.ClassCode},
		{40226, wechat.ClassBlocked},
		{50002, wechat.ClassBlocked},
		{45011, wechat.ClassRate},
		{45009, wechat.ClassRate},
		{-1, wechat.ClassBusy},
		{40001, wechat.ClassConfig},
		{40002, wechat.ClassConfig},
		{40013, wechat.ClassConfig},
		{40125, wechat.ClassConfig},
		{40164, wechat.ClassConfig},
		{40243, wechat.ClassConfig},
		{41002, wechat.ClassConfig},
		{41004, wechat.ClassConfig},
		{41008, wechat.ClassConfig},
		{48001, wechat.ClassConfig},
		{50007, wechat.ClassConfig},
		{89503, wechat.ClassConfig},
		{99999, wechat.ClassUnknown},
	} {
		for _, quoted := range []bool{false, true} {
			h := newClientHarness(t, nil)
			h.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: row.errcode, Quoted: quoted, Times: -1})
			_, _, err := h.login(t, "alice")
			failure := wantClass(t, err, row.class)
			if failure.Code != row.errcode || failure.API != "code2Session" {
				t.Errorf("errcode %d: Code = %d, API = %q", row.errcode, failure.Code, failure.API)
			}
			if row.errcode != -1 && len(failure.RID) != 26 {
				t.Errorf("errcode %d: RID = %q", row.errcode, failure.RID)
			}
			if (failure.RetryAfter >= time.Minute) != (row.class == wechat.ClassRate) {
				t.Errorf("errcode %d: RetryAfter = %v", row.errcode, failure.RetryAfter)
			}
			if errors.Is(err, wechat.ErrCodeUsed) != (row.errcode == 40163) {
				t.Errorf("errcode %d: errors.Is(err, ErrCodeUsed) is wrong", row.errcode)
			}
		}
	}
}

func TestErrmsg_HasOnlyTraceID(t *testing.T) {
	for message, want := range map[string]string{
		"invalid code, rid: 617833f5-4d39a245-36d3a896":                         "617833f5-4d39a245-36d3a896",
		"invalid code hint: [qKhDWV0sf-0s77ta] rid: 617833f5-4d39a245-36d3a896": "617833f5-4d39a245-36d3a896",
		"access_token expired rid: 617833f5-4d39a245-36d3a896 more":             "617833f5-4d39a245-36d3a896",
		"appsecret missing, hints: [ req_id: plAv90053th21 ]":                   "",
		"the code was 0716AVll20uHk94SLDml27etM946AVlq":                         "",
		"rid: 617833f5-4d39a2":                                                  "",
		"rid: some-app-secret-some-app-s":                                       "",
	} {
		client := respondingWith(t, 200, "text/plain", `{"errcode":40029,"errmsg":"`+message+`"}`)
		_, err := client.Code2Session(t.Context(), fixedApp(), "0716AVll20uHk94SLDml27etM946AVlq")
		failure := wantClass(t, err, wechat.ClassCode)
		if failure.RID != want {
			t.Errorf("RID of %q = %q, want %q", message, failure.RID, want)
		}
		text := strings.ReplaceAll(err.Error(), want, "")
		if strings.Contains(text, "0716") || strings.Contains(text, "secret") || strings.Contains(text, "hint") {
			t.Errorf("the error repeats the errmsg: %v", err)
		}
	}
}

func TestCode2Session_SnapshotUserIsError(t *testing.T) {
	client := respondingWith(t, 200, "text/plain", `{"openid":"oVirtual","session_key":"k","is_snapshotuser":1}`)
	_, err := client.Code2Session(t.Context(), fixedApp(), "code")
	wantClass(t, err, wechat.ClassBlocked)
	if !errors.Is(err, wechat.ErrSnapshotUser) {
		t.Errorf("err = %v", err)
	}
}

func TestCode2Session_InvalidCodeOrAppIsNotSent(t *testing.T) {
	h := newClientHarness(t, nil)
	for _, code := range []string{"", strings.Repeat("x", 513), "a\nb", "a\x00", "a\x7f"} {
		_, err := h.client.Code2Session(t.Context(), h.app.Credential(), code)
		wantClass(t, err, wechat.ClassCode)
		_, err = h.client.PhoneNumber(t.Context(), h.app.Credential(), code)
		wantClass(t, err, wechat.ClassCode)
	}
	for _, app := range []wechat.App{{}, {ID: "wxsim"}, {Secret: "s"}, {ID: "wxsim", Secret: "a\nb"}, {ID: "wxsim", Secret: wechat.AppSecret(strings.Repeat("s", 129))}} {
		_, err := h.client.Code2Session(t.Context(), app, "code")
		wantClass(t, err, wechat.ClassConfig)
		_, err = h.client.PhoneNumber(t.Context(), app, "code")
		wantClass(t, err, wechat.ClassConfig)
		wantClass(t, h.client.CheckCredential(t.Context(), app), wechat.ClassConfig)
	}
	if requests := h.sim.Requests(); len(requests) != 0 {
		t.Errorf("%d requests were sent", len(requests))
	}
}

func TestCode2Session_EscapesCode(t *testing.T) {
	h := newClientHarness(t, nil)
	const code = "the code is a mock one&secret=x%20+/?#码"
	_, err := h.client.Code2Session(t.Context(), h.app.Credential(), code)
	if failure := wantClass(t, err, wechat.ClassCode); failure.Code != 40029 {
		t.Errorf("errcode = %d", failure.Code)
	}
	wantSent(t, h.sim, code, 1)
}

func TestCode2Session_WrongSecretSpendsNoCode(t *testing.T) {
	h := newClientHarness(t, nil)
	code := h.app.Login("alice")
	wrong := h.app.Credential()
	wrong.Secret = "not-the-secret"
	_, err := h.client.Code2Session(t.Context(), wrong, code)
	if failure := wantClass(t, err, wechat.ClassConfig); failure.Code != 40125 {
		t.Errorf("errcode = %d", failure.Code)
	}
	if _, err := h.client.Code2Session(t.Context(), h.app.Credential(), code); err != nil {
		t.Errorf("the code was spent: %v", err)
	}
}

func TestCode2Session_UsesChangedSecretAtOnce(t *testing.T) {
	h := newClientHarness(t, nil)
	if _, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), h.app.TapPhone("alice")); err != nil {
		t.Fatal(err)
	}
	h.app.SetSecret("the-new-secret")
	h.app.ExpireTokens()
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Errorf("login: %v", err)
	}
	if _, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), h.app.TapPhone("alice")); err != nil {
		t.Errorf("phone number: %v", err)
	}
}

func TestCode2Session_NeedsNoAccessToken(t *testing.T) {
	h := newClientHarness(t, nil)
	h.app.Fail(wechattest.StableToken, wechattest.Fault{Times: -1, Status: http.StatusBadGateway})
	h.app.Fail(wechattest.Token, wechattest.Fault{Times: -1, Status: http.StatusBadGateway})
	for range 10 {
		if err := h.client.CheckCredential(t.Context(), h.app.Credential()); err == nil {
			t.Fatal("there is an access token")
		}
	}
	h.sim.ForgetRequests()
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Fatal(err)
	}
	if requests := h.sim.Requests(); len(requests) != 1 || requests[0].Query.Has("access_token") {
		t.Errorf("the login took %d requests", len(requests))
	}
}

func TestCode2Session_IsSafeForConcurrentUse(t *testing.T) {
	h := newClientHarness(t, nil)
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			user := string(rune('a' + i%26))
			session, err := h.client.Code2Session(t.Context(), h.app.Credential(), h.app.Login(user))
			if err != nil || session.OpenID != h.app.OpenID(user) {
				t.Errorf("login of %s: %q, %v", user, session.OpenID, err)
			}
		})
	}
	group.Wait()
}
