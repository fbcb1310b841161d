package server_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/minifed/minifed/internal/chromiumtest"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// TestChromium_SignsInAtWeChat signs one person in by a website's QR code on a desk and by an official account on a phone, with the
// simulator as WeChat, which calls every callback twice. With MINIFED_PICTURES, a folder, it writes pictures of the pages.
func TestChromium_SignsInAtWeChat(t *testing.T) {
	base := newTestServer(t)
	ts := newWebServerOn(t, pageTestServerOn(base, func(c *server.Config) { c.WeChatPages = wechat.Pages{BaseURL: base.api.URL} }))
	for _, app := range []*wechattest.App{ts.website, ts.account} {
		app.SetOddities(wechattest.Oddities{RepeatCallback: true, RedirectDeclined: true})
	}
	sub := ts.sub(ts.login("mini", "alice"))
	c := chromiumtest.Start(t)
	for _, screen := range []struct {
		name, method, language, agent string
		width, height                 int
		phone                         bool
	}{
		{"desk", "website", "en", "", 1280, 900, false},
		{"phone-dark-zh", "official-account", "zh-CN", weChatAgent, 390, 844, true},
	} {
		tab := c.Open(c.Profile(), "about:blank")
		tab.Screen(screen.width, screen.height, screen.phone)
		tab.Dark(screen.phone)
		tab.Language(screen.language)
		if screen.agent != "" {
			tab.Call("Network.setUserAgentOverride", map[string]any{"userAgent": screen.agent, "acceptLanguage": screen.language})
		}
		look := func(what string) {
			t.Helper()
			for _, problem := range tab.AccessibilityProblems() {
				t.Errorf("%s, %s: %s", what, screen.name, problem)
			}
			if folder := os.Getenv("MINIFED_PICTURES"); folder != "" {
				check(t, os.WriteFile(filepath.Join(folder, "wechat-"+what+"."+screen.name+".png"), tab.Picture(), 0o600))
			}
		}
		begin := func() {
			t.Helper()
			tab.Navigate(ts.url + "/login?other=1")
			tab.Wait(`form[action*="/login/` + screen.method + `"] button`)
			look("login")
			tab.Evaluate(`document.querySelector('form[action*="/login/` + screen.method + `"] button').click()`)
			tab.Wait(`button[name="decline"]`)
		}
		begin()
		tab.Evaluate(`document.querySelector('button[name="decline"]').click()`)
		tab.Wait(`a.button[href*="/login"]`)
		look("declined")
		begin()
		tab.Evaluate(`document.querySelector('button[value="alice"]').click()`)
		tab.WaitForURL(ts.url + "/account")
	}
	sessions := list[storage.Session](ts.testServer)
	for _, session := range sessions {
		if session.User != sub {
			t.Errorf("a session of %s, want %s", session.User, sub)
		}
	}
	if len(sessions) < 2 || len(list[storage.User](ts.testServer)) != 1 {
		t.Errorf("%d sessions and %d users", len(sessions), len(list[storage.User](ts.testServer)))
	}
	ts.lookAtUnknown(t, c)
}

// lookAtUnknown opens the page for a WeChat user without an account.
func (ts *webServer) lookAtUnknown(t *testing.T, c *chromiumtest.Browser) {
	t.Helper()
	editRecord(ts.testServer, storage.Key("default", "wxsimdefaultwebsite"), func(c *storage.Connection) { c.Provisioning = storage.ProvisionBind })
	ts.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	tab := c.Open(c.Profile(), ts.url+"/login")
	tab.Wait(`form[action*="/login/website"] button`)
	tab.Evaluate(`document.querySelector('form[action*="/login/website"] button').click()`)
	tab.Wait(`input[name="user"]`)
	tab.Evaluate(`document.querySelector('input[name="user"]').value = "zoe"`)
	tab.Evaluate(`document.querySelector('input[name="user"]').form.requestSubmit()`)
	tab.Wait("#link-form")
	for _, problem := range tab.AccessibilityProblems() {
		t.Errorf("unknown user: %s", problem)
	}
	if folder := os.Getenv("MINIFED_PICTURES"); folder != "" {
		check(t, os.WriteFile(filepath.Join(folder, "wechat-unknown.desk.png"), tab.Picture(), 0o600))
	}
	tab.Press("register")
	tab.WaitForURL(ts.url + "/account")
}
