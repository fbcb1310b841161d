package ferretdb

import (
	"crypto/rand"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// addConnection registers a WeChat app that is no client. It belongs to the Open Platform account of addMiniProgram.
func (i *instance) addConnection(id wechat.AppID, kind storage.ConnectionKind, simulated wechattest.Kind) *wechattest.App {
	i.Helper()
	app := must(i.sim.AddApp(wechat.App{ID: id}))(i.T)
	app.SetKind(simulated, "")
	app.BindOpenPlatform("account")
	master := must(keys.ParseMaster(i.masterKeys, rand.Reader))(i.T)
	sealed := must(master.Seal([]byte(app.Credential().Secret), keys.ConnectionSecretBinding("default", string(id))))(i.T)
	must(storage.Insert(i.Context(), i.engine, storage.Connection{
		Directory: "default", AppID: string(id), Kind: kind, OpenPlatform: "account", AppSecret: sealed, CreatedAt: i.clock.Now(),
	}))(i.T)
	return app
}

// A code of a mobile app is exchanged once by two instances, and a browser comes back from WeChat to another instance than the one
// that sent it there. All are the user of the mini-program.
func TestInstances_ConnectionsShareTheirUsers(t *testing.T) {
	t.Parallel()
	a, b, mini := newPair(t)
	native := a.addConnection("wxsimnative", storage.ConnectionNativeApp, wechattest.MobileApp)
	a.addConnection("wxsimsite", storage.ConnectionWebsite, wechattest.Website)
	a.addClient("app", storage.ClientWeb, func(c *storage.Client) {
		c.NativeApp, c.GrantTypes = "wxsimnative", []string{grants.GrantType, "refresh_token"}
	})
	entry := must(storage.Get[storage.Directory](t.Context(), a.engine, "default"))(t)
	listed := entry.Record
	listed.SignInMethods = []string{storage.SignInWebsite}
	must(entry.Replace(t.Context(), a.engine, listed))(t)
	sub := a.exchange("mini", mini.Login("alice")).wantOK(t).sub(t)

	form := url.Values{
		"grant_type": {grants.GrantType}, "subject_token": {native.SendAuth("alice")}, "subject_token_type": {grants.NativeAppTokenType}, "scope": {"openid offline_access"},
	}
	first, again := a.send("app", "/oauth2/token", form).wantOK(t), b.send("app", "/oauth2/token", form).wantOK(t)
	if first.sub(t) != sub || again.sub(t) != sub || first.text("refresh_token") != again.text("refresh_token") {
		t.Errorf("the mobile app: %s and %s, want the user %s", first.raw, again.raw, sub)
	}

	browser := &http.Client{Jar: must(cookiejar.New(nil))(t), Transport: a.transport}
	shown := a.browse(browser, http.MethodGet, a.address+"/login", nil)
	button := regexp.MustCompile(`action="([^"]*/login/website)"><input type="hidden" name="([^"]*)" value="([^"]*)"`).FindStringSubmatch(shown.raw)
	if button == nil {
		t.Fatalf("no button of the website: %s", shown.raw)
	}
	sent := a.browse(browser, http.MethodPost, a.address+button[1], url.Values{button[2]: {button[3]}})
	callback := must(a.sim.Approve(strings.TrimPrefix(sent.header.Get("Refresh"), "0; url=https://open.weixin.qq.com"), "alice"))(t)
	back := must(url.Parse(callback))(t)
	for _, at := range []*instance{b, a} {
		if arrived := a.browse(browser, http.MethodGet, at.address+back.Path+"?"+back.RawQuery, nil); arrived.status != http.StatusOK || !strings.HasSuffix(arrived.url, "/account") && !strings.Contains(arrived.raw, "/account") {
			t.Errorf("the browser is at %d %s", arrived.status, arrived.url)
		}
	}
	sessions := list[storage.Session](a)
	if len(sessions) == 0 {
		t.Error("there is no session")
	}
	for _, session := range sessions {
		if session.User != sub {
			t.Errorf("the browser signed in %s, want %s", session.User, sub)
		}
	}
}

// browse sends a request of a browser, with its User-Agent if there is one.
func (i *instance) browse(browser *http.Client, method, address string, form url.Values, agent ...string) apiResponse {
	i.Helper()
	request := must(http.NewRequestWithContext(i.Context(), method, address, strings.NewReader(form.Encode())))(i.T)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, name := range agent {
		request.Header.Set("User-Agent", name)
	}
	return i.through(browser, request)
}
