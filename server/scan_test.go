package server_test

import (
	"bufio"
	"bytes"
	"context"
	"image"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat/wechattest"
)

const (
	seenPath    = "/federation/wechat/miniapp/scan/seen"
	approvePath = "/federation/wechat/miniapp/scan/approve"
	denyPath    = "/federation/wechat/miniapp/scan/deny"

	agentOfDesk  = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
	agentOfPhone = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36"
	agentInside  = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/130.0.0.0 MicroMessenger/8.0.50 Mobile"
)

// newScanServer is a page test server whose mini-program "mini" confirms sign-ins.
func newScanServer(t *testing.T, edits ...func(*server.Config)) *pageTestServer {
	t.Helper()
	return scanServerOn(newPageTestServer(t, edits...))
}

func scanServerOn(ts *pageTestServer) *pageTestServer {
	ts.Helper()
	ts.change("mini", func(c *storage.Client) { c.StartsSessions = true })
	ts.editDirectory(func(d *storage.Directory) {
		d.SignInMethods = []string{storage.SignInScan, storage.SignInLink, storage.SignInPassword}
		d.Scan = storage.ScanTarget{MiniProgram: "mini", Page: "pages/scan"}
	})
	return ts
}

// deskBrowser is a browser on a desk, and phoneBrowser one on a phone.
func (ts *pageTestServer) deskBrowser() *formBrowser { return ts.browserOf(agentOfDesk) }

func (ts *pageTestServer) phoneBrowser() *formBrowser { return ts.browserOf(agentOfPhone) }

func (ts *pageTestServer) browserOf(agent string) *formBrowser {
	b := ts.newFormBrowser()
	b.agent = agent
	return b
}

// beginScan shows a code to the browser, for the account page, and returns its scene as a phone reads it.
func (b *formBrowser) beginScan() string {
	b.Helper()
	b.get(b.pageServer.url + "/login")
	b.press("scan-form", "scan")
	return b.readScene()
}

// readScene reads the picture on the page with a phone.
func (b *formBrowser) readScene() string {
	b.Helper()
	found := regexp.MustCompile(`<img class="picture" id="picture" src="([^"]*)"`).FindStringSubmatch(b.page.body)
	if found == nil {
		b.Fatalf("no picture at %d %s\n%s", b.page.status, b.page.url, b.page.body)
	}
	at := b.page
	address := must(must(url.Parse(at.url))(b.T).Parse(strings.ReplaceAll(found[1], "&amp;", "&")))(b.T)
	picture := b.get(address.String())
	b.page = at
	if picture.status != http.StatusOK || picture.header.Get("Content-Type") != "image/jpeg" {
		b.Fatalf("picture: %d %s", picture.status, picture.body)
	}
	opened := must(b.sim.ReadPicture([]byte(picture.body)))(b.T)
	if opened.Page != "pages/scan" {
		b.Errorf("the picture opens the page %q", opened.Page)
	}
	return opened.Scene
}

// reload loads the page again, as a browser without scripts does every two seconds.
func (b *formBrowser) reload() *page {
	b.Helper()
	return b.get(b.page.url)
}

// number returns the number that the browser shows; empty for none.
func (b *formBrowser) number() string {
	found := regexp.MustCompile(`id="number"[^>]*>([0-9]+)<`).FindStringSubmatch(b.page.body)
	if found == nil {
		return ""
	}
	return found[1]
}

func (ts *testServer) seen(scene string, further ...string) response {
	ts.Helper()
	return ts.postJSON("mini", seenPath, scanBody(scene, further))
}

// approve confirms a scene in the mini-program of a WeChat user, with the second confirmation.
func (ts *testServer) approve(scene, user, number string, further ...string) response {
	ts.Helper()
	body := map[string]any{"scene": scene, "code": ts.app("mini").Login(user), "confirmed": true}
	if number != "" {
		body["number"] = number
	}
	for i := 0; i < len(further); i += 2 {
		body[further[i]] = further[i+1]
	}
	return ts.postJSON("mini", approvePath, body)
}

func scanBody(scene string, further []string) map[string]any {
	body := map[string]any{"scene": scene}
	for i := 0; i < len(further); i += 2 {
		body[further[i]] = further[i+1]
	}
	return body
}

// object returns a member that is an object.
func (a response) object(member string) map[string]any {
	object, _ := a.body[member].(map[string]any)
	return object
}

// wantReason asserts the status and the reason of an error.
func (a response) wantReason(t *testing.T, status int, reason string) {
	t.Helper()
	if a.status != status || a.member("reason") != reason {
		t.Errorf("%d %v, want %d with reason %s", a.status, a.body, status, reason)
	}
}

func TestScan_SignsInSameUser(t *testing.T) {
	ts := newScanServer(t)
	known := ts.sub(ts.login("mini", "wanda"))
	b := ts.deskBrowser()
	scene := b.beginScan()
	if b.number() != "" {
		t.Error("a number is shown before the scan")
	}
	if again := b.reload(); again.status != http.StatusOK || b.readScene() != scene {
		t.Error("a reload shows another code")
	}
	seen := ts.seen(scene)
	if seen.status != http.StatusOK || seen.member("method") != "scan" || seen.member("browser") != "Firefox" || seen.member("system") != "Linux" || seen.body["differs"] != true {
		t.Errorf("seen: %d %v", seen.status, seen.body)
	}
	b.reload()
	number := b.number()
	if len(number) != 2 {
		t.Fatalf("number %q\n%s", number, b.page.body)
	}
	for member, value := range seen.body {
		if value == number || member == "number" {
			t.Error("the mini-program gets the number")
		}
	}
	approved := ts.approve(scene, "wanda", number)
	if approved.status != http.StatusOK || ts.sub(approved) != known || approved.object("scan")["state"] != "approved" || approved.object("profile")["sub"] != known {
		t.Fatalf("approve: %d %v", approved.status, approved.body)
	}
	b.reload()
	b.wantAt(t, "/account", http.StatusOK, "WeChat")
	session := b.storedSession()
	if session.User != known || !session.BackendInitiated || strings.Join(session.AMR, " ") != "wechat_scan" || session.ACR != "1" {
		t.Errorf("session %+v", session)
	}
	replay := ts.approve(scene, "wanda", number)
	replay.wantReason(t, http.StatusConflict, "scene_used")
	ts.seen(scene).wantReason(t, http.StatusConflict, "scene_used")
	ts.postJSON("mini", denyPath, scanBody(scene, nil)).wantReason(t, http.StatusConflict, "scene_used")
}

func TestScan_ContinuesAuthorizationRequest(t *testing.T) {
	ts := newScanServer(t)
	known := ts.sub(ts.login("mini", "wanda"))
	b := ts.deskBrowser()
	b.openAuthorize()
	b.press("scan-form", "scan")
	scene := b.readScene()
	if seen := ts.seen(scene); seen.object("client")["name"] != "Tea & Co" {
		t.Errorf("seen: %v", seen.body)
	}
	b.reload()
	ts.approve(scene, "wanda", b.number())
	b.reload()
	b.press("consent-form", "allow")
	got := claims(t, ts.redeem("shop", b.code(), "redirect_uri", shopRedirect).member("id_token"))
	if got["sub"] != known || got["amr"].([]any)[0] != "wechat_scan" {
		t.Errorf("%v", got)
	}
}

func TestScan_Rejections(t *testing.T) {
	ts := newScanServer(t)
	ts.addMiniProgram("other", func(c *storage.Client) { c.StartsSessions = true })
	ts.login("mini", "wanda")
	begun := func() (*formBrowser, string) {
		b := ts.deskBrowser()
		scene := b.beginScan()
		check(t, statusError(ts.seen(scene)))
		b.reload()
		return b, scene
	}
	wantOver := func(t *testing.T, b *formBrowser, text string) {
		t.Helper()
		b.reload()
		b.wantAt(t, "/login/scan", http.StatusBadRequest, text)
		if _, values := b.readForm("begin-form", "begin"); values == nil {
			t.Error("the page offers no new code")
		}
	}
	t.Run("the user denies", func(t *testing.T) {
		b, scene := begun()
		denied := ts.postJSON("mini", denyPath, scanBody(scene, nil))
		if denied.status != http.StatusOK || denied.member("state") != "denied" {
			t.Errorf("%d %v", denied.status, denied.body)
		}
		if again := ts.postJSON("mini", denyPath, scanBody(scene, nil)); again.status != http.StatusOK {
			t.Errorf("repeat: %d", again.status)
		}
		wantOver(t, b, "rejected on the phone")
		ts.approve(scene, "wanda", b.number()).wantReason(t, http.StatusConflict, "scene_used")
	})
	t.Run("a wrong number", func(t *testing.T) {
		b, scene := begun()
		right := b.number()
		wrong := "10"
		if right == wrong {
			wrong = "11"
		}
		ts.approve(scene, "wanda", wrong).wantReason(t, http.StatusForbidden, "number_wrong")
		ts.approve(scene, "wanda", right).wantReason(t, http.StatusConflict, "scene_used")
		wantOver(t, b, "Another number was typed")
	})
	t.Run("no number", func(t *testing.T) {
		b, scene := begun()
		ts.approve(scene, "wanda", "").wantReason(t, http.StatusBadRequest, "number_missing")
		if approved := ts.approve(scene, "wanda", b.number()); approved.status != http.StatusOK {
			t.Errorf("afterwards: %d %v", approved.status, approved.body)
		}
	})
	t.Run("no second confirmation", func(t *testing.T) {
		b, scene := begun()
		body := map[string]any{"scene": scene, "code": ts.app("mini").Login("wanda"), "number": b.number()}
		ts.postJSON("mini", approvePath, body).wantReason(t, http.StatusBadRequest, "not_confirmed")
		body["confirmed"] = true // The code was not spent.
		if approved := ts.postJSON("mini", approvePath, body); approved.status != http.StatusOK {
			t.Errorf("afterwards: %d %v", approved.status, approved.body)
		}
	})
	t.Run("not seen", func(t *testing.T) {
		b := ts.deskBrowser()
		scene := b.beginScan()
		ts.approve(scene, "wanda", "42").wantReason(t, http.StatusConflict, "scene_unseen")
	})
	t.Run("expired", func(t *testing.T) {
		b, scene := begun()
		ts.clock.Advance(121 * time.Second)
		ts.approve(scene, "wanda", b.number()).wantReason(t, http.StatusBadRequest, "scene_expired")
		ts.postJSON("mini", denyPath, scanBody(scene, nil)).wantReason(t, http.StatusBadRequest, "scene_expired")
		wantOver(t, b, "no longer valid")
		ts.clock.Advance(time.Hour)
		ts.seen(scene).wantReason(t, http.StatusBadRequest, "scene_unknown")
	})
	t.Run("a second scan", func(t *testing.T) {
		b := ts.deskBrowser()
		scene := b.beginScan()
		check(t, statusError(ts.seen(scene, "attempt", "first")))
		ts.seen(scene, "attempt", "second").wantReason(t, http.StatusConflict, "scene_used")
		ts.seen(scene).wantReason(t, http.StatusConflict, "scene_used")
		if again := ts.seen(scene, "attempt", "first"); again.status != http.StatusOK {
			t.Errorf("the repeat of the first: %d %v", again.status, again.body)
		}
	})
	t.Run("another mini-program", func(t *testing.T) {
		b := ts.deskBrowser()
		scene := b.beginScan()
		ts.postJSON("other", seenPath, scanBody(scene, nil)).wantReason(t, http.StatusBadRequest, "scene_unknown")
		ts.seen("AAAAAAAAAAAAAAAAAAAAAA").wantReason(t, http.StatusBadRequest, "scene_unknown")
		ts.seen("x").wantReason(t, http.StatusBadRequest, "scene_unknown")
		if missing := ts.seen(""); missing.status != http.StatusBadRequest || missing.member("error") != "invalid_request" {
			t.Errorf("%d %v", missing.status, missing.body)
		}
	})
	t.Run("a mini-program that may not", func(t *testing.T) {
		b, scene := begun()
		ts.change("mini", func(c *storage.Client) { c.StartsSessions = false })
		ts.approve(scene, "wanda", b.number()).wantReason(t, http.StatusBadRequest, "starts_no_sessions")
		ts.seen(scene).wantReason(t, http.StatusBadRequest, "starts_no_sessions")
		fresh := ts.deskBrowser()
		if fresh.get(ts.url + "/login"); strings.Contains(fresh.page.body, "scan-form") {
			t.Error("the login page offers it")
		}
		ts.change("mini", func(c *storage.Client) { c.StartsSessions = true })
	})
	t.Run("another browser", func(t *testing.T) {
		b, scene := begun()
		ts.approve(scene, "wanda", b.number())
		other := ts.deskBrowser()
		other.get(b.page.url)
		other.wantAt(t, "/login/scan", http.StatusBadRequest, "another browser")
		if b.reload(); !strings.HasSuffix(b.page.url, "/account") {
			t.Errorf("the browser that asked is at %s", b.page.url)
		}
	})
	t.Run("a user who awaits deletion", func(t *testing.T) {
		b, scene := begun()
		sub := ts.sub(ts.login("mini", "delia"))
		editRecord(ts.testServer, storage.Key("default", sub), func(u *storage.User) { u.Status = storage.UserDeletionPending })
		ts.approve(scene, "delia", b.number()).wantReason(t, http.StatusForbidden, "deletion_pending")
		wantOver(t, b, "cannot sign in")
	})
	t.Run("a disabled user", func(t *testing.T) {
		b, scene := begun()
		ts.login("mini", "dora")
		ts.disable(ts.sub(ts.login("mini", "dora")))
		ts.approve(scene, "dora", b.number()).wantReason(t, http.StatusForbidden, "user_disabled")
		wantOver(t, b, "cannot sign in")
	})
	t.Run("a user who is disabled after the approval", func(t *testing.T) {
		b, scene := begun()
		sub := ts.sub(ts.login("mini", "dana"))
		ts.approve(scene, "dana", b.number())
		ts.disable(sub)
		b.reload()
		b.wantAt(t, "/login/scan", http.StatusBadRequest, "cannot sign in")
	})
	t.Run("two users", func(t *testing.T) {
		b, scene := begun()
		number := b.number()
		first := ts.sub(ts.approve(scene, "wanda", number))
		ts.approve(scene, "mallory", number).wantReason(t, http.StatusConflict, "scene_used")
		b.reload()
		if session := b.storedSession(); session.User != first {
			t.Errorf("session of %s", session.User)
		}
	})
}

// statusError is the error of a response that is not 200.
func statusError(r response) error {
	if r.status == http.StatusOK {
		return nil
	}
	return io.ErrUnexpectedEOF
}

func TestScan_RepeatOfLostApprovalIsSame(t *testing.T) {
	ts := newScanServer(t)
	b := ts.deskBrowser()
	scene := b.beginScan()
	ts.seen(scene)
	b.reload()
	body := map[string]any{"scene": scene, "code": ts.app("mini").Login("wanda"), "confirmed": true, "number": b.number()}
	first := ts.postJSON("mini", approvePath, body)
	second := ts.postJSON("mini", approvePath, body)
	if second.status != http.StatusOK || second.member("refresh_token") != first.member("refresh_token") {
		t.Errorf("repeat: %d %v", second.status, second.body)
	}
	body["number"] = "00"
	ts.postJSON("mini", approvePath, body).wantReason(t, http.StatusBadRequest, "repeat_differs")
}

func TestScan_UnknownUserRegistersOrBindsThenGoesOn(t *testing.T) {
	ts := newScanServer(t)
	ts.change("mini", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	b := ts.deskBrowser()
	scene := b.beginScan()
	ts.seen(scene)
	b.reload()
	required := ts.approve(scene, "nora", b.number())
	if required.status != http.StatusBadRequest || required.member("error") != "registration_required" || required.member("bind_ticket") == "" {
		t.Fatalf("%d %v", required.status, required.body)
	}
	registered := ts.bindUser("mini", map[string]any{"method": "register", "bind_ticket": required.member("bind_ticket")})
	approved := ts.approve(scene, "nora", b.number())
	if approved.status != http.StatusOK || ts.sub(approved) != ts.sub(registered) {
		t.Fatalf("%d %v", approved.status, approved.body)
	}
	b.reload()
	b.wantAt(t, "/account", http.StatusOK, "WeChat")
}

func TestScan_WeChatErrorsHaveTexts(t *testing.T) {
	ts := newScanServer(t)
	stored := ts.watch(storage.KindScan, "Insert")
	press := func(language string) *formBrowser {
		b := ts.deskBrowser()
		b.get(ts.url + "/login?ui_locales=" + language)
		b.press("scan-form", "scan")
		return b
	}
	for _, tt := range []struct {
		name             string
		errcode          int
		status           int
		english, chinese string
	}{
		{"daily quota", 45009, http.StatusTooManyRequests, "WeChat creates no more codes", "微信目前不再生成"},
		{"minute quota", 45011, http.StatusTooManyRequests, "WeChat creates no more codes", "微信目前不再生成"},
		{"page that is not released", 41030, http.StatusInternalServerError, "not released yet", "尚未发布"},
		{"wrong AppSecret", 40125, http.StatusInternalServerError, "not set up correctly", "设置有误"},
		{"busy", -1, http.StatusServiceUnavailable, "cannot be reached", "无法连接微信"},
	} {
		for language, text := range map[string]string{"en": tt.english, "zh-CN": tt.chinese} {
			ts.app("mini").Fail(wechattest.MiniProgramCode, wechattest.Fault{Errcode: tt.errcode, Times: 2})
			press(language).wantAt(t, "/login/scan", tt.status, text)
			ts.app("mini").Heal()
		}
	}
	select {
	case <-stored:
		t.Error("a sign-in was stored without a picture")
	default:
	}
}

func TestScan_IsLimitedByAddress(t *testing.T) {
	ts := newScanServer(t)
	b := ts.deskBrowser()
	b.get(ts.url + "/login")
	login := b.page
	for range 60 {
		b.page = login
		if b.press("scan-form", "scan"); b.page.status != http.StatusOK {
			t.Fatalf("%d %s", b.page.status, b.page.body)
		}
	}
	b.page = login
	b.press("scan-form", "scan")
	b.wantAt(t, "/login/scan", http.StatusTooManyRequests, "Too many codes")
}

func TestScan_CountriesDecideSecondConfirmation(t *testing.T) {
	ts := newScanServer(t, func(c *server.Config) {
		c.TrustedProxies, c.CountryHeader = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "CF-IPCountry"
	})
	for _, tt := range []struct {
		browser, phone, place string
		differs               bool
	}{
		{"CN", "CN", "CN", false}, {"cn", "CN", "CN", false}, {"CN", "US", "CN", true}, {"CN", "", "CN", true}, {"", "CN", "", true}, {"XX", "XX", "", true}, {"T1", "T1", "", true},
	} {
		b := ts.deskBrowser()
		b.header = http.Header{"Cf-Ipcountry": {tt.browser}}
		scene := b.beginScan()
		seen := ts.seen(scene, "country", tt.phone)
		if seen.body["differs"] != tt.differs || seen.member("place") != tt.place {
			t.Errorf("%+v: %v", tt, seen.body)
		}
	}
}

func TestScan_OrdinaryQRCodeWhereRuleIsSet(t *testing.T) {
	ts := newScanServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.ScanLinkRule = true })
	b := ts.deskBrowser()
	b.get(ts.url + "/login")
	b.press("scan-form", "scan")
	if !strings.Contains(b.page.body, `<svg class="picture" id="picture"`) {
		t.Fatalf("no QR code: %d %s", b.page.status, b.page.body)
	}
	for _, request := range ts.sim.Requests() {
		if request.API == wechattest.MiniProgramCode {
			t.Error("WeChat drew a picture")
		}
	}
	if _, err := ts.sim.ReadPicture(drawSVG(t, b.page.body)); err == nil {
		t.Error("the code opens a mini-program without the rule of WeChat")
	}
	check(t, ts.app("mini").AddLinkRule(ts.url+"/scan/", "pages/scan"))
	opened := must(ts.sim.ReadPicture(drawSVG(t, b.page.body)))(t)
	if seen := ts.seen(path.Base(opened.Link)); seen.status != http.StatusOK || opened.Page != "pages/scan" {
		t.Errorf("%+v: %d %v", opened, seen.status, seen.body)
	}
	for agent, text := range map[string]string{agentOfPhone: "scan this code with WeChat", agentInside: "its operator has not set that up"} {
		landing := ts.browserOf(agent)
		landing.get(ts.url + "/scan/AAAAAAAAAAAAAAAAAAAAAA")
		landing.wantAt(t, "/scan/AAAAAAAAAAAAAAAAAAAAAA", http.StatusOK, text)
	}
}

// drawSVG draws the QR code of a page as a screen does.
func drawSVG(t *testing.T, page string) []byte {
	t.Helper()
	size := regexp.MustCompile(`id="picture" viewBox="0 0 ([0-9]+) `).FindStringSubmatch(page)
	if size == nil {
		t.Fatalf("no QR code in %s", page)
	}
	const square = 4
	side := must(strconv.Atoi(size[1]))(t) * square
	picture := image.NewGray(image.Rect(0, 0, side, side))
	draw.Draw(picture, picture.Bounds(), image.White, image.Point{}, draw.Src)
	for _, run := range regexp.MustCompile(`M([0-9]+) ([0-9]+)h([0-9]+)v1`).FindAllStringSubmatch(page, -1) {
		x, y, wide := must(strconv.Atoi(run[1]))(t)*square, must(strconv.Atoi(run[2]))(t)*square, must(strconv.Atoi(run[3]))(t)*square
		draw.Draw(picture, image.Rect(x, y, x+wide, y+square), image.Black, image.Point{}, draw.Src)
	}
	var encoded bytes.Buffer
	check(t, png.Encode(&encoded, picture))
	return encoded.Bytes()
}

func TestScan_NotifiesUserAndNamesOperator(t *testing.T) {
	ts := newScanServer(t)
	sub := ts.sub(ts.login("mini", "wanda"))
	must(ts.identities.SetEmail(ts.Context(), "default", sub, "wanda@example.com", identity.System))(t)
	ts.editDirectory(func(d *storage.Directory) { d.Branding.SupportURL = "https://help.example.com/" })
	b := ts.deskBrowser()
	scene := b.beginScan()
	ts.seen(scene)
	b.reload()
	ts.approve(scene, "wanda", b.number())
	if n := len(ts.mailTo("wanda@example.com")); n != 0 {
		t.Errorf("%d mails before the browser is signed in", n)
	}
	b.reload()
	sent := ts.mailTo("wanda@example.com")
	if len(sent) != 1 || !strings.Contains(sent[0].Text, "Firefox, Linux") || !strings.Contains(sent[0].Text, "operator of Default at once (https://help.example.com/)") {
		t.Errorf("%+v", sent)
	}
}

func TestScan_IsNoRecentSignInForChanges(t *testing.T) {
	ts := newScanServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.Policy.TwoFactor = storage.TwoFactorOptional })
	b := ts.deskBrowser()
	scene := b.beginScan()
	ts.seen(scene)
	b.reload()
	ts.approve(scene, "wanda", b.number())
	b.reload()
	if b.get(ts.url + "/account/totp/new"); b.page.status != http.StatusForbidden {
		t.Errorf("an authenticator app: %d", b.page.status)
	}
}

func TestScan_Budget(t *testing.T) {
	ts := newScanServer(t)
	ts.login("mini", "wanda")
	warm := ts.deskBrowser()
	ts.seen(warm.beginScan())
	b := ts.deskBrowser()
	b.get(ts.url + "/login")
	counts := func(do func()) (reads, writes int) {
		var mu sync.Mutex
		ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
			mu.Lock()
			defer mu.Unlock()
			if slices.Contains([]string{"Insert", "Replace", "Delete"}, o.Method) {
				writes++
			} else {
				reads++
			}
			return nil
		}
		defer func() { ts.engine.Before = nil }()
		do()
		return reads, writes
	}
	want := func(what string, reads, writes int, do func()) {
		t.Helper()
		if r, w := counts(do); r != reads || w != writes {
			t.Errorf("%s: %d reads and %d writes, want %d and %d", what, r, w, reads, writes)
		}
	}
	var scene string
	action, form := b.readForm("scan-form", "scan")
	var location string
	want("begin", 0, 1, func() { location = b.postOnce(action, form) })
	b.get(location)
	scene = b.readScene()
	want("seen", 1, 1, func() { ts.seen(scene) })
	b.reload()
	number := b.number()
	// A login of a known user has 3 reads and 1 write.
	want("approve", 3+1, 1+1, func() { ts.approve(scene, "wanda", number) })
}

func TestScan_StreamSendsChange(t *testing.T) {
	for name, single := range map[string]bool{"one process": true, "several processes": false} {
		t.Run(name, func(t *testing.T) {
			ts := newScanServer(t, func(c *server.Config) { c.SingleProcess = single })
			b := ts.deskBrowser()
			scene := b.beginScan()
			older, newer := b.openStream(t), b.openStream(t)
			if event := older.event(); event != "replaced" {
				t.Errorf("the older stream: %q", event)
			}
			ts.seen(scene)
			if event := newer.event(); event != "change" {
				t.Errorf("after seen: %q", event)
			}
			if event := b.openStream(t).event(); event != "change" {
				t.Errorf("for a page that is older than the sign-in: %q", event)
			}
			other := ts.deskBrowser()
			other.page = b.page
			if got := other.get(b.streamURL()); got.status != http.StatusNotFound {
				t.Errorf("the stream of another browser: %d", got.status)
			}
			b.reload()
			ending := b.openStream(t)
			ts.server.EndStreams()
			if event := ending.event(); event != "replaced" {
				t.Errorf("at the end of the process: %q", event)
			}
		})
	}
}

func TestScan_StreamReadsNothingInOneProcess(t *testing.T) {
	ts := newScanServer(t, func(c *server.Config) { c.SingleProcess = true })
	b := ts.deskBrowser()
	scene := b.beginScan()
	var mu sync.Mutex
	var operations []string
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		mu.Lock()
		defer mu.Unlock()
		operations = append(operations, o.Method+" "+string(o.Kind))
		return nil
	}
	stream := b.openStream(t)
	mu.Lock()
	if len(operations) != 0 {
		t.Errorf("%v", operations)
	}
	mu.Unlock()
	ts.seen(scene)
	if event := stream.event(); event != "change" {
		t.Errorf("%q", event)
	}
}

// scanStream is an open stream of server-sent events.
type scanStream struct {
	*testing.T
	lines *bufio.Scanner
}

func (b *formBrowser) streamURL() string {
	b.Helper()
	found := regexp.MustCompile(`data-events="([^"]*)"`).FindStringSubmatch(b.page.body)
	if found == nil {
		b.Fatalf("no stream at %s", b.page.url)
	}
	return must(must(url.Parse(b.page.url))(b.T).Parse(strings.ReplaceAll(found[1], "&amp;", "&")))(b.T).String()
}

// openStream opens the stream of the page, and waits until it is open.
func (b *formBrowser) openStream(t *testing.T) *scanStream {
	t.Helper()
	request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, b.streamURL(), nil))(t)
	for name, value := range b.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	got := must((&http.Client{Transport: b.transport}).Do(request))(t)
	t.Cleanup(func() { _ = got.Body.Close() })
	if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream: %d %s", got.StatusCode, got.Header)
	}
	stream := &scanStream{t, bufio.NewScanner(got.Body)}
	if !stream.lines.Scan() || !strings.HasPrefix(stream.lines.Text(), "retry: ") {
		t.Fatalf("stream begins with %q", stream.lines.Text())
	}
	return stream
}

// event returns the next event; empty at the end.
func (s *scanStream) event() string {
	for s.lines.Scan() {
		if event, found := strings.CutPrefix(s.lines.Text(), "event: "); found {
			return event
		}
	}
	return ""
}

// postOnce posts a form and returns the address of the redirect.
func (b *formBrowser) postOnce(address string, form url.Values) string {
	b.Helper()
	request := must(http.NewRequestWithContext(b.Context(), http.MethodPost, address, strings.NewReader(form.Encode())))(b.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range b.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	got := b.send(request)
	return must(request.URL.Parse(got.header.Get("Location")))(b.T).String()
}

func TestLink_SignsInByDigits(t *testing.T) {
	ts := newScanServer(t)
	known := ts.sub(ts.login("mini", "wanda"))
	begin := func() (*formBrowser, string) {
		b := ts.phoneBrowser()
		b.get(ts.url + "/login")
		b.press("link-form", "link")
		found := regexp.MustCompile(`id="open" href="([^"]*)"`).FindStringSubmatch(b.page.body)
		if found == nil {
			t.Fatalf("no link: %d %s", b.page.status, b.page.body)
		}
		opened := must(ts.sim.OpenLink(found[1]))(t)
		if opened.Page != "pages/scan" {
			t.Errorf("%+v", opened)
		}
		if seen := ts.seen(opened.Scene); seen.member("method") != "link" || seen.member("system") != "Android" {
			t.Errorf("%v", seen.body)
		}
		return b, opened.Scene
	}
	t.Run("right digits", func(t *testing.T) {
		b, scene := begin()
		b.press("digits-form", "sign-in", "digits", "123456")
		b.wantAt(t, "/login/link", http.StatusBadRequest, "not confirmed in WeChat yet")
		approved := ts.approve(scene, "wanda", "")
		digits, _ := approved.object("scan")["digits"].(string)
		if approved.status != http.StatusOK || len(digits) != 6 || approved.object("scan")["expires_in"] != 120.0 {
			t.Fatalf("%d %v", approved.status, approved.body)
		}
		if b.reload(); !strings.Contains(b.page.body, "digits-form") {
			t.Fatalf("approval alone leads to %s", b.page.url)
		}
		stream := b.openStream(t)
		b.press("digits-form", "sign-in", "digits", digits[:3]+" "+digits[3:])
		b.wantAt(t, "/account", http.StatusOK, "WeChat")
		if event := stream.event(); event != "replaced" { // A reload would cancel the request with the digits.
			t.Errorf("the page that sent the digits gets %q", event)
		}
		if session := b.storedSession(); session.User != known || !session.BackendInitiated || session.AMR[0] != "wechat_link" {
			t.Errorf("%+v", session)
		}
	})
	t.Run("five wrong digits", func(t *testing.T) {
		b, scene := begin()
		digits, _ := ts.approve(scene, "wanda", "").object("scan")["digits"].(string)
		wrong := "000000"
		if digits == wrong {
			wrong = "111111"
		}
		for range 4 {
			b.press("digits-form", "sign-in", "digits", wrong)
			b.wantAt(t, "/login/link", http.StatusBadRequest, "digits are wrong")
		}
		again := b.page
		b.press("digits-form", "sign-in", "digits", wrong)
		b.wantAt(t, "/login/link", http.StatusBadRequest, "wrong too often")
		b.page = again
		b.press("digits-form", "sign-in", "digits", digits)
		b.wantAt(t, "/login/link", http.StatusBadRequest, "wrong too often")
	})
	t.Run("too late", func(t *testing.T) {
		b, scene := begin()
		digits, _ := ts.approve(scene, "wanda", "").object("scan")["digits"].(string)
		ts.clock.Advance(121 * time.Second)
		b.press("digits-form", "sign-in", "digits", digits)
		b.wantAt(t, "/login/link", http.StatusBadRequest, "no longer valid")
	})
	t.Run("another browser", func(t *testing.T) {
		b, scene := begin()
		digits, _ := ts.approve(scene, "wanda", "").object("scan")["digits"].(string)
		other := ts.phoneBrowser()
		other.get(ts.url + "/login")
		other.press("link-form", "link")
		_, form := other.readForm("digits-form", "sign-in")
		form.Set("digits", digits)
		other.post(b.page.url, form, true)
		other.wantAt(t, "/login/link", http.StatusBadRequest, "another browser")
	})
}

func TestLink_IsHiddenWhereItDoesNotWork(t *testing.T) {
	ts := newScanServer(t)
	shows := func(agent, id string) bool {
		b := ts.browserOf(agent)
		b.get(ts.url + "/login")
		return strings.Contains(b.page.body, `id="`+id+`"`)
	}
	for agent, want := range map[string][2]bool{agentOfDesk: {true, false}, agentOfPhone: {true, true}, agentInside: {false, false}} {
		if scan, link := shows(agent, "scan"), shows(agent, "link"); scan != want[0] || link != want[1] {
			t.Errorf("%s: scan %v, link %v", agent, scan, link)
		}
	}
	ts.app("mini").Fail(wechattest.URLLink, wechattest.Fault{Errcode: 85407})
	b := ts.phoneBrowser()
	b.get(ts.url + "/login")
	b.press("link-form", "link")
	b.wantAt(t, "/login/link", http.StatusInternalServerError, "not set up correctly")
	if shows(agentOfPhone, "link") {
		t.Error("the link is shown after WeChat said that the mini-program cannot have links")
	}
	ts.clock.Advance(11 * time.Minute)
	if !shows(agentOfPhone, "link") {
		t.Error("the link is hidden for longer than ten minutes")
	}
}

// TestScan_RejectsWhatLoginRejects compares the endpoints with profile, and receives every response that openapi.json describes.
func TestScan_RejectsWhatLoginRejects(t *testing.T) {
	ts := newScanServer(t)
	ts.addMiniProgram("limited", func(c *storage.Client) { c.GrantTypes, c.StartsSessions = []string{"refresh_token"}, true })
	b := ts.deskBrowser()
	scene := b.beginScan()
	ts.seen(scene)
	b.reload()
	for _, tt := range []struct {
		name    string
		client  string
		further []string
		status  int
		error   string
	}{
		{"a scope", "mini", []string{"scope", "admin"}, 400, "invalid_scope"},
		{"an audience", "mini", []string{"audience", "https://other.example"}, 400, "invalid_target"},
		{"the grant", "limited", nil, 400, "unauthorized_client"},
		{"no code", "mini", []string{"code", ""}, 400, "invalid_request"},
		{"an unknown code", "mini", []string{"code", "unknown"}, 400, "invalid_request"},
	} {
		body := scanBody(scene, append([]string{"code", ts.app(tt.client).Login("wanda"), "number", b.number()}, tt.further...))
		body["confirmed"] = true
		if got := ts.postJSON(tt.client, approvePath, body); got.status != tt.status || got.member("error") != tt.error {
			t.Errorf("%s: %d %v", tt.name, got.status, got.body)
		}
	}
	for _, path := range []string{seenPath, approvePath, denyPath} {
		if got := ts.send(path, "scene=x&code=x"); got.status != http.StatusBadRequest || got.member("error") != "invalid_client" {
			t.Errorf("%s without a secret: %d %v", path, got.status, got.body)
		}
		if got := ts.send(path, "scene=x&code=x", "Authorization", "Basic bWluaTp3cm9uZw=="); got.status != http.StatusUnauthorized {
			t.Errorf("%s with a wrong secret: %d %v", path, got.status, got.body)
		}
		if path != approvePath {
			ts.postJSON("mini", path, scanBody("x", nil)).wantReason(t, http.StatusBadRequest, "scene_unknown")
			if got := ts.postJSON("mini", path, map[string]any{}); got.status != http.StatusBadRequest || got.member("error") != "invalid_request" {
				t.Errorf("%s without a scene: %d %v", path, got.status, got.body)
			}
		}
	}
	ts.approve("x", "wanda", "42").wantReason(t, http.StatusBadRequest, "scene_unknown")
	ts.app("mini").Block("wanda", true)
	ts.approve(scene, "wanda", b.number()).wantReason(t, http.StatusForbidden, "blocked")

	scene = b.beginScan()
	ts.seen(scene)
	b.reload()
	ts.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 40125})
	ts.approve(scene, "dave", b.number()).wantReason(t, http.StatusInternalServerError, "misconfigured")
	if got := ts.approve(scene, "dave", b.number(), "phone_code", "unknown"); got.status != http.StatusOK || got.member("phone_error") != "new_phone_code" {
		t.Errorf("an unknown phone_code: %d %v", got.status, got.body)
	}

	scene = b.beginScan()
	ts.clock.Advance(121 * time.Second)
	ts.seen(scene).wantReason(t, http.StatusBadRequest, "scene_expired")
	ts.change("mini", func(c *storage.Client) { c.StartsSessions = false })
	ts.postJSON("mini", denyPath, scanBody(scene, nil)).wantReason(t, http.StatusBadRequest, "starts_no_sessions")
}

func TestScan_TwoInstances(t *testing.T) {
	ts := newScanServer(t)
	known := ts.sub(ts.login("mini", "wanda"))
	b := ts.deskBrowser()
	scene := b.beginScan()
	second := ts.secondInstance()
	check(t, statusError(second.seen(scene)))
	b.reload()
	approved := second.approve(scene, "wanda", b.number())
	if approved.status != http.StatusOK {
		t.Fatalf("%d %v", approved.status, approved.body)
	}
	b.reload()
	if session := b.storedSession(); session.User != known {
		t.Errorf("session of %s", session.User)
	}
}
