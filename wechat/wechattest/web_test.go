package wechattest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat/wechattest"
)

const webQuery = "appid=wxsimA&redirect_uri=https%3A%2F%2Fid.example%2Fcb&response_type=code&scope=snsapi_userinfo&state=abc"

// signIn approves at the page of an official account, exchanges the code, and returns the members of the response.
func (c *control) signIn(t *testing.T, scope string) map[string]any {
	t.Helper()
	query := strings.Replace(webQuery, "snsapi_userinfo", scope, 1)
	back := c.ok(t, "POST", "/authorize?user=alice&address="+url.QueryEscape("/connect/oauth2/authorize?"+query))
	parsed, err := url.Parse(back)
	if err != nil || parsed.Query().Get("state") != "abc" {
		t.Fatalf("browser goes back to %s", back)
	}
	return c.sns(t, "/sns/oauth2/access_token?appid=wxsimA&secret="+string(c.app.Credential().Secret)+"&grant_type=authorization_code&code="+parsed.Query().Get("code"))
}

func (c *control) sns(t *testing.T, path string) map[string]any {
	t.Helper()
	response, err := http.Get(c.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.Header.Get("Content-Type") != "text/plain" {
		t.Fatalf("%s is %s, %v", path, response.Header.Get("Content-Type"), err)
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(body), "\a", "")), &members); err != nil {
		t.Fatalf("%s: %v in %q", path, err, body)
	}
	members["raw"] = string(body)
	return members
}

func TestWebPages_SignInByScope(t *testing.T) {
	c := newControl(t)
	c.ok(t, "POST", "/kind?kind=official-account&callback=id.example")
	c.ok(t, "POST", "/open-platform?account=shop")
	c.ok(t, "POST", "/person?user=alice&nickname=Al%07ice")
	session := c.signIn(t, "snsapi_userinfo")
	token, openID := session["access_token"].(string), session["openid"].(string)
	if session["unionid"] != string(c.app.UnionID("alice")) || openID != string(c.app.OpenID("alice")) || session["token_type"] != nil || session["errcode"] != nil {
		t.Errorf("session is %v", session)
	}
	if profile := c.sns(t, "/sns/userinfo?access_token="+token+"&openid="+openID); !strings.Contains(profile["raw"].(string), "Al\aice") {
		t.Errorf("the nickname has no raw control character: %q", profile["raw"])
	}
	if check := c.sns(t, "/sns/auth?access_token="+token+"&openid="+openID); check["errcode"] != 0.0 {
		t.Errorf("auth: %v", check)
	}
	if check := c.sns(t, "/sns/auth?access_token="+token+"&openid=other"); check["errcode"] != 40003.0 {
		t.Errorf("auth of another OpenID: %v", check)
	}
	refreshed := c.sns(t, "/sns/oauth2/refresh_token?appid=wxsimA&grant_type=refresh_token&refresh_token="+session["refresh_token"].(string))
	if refreshed["access_token"] != token || refreshed["unionid"] != nil {
		t.Errorf("refresh: %v", refreshed)
	}
	base := c.signIn(t, "snsapi_base")
	if base["unionid"] != nil {
		t.Errorf("snsapi_base has a UnionID: %v", base)
	}
	if profile := c.sns(t, "/sns/userinfo?access_token="+base["access_token"].(string)+"&openid="+openID); profile["errcode"] != 48001.0 {
		t.Errorf("profile of snsapi_base: %v", profile)
	}
	c.ok(t, "POST", "/snapshot?user=alice")
	if snapshot := c.signIn(t, "snsapi_userinfo"); snapshot["is_snapshotuser"] != 1.0 || snapshot["openid"] == openID {
		t.Errorf("snapshot user: %v", snapshot)
	}
}

func TestWebPages_RejectWrongRequests(t *testing.T) {
	c := newControl(t)
	c.app.SetKind(wechattest.OfficialAccount, "id.example")
	for name, address := range map[string]string{
		"order":    "/connect/oauth2/authorize?redirect_uri=https%3A%2F%2Fid.example%2Fcb&appid=wxsimA&response_type=code&scope=snsapi_userinfo&state=abc",
		"state":    "/connect/oauth2/authorize?" + strings.Replace(webQuery, "abc", "a-c", 1),
		"host":     "/connect/oauth2/authorize?" + strings.Replace(webQuery, "id.example", "evil.example", 1),
		"scope":    "/connect/oauth2/authorize?" + strings.Replace(webQuery, "snsapi_userinfo", "snsapi_login", 1),
		"kind":     "/connect/qrconnect?" + strings.Replace(webQuery, "snsapi_userinfo", "snsapi_login", 1),
		"appid":    "/connect/oauth2/authorize?" + strings.Replace(webQuery, "wxsimA", "wxsimB", 1),
		"redirect": "/connect/oauth2/authorize?" + strings.Replace(webQuery, "https%3A", "data%3A", 1),
	} {
		if _, err := c.sim.Approve(address, "alice"); err == nil {
			t.Errorf("accepts a request with a wrong %s", name)
		}
	}
}

func TestWebPages_DeclinedDiffers(t *testing.T) {
	c := newControl(t)
	c.app.SetKind(wechattest.OfficialAccount, "id.example")
	for query, want := range map[string]string{
		"": "", "redirect-declined=true": "https://id.example/cb?state=abc", "deny-code=true": "https://id.example/cb?code=authdeny&state=abc",
	} {
		c.ok(t, "POST", "/oddities?"+query)
		back := c.ok(t, "POST", "/authorize?address="+url.QueryEscape("/connect/oauth2/authorize?"+webQuery))
		if back != want && (want != "" || back != "{\"address\":\"\"}\n") {
			t.Errorf("with %q declining leads to %q, want %q", query, back, want)
		}
	}
}

func TestWebPages_BrowserDecides(t *testing.T) {
	c := newControl(t)
	c.app.SetKind(wechattest.OfficialAccount, "id.example")
	get := func(agent, path string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("User-Agent", agent)
		return c.do(t, request).body
	}
	page := "/connect/oauth2/authorize?" + webQuery
	c.app.Login("bob")
	if shown := get("Mozilla/5.0 MicroMessenger/8.0", page); !strings.Contains(shown, `value="bob"`) {
		t.Errorf("page: %s", shown)
	}
	if shown := get("Mozilla/5.0", page); !strings.Contains(shown, "请在微信客户端打开链接") {
		t.Errorf("page outside of WeChat: %s", shown)
	}
	if shown := get("", "/connect/oauth2/authorize?appid=1"); !strings.Contains(shown, "parameters") {
		t.Errorf("page of a wrong request: %s", shown)
	}
	c.app.SetOddities(wechattest.Oddities{RepeatCallback: true})
	if shown := get("", "/connect/decision?user=bob&address="+url.QueryEscape(page)); strings.Count(shown, "location.href=") != 2 {
		t.Errorf("page of a repeated callback: %s", shown)
	}
}
