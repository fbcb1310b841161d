package server_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// hostileText is what a user, a client or WeChat could send to run a script on a page.
const hostileText = `"><hostile x='1'>'><hostile onload="x"></textarea></title></script><hostile>javascript:alert(1)`

// wantHarmless asserts that no part of hostileText became an element or an attribute.
func wantHarmless(t *testing.T, what string, p *page) {
	t.Helper()
	document := must(html.Parse(strings.NewReader(p.body)))(t)
	for n := range document.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "hostile" {
			t.Errorf("%s: the text became an element\n%s", what, p.body)
			return
		}
		for _, attribute := range n.Attr {
			link := attribute.Key == "href" || attribute.Key == "src" || attribute.Key == "action"
			if strings.HasPrefix(attribute.Key, "on") || link && strings.HasPrefix(strings.TrimSpace(strings.ToLower(attribute.Val)), "javascript:") {
				t.Errorf("%s: <%s %s=%q>", what, n.Data, attribute.Key, attribute.Val)
			}
		}
	}
	if !strings.Contains(p.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s: the policy is %q", what, p.header.Get("Content-Security-Policy"))
	}
}

func TestPages_HostileTextsOfBrowserSignIns(t *testing.T) {
	t.Parallel()
	ts := newScanServer(t)
	ts.editDirectory(func(d *storage.Directory) {
		d.Name, d.SignInMethods = hostileText, append(d.SignInMethods, storage.SignInHandOff)
		d.Branding = storage.Branding{SupportURL: "https://help.example.com/?" + hostileText, ICPNumber: hostileText}
	})
	ts.change("shop", func(c *storage.Client) { c.Name, c.InitiateLoginURI = hostileText, handOffTo })
	sub := ts.sub(ts.login("mini", "wanda"))
	ts.changeUser(sub, func(u *storage.User) { u.Profile.Name, u.Profile.Nickname = hostileText, hostileText })
	must(ts.identities.SetEmail(ts.Context(), "default", sub, "wanda@example.com", identity.System))(t)
	agent := agentOfDesk + hostileText
	b := ts.browserOf(agent)
	see := func(what string) {
		t.Helper()
		wantHarmless(t, what, b.page)
	}
	b.openAuthorize()
	see("login")
	b.press("scan-form", "scan")
	see("picture")
	scene := b.readScene()
	seen := ts.seen(scene, "attempt", "a", "country", "CN")
	if seen.status != http.StatusOK {
		t.Fatalf("%d %v", seen.status, seen.body)
	}
	b.reload()
	see("number")
	ts.postJSON("mini", denyPath, scanBody(scene, nil))
	b.reload()
	see("denied")
	b.press("begin-form", "begin")
	scene = b.readScene()
	ts.seen(scene)
	b.reload()
	ts.approve(scene, "wanda", b.number())
	b.reload()
	see("consent")
	b.get(ts.url + "/account")
	see("account")

	for _, errcode := range []int{41030, 45009, 99999} {
		ts.app("mini").Fail(wechattest.MiniProgramCode, wechattest.Fault{Errcode: errcode})
		b.get(ts.url + "/login?other=1")
		b.press("scan-form", "scan")
		see("an error of WeChat")
	}
	for _, address := range []string{"/login/scan?scan=", "/scan/", "/hand-off?ticket=", "/federation/wechat/callback?code=1&state=", "/login?ui_locales="} {
		b.get(ts.url + address + strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22", " ", "%20", "/", "%2F").Replace(hostileText))
		if strings.HasPrefix(b.page.header.Get("Content-Type"), "text/html") {
			see(address)
		}
	}
	signedIn := ts.login("mini", "wanda")
	other := ts.deskBrowser()
	a := ts.postJSON("mini", handOffPath, map[string]string{"access_token": signedIn.member("access_token"), "target_client_id": "shop", "state": hostileText})
	other.get(a.member("url"))
	wantHarmless(t, "hand-off", other.page)
	other.press("hand-off-form", "hand-off")
	if to := other.page.sent.Get("state"); to != hostileText {
		t.Errorf("state %q", to)
	}
	for _, message := range ts.allMailTo("wanda@example.com") {
		if strings.ContainsAny(message.Subject, "\r\n") {
			t.Errorf("subject %q", message.Subject)
		}
	}
}
