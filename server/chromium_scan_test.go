package server_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/minifed/minifed/internal/chromiumtest"
	"github.com/minifed/minifed/storage"
)

// screen is how a browser shows pages.
type screen struct {
	name, language, agent string
	width, height         int
	phone, dark           bool
}

// gallery looks at pages in a browser.
type gallery struct {
	*testing.T
	tab    *chromiumtest.Tab
	screen screen
	prefix string
}

func newGallery(t *testing.T, c *chromiumtest.Browser, shown screen, prefix string) *gallery {
	t.Helper()
	tab := c.Open(c.Profile(), "about:blank")
	tab.Screen(shown.width, shown.height, shown.phone)
	tab.Dark(shown.dark)
	tab.Language(shown.language)
	if shown.agent != "" {
		tab.Call("Network.setUserAgentOverride", map[string]any{"userAgent": shown.agent, "acceptLanguage": shown.language})
	}
	return &gallery{t, tab, shown, prefix}
}

// look checks the page, and writes a picture of it if MINIFED_PICTURES names a folder.
func (g *gallery) look(what string) {
	g.Helper()
	for _, problem := range g.tab.AccessibilityProblems() {
		g.Errorf("%s, %s: %s", what, g.screen.name, problem)
	}
	if wide := g.tab.Evaluate(`document.documentElement.scrollWidth > innerWidth ? "wide" : ""`); wide != "" {
		g.Errorf("%s, %s: the page is wider than the screen", what, g.screen.name)
	}
	if folder := os.Getenv("MINIFED_PICTURES"); folder != "" {
		check(g.T, os.WriteFile(filepath.Join(folder, g.prefix+what+"."+g.screen.name+".png"), g.tab.Picture(), 0o600))
	}
}

func TestChromium_PagesOfScanLinkAndHandOff(t *testing.T) {
	ts := newScanServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.SignInMethods = append(d.SignInMethods, storage.SignInHandOff) })
	ts.change("shop", func(c *storage.Client) { c.InitiateLoginURI = handOffTo })
	sub := ts.sub(ts.login("mini", "wanda"))
	c := chromiumtest.Start(t)
	desk := screen{"desk", "en", agentOfDesk, 1280, 900, false, false}
	deskDark := screen{"desk-dark-zh", "zh-CN", agentOfDesk, 1280, 900, false, true}
	phone := screen{"phone-zh", "zh-CN", agentOfPhone, 390, 844, true, false}
	phoneDark := screen{"phone-dark", "en", agentOfPhone, 320, 640, true, true}
	for _, shown := range []screen{desk, deskDark} {
		g := newGallery(t, c, shown, "scan-")
		g.tab.Navigate(ts.url + "/login?other=1")
		g.tab.Wait("#scan")
		g.look("login")
		g.tab.Press("scan")
		g.tab.Wait("#picture")
		g.look("picture")
		scene := ts.sceneOf(g)
		ts.seen(scene)
		g.tab.Wait("#number") // The stream loads the page again.
		g.look("number")
		ts.postJSON("mini", denyPath, scanBody(scene, nil))
		g.tab.Wait(".notice.bad")
		g.look("denied")
		g.tab.Press("begin")
		g.tab.Wait("#picture")
		scene = ts.sceneOf(g)
		ts.seen(scene)
		g.tab.Wait("#number")
		number := g.tab.Evaluate(`document.getElementById("number").textContent`)
		ts.approve(scene, "wanda", number)
		g.tab.WaitForURL(ts.url + "/account")
	}
	for _, shown := range []screen{phone, phoneDark} {
		g := newGallery(t, c, shown, "link-")
		g.tab.Navigate(ts.url + "/login?other=1")
		g.tab.Wait("#link")
		g.look("login")
		g.tab.Press("link")
		g.tab.Wait("#open")
		g.look("open")
		scene := must(ts.sim.OpenLink(g.tab.Evaluate(`document.getElementById("open").href`)))(t).Scene
		ts.seen(scene)
		digits, _ := ts.approve(scene, "wanda", "").object("scan")["digits"].(string)
		g.tab.Fill("digits", "000000")
		g.tab.Press("sign-in")
		g.tab.Wait(".notice.bad")
		g.look("wrong")
		g.tab.Fill("digits", digits)
		g.tab.Press("sign-in")
		g.tab.WaitForURL(ts.url + "/account")
		signedIn := ts.login("mini", "another")
		a := ts.postJSON("mini", handOffPath, map[string]string{"access_token": signedIn.member("access_token"), "target_client_id": "shop"})
		g.tab.Navigate(a.member("url"))
		g.tab.Wait("#hand-off")
		g.look("hand-off")
		g.tab.Navigate(a.member("url") + "x")
		g.tab.Wait("main")
		g.look("hand-off-over")
		g.tab.Navigate(ts.url + "/scan/AAAAAAAAAAAAAAAAAAAAAA")
		g.tab.Wait("main")
		g.look("landing")
	}
	for _, session := range list[storage.Session](ts.testServer) {
		if session.User != sub {
			t.Errorf("a session of %s", session.User)
		}
	}
}

// sceneOf reads the picture that a browser shows, as a phone does.
func (ts *pageTestServer) sceneOf(g *gallery) string {
	g.Helper()
	const read = `fetch(document.getElementById("picture").src).then(r => r.arrayBuffer()).then(b => btoa(String.fromCharCode(...new Uint8Array(b))))`
	var read64 struct {
		Result struct {
			Value string `json:"value"`
		} `json:"result"`
	}
	check(g.T, json.Unmarshal(g.tab.Call("Runtime.evaluate", map[string]any{"expression": read, "awaitPromise": true, "returnByValue": true}), &read64))
	picture := must(base64.StdEncoding.DecodeString(read64.Result.Value))(g.T)
	return must(ts.sim.ReadPicture(picture))(g.T).Scene
}
