package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// weChatAgent is the User-Agent of WeChat's own browser.
const weChatAgent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50 Language/zh_CN"

// webServer is a page test server whose directory has a website app and an official account, bound to the Open Platform account of
// the mini-program "mini".
type webServer struct {
	*pageTestServer
	website, account *wechattest.App
}

func newWebServer(t *testing.T) *webServer {
	t.Helper()
	return newWebServerOn(t, newPageTestServer(t))
}

func newWebServerOn(t *testing.T, pages *pageTestServer) *webServer {
	t.Helper()
	ts := &webServer{pageTestServer: pages}
	ts.website = ts.addConnection("default", storage.ConnectionWebsite, func(*storage.Connection) {})
	ts.account = ts.addConnection("default", storage.ConnectionOfficialAccount, func(*storage.Connection) {})
	ts.app("mini").BindOpenPlatform("shop")
	ts.change("mini", func(c *storage.Client) { c.Federation.OpenPlatform = "shop" })
	ts.editDirectory(func(d *storage.Directory) {
		d.SignInMethods = []string{storage.SignInWebsite, storage.SignInOfficialAccount, storage.SignInPassword}
	})
	return ts
}

// addConnection creates a connection and its app at the simulator.
func (ts *testServer) addConnection(directory string, kind storage.ConnectionKind, edit func(*storage.Connection)) *wechattest.App {
	ts.Helper()
	kinds := map[storage.ConnectionKind]wechattest.Kind{
		storage.ConnectionWebsite: wechattest.Website, storage.ConnectionOfficialAccount: wechattest.OfficialAccount, storage.ConnectionNativeApp: wechattest.MobileApp,
	}
	id := wechat.AppID("wxsim" + strings.ReplaceAll(directory+string(kind), "-", ""))
	app := must(ts.sim.AddApp(wechat.App{ID: id}))(ts.T)
	app.SetKind(kinds[kind], "127.0.0.1")
	app.BindOpenPlatform("shop")
	connection := storage.Connection{Directory: directory, AppID: string(id), Kind: kind, OpenPlatform: "shop", CreatedAt: ts.clock.Now()}
	edit(&connection)
	connection.AppSecret = must(ts.master.Seal([]byte(app.Credential().Secret), keys.ConnectionSecretBinding(directory, string(id))))(ts.T)
	must(storage.Insert(ts.Context(), ts.engine, connection))(ts.T)
	ts.clock.Advance(6 * time.Second)
	return app
}

// beginWeb opens the login page and presses the button of a method. It returns the address at WeChat.
func (b *formBrowser) beginWeb(method string) string {
	b.Helper()
	if !strings.Contains(b.page.body, `action="`) {
		b.Fatalf("no form at %s\n%s", b.page.url, b.page.body)
	}
	for _, form := range findElements(b.document(), func(n *html.Node) bool { return n.Data == "form" }) {
		action := must(must(url.Parse(b.page.url))(b.T).Parse(attribute(form, "action")))(b.T)
		if !strings.HasSuffix(action.Path, "/login/"+method) {
			continue
		}
		values := url.Values{}
		for _, input := range findElements(form, func(n *html.Node) bool { return n.Data == "input" }) {
			values.Add(attribute(input, "name"), attribute(input, "value"))
		}
		b.post(action.String(), values, true)
		if b.page.callback == "" {
			b.Fatalf("the button of %s leads to %d %s\n%s", method, b.page.status, b.page.url, b.page.body)
		}
		return strings.Replace(b.page.callback, "https://open.weixin.qq.com", "", 1)
	}
	b.Fatalf("no button of %s at %s\n%s", method, b.page.url, b.page.body)
	return ""
}

// signInAtWeChat begins at the login page and approves at WeChat. It returns the address of the callback.
func (b *formBrowser) signInAtWeChat(method, user string) string {
	b.Helper()
	b.get(b.pageServer.url + "/login")
	return must(b.sim.Approve(b.beginWeb(method), user))(b.T)
}

func TestWeChatWeb_SameSubjectAsMiniProgram(t *testing.T) {
	ts := newWebServer(t)
	ts.sim.SetPerson("alice", wechattest.Person{Nickname: "Al\u0007ice", Picture: "http://thirdwx.qlogo.cn/mmopen/alice/132"})
	sub := ts.sub(ts.login("mini", "alice"))
	for method, agent := range map[string]string{"website": "", "official-account": weChatAgent} {
		b := ts.newFormBrowser()
		b.agent = agent
		b.openAuthorize("scope", "openid")
		address := b.beginWeb(method)
		b.get(must(ts.sim.Approve(address, "alice"))(t))
		if strings.Contains(b.page.body, `id="consent-form"`) {
			b.press("consent-form", "allow")
		}
		tokens := ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)
		id := claims(t, tokens.member("id_token"))
		if id["sub"] != sub || id["acr"] != "1" || !strings.Contains(strings.Join(texts(id["amr"]), " "), "wechat_"+strings.ReplaceAll(method, "-", "_")) {
			t.Errorf("%s: ID token %v, want sub %s", method, id, sub)
		}
	}
	if users := list[storage.User](ts.testServer); len(users) != 1 {
		t.Errorf("there are %d users", len(users))
	}
	for _, session := range list[storage.Session](ts.testServer) {
		if session.BackendInitiated {
			t.Error("a sign-in at WeChat counts as one that a backend started")
		}
	}
}

// texts returns the texts of a list in JSON.
func texts(list any) []string {
	var all []string
	values, _ := list.([]any)
	for _, value := range values {
		text, _ := value.(string)
		all = append(all, text)
	}
	return all
}

func TestWeChatWeb_NewUserHasProfile(t *testing.T) {
	ts := newWebServer(t)
	ts.sim.SetPerson("alice", wechattest.Person{Nickname: " Al\u0007ice\n王", Picture: "http://thirdwx.qlogo.cn/mmopen/alice/132"})
	b := ts.newFormBrowser()
	b.get(b.signInAtWeChat("website", "alice"))
	b.wantAt(t, "/account", http.StatusOK, "Al ice")
	user := list[storage.User](ts.testServer)[0]
	if user.Profile.Nickname != "Al ice 王" || user.Profile.Picture != "https://thirdwx.qlogo.cn/mmopen/alice/132" {
		t.Errorf("profile %+v", user.Profile)
	}
	if ts.sub(ts.login("mini", "alice")) != user.ID {
		t.Error("the mini-program has another user")
	}
	ts.sim.SetPerson("alice", wechattest.Person{Nickname: "Other"})
	other := ts.newFormBrowser()
	other.get(other.signInAtWeChat("website", "alice"))
	if again := ts.storedUser(user.ID); again.Profile != user.Profile {
		t.Errorf("a later sign-in changes the profile to %+v", again.Profile)
	}
}

func TestWeChatWeb_ButtonsFollowBrowserAndConnections(t *testing.T) {
	ts := newWebServer(t)
	buttons := func(agent string) string {
		b := ts.newFormBrowser()
		b.agent = agent
		b.get(ts.url + "/login")
		var shown []string
		for _, method := range []string{"website", "official-account"} {
			if strings.Contains(b.page.body, `action="/login/`+method+`"`) {
				shown = append(shown, method)
			}
		}
		return strings.Join(shown, " ")
	}
	for agent, want := range map[string]string{
		"Mozilla/5.0": "website", weChatAgent: "official-account", weChatAgent + " wxwork/4.1": "website",
	} {
		if got := buttons(agent); got != want {
			t.Errorf("%s sees %q, want %q", agent, got, want)
		}
	}
	editRecord(ts.testServer, storage.Key("default", "wxsimdefaultwebsite"), func(c *storage.Connection) { c.Disabled = true })
	ts.clock.Advance(6 * time.Second)
	if got := buttons("Mozilla/5.0"); got != "" {
		t.Errorf("a disabled connection has a button: %q", got)
	}
	b := ts.newFormBrowser()
	b.get(ts.url + "/login/website")
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
	ts.editDirectory(func(d *storage.Directory) { d.SignInMethods = []string{storage.SignInPassword} })
	if b.get(ts.url + "/login/website"); b.page.status != http.StatusNotFound {
		t.Errorf("a method that is not listed: %d", b.page.status)
	}
}

// WeChat's browser may call the callback twice, even at once, and drop the first response.
func TestWeChatWeb_RepeatedCallbackSignsInOnce(t *testing.T) {
	ts := newWebServer(t)
	other := ts.secondInstance()
	b := ts.newFormBrowser()
	callback := b.signInAtWeChat("website", "alice")
	code := must(url.Parse(callback))(t).Query().Get("code")

	gate := wechattest.NewGate()
	ts.website.Fail(wechattest.WebAccessToken, wechattest.Fault{Gate: gate})
	var wait sync.WaitGroup
	pages := make([]*page, 4)
	for i := range pages {
		at := ts.testServer
		if i%2 == 1 {
			at = other
		}
		twin := at.newBrowser()
		for name, value := range b.cookies {
			twin.cookies[name] = value
		}
		wait.Go(func() { pages[i] = twin.get(strings.Replace(callback, ts.url, at.url, 1)) })
	}
	<-gate.Arrived()
	gate.Open()
	wait.Wait()
	for i, shown := range pages {
		if shown.status != http.StatusOK || !strings.HasSuffix(shown.url, "/account") {
			t.Errorf("response %d leads to %d %s\n%s", i, shown.status, shown.url, shown.body)
		}
	}
	if sent := ts.sim.TimesSent(code); sent != 1 {
		t.Errorf("the code was sent %d times", sent)
	}
	if users := list[storage.User](ts.testServer); len(users) != 1 {
		t.Errorf("there are %d users", len(users))
	}
	ts.clock.Advance(61 * time.Second)
	late := ts.newFormBrowser()
	for name, value := range b.cookies {
		late.cookies[name] = value
	}
	late.get(callback)
	late.wantAt(t, "/federation/wechat/callback", http.StatusBadRequest, "no longer valid")
}

func TestWeChatWeb_CallbackIsOfItsBrowserAndDirectory(t *testing.T) {
	ts := newWebServer(t)
	ts.addDirectory(teaDirectory())
	ts.addConnection("tea", storage.ConnectionWebsite, func(*storage.Connection) {})
	b := ts.newFormBrowser()
	callback := b.signInAtWeChat("website", "alice")
	query := must(url.Parse(callback))(t).Query()
	code, state := query.Get("code"), query.Get("state")
	if len(state) != 22 || strings.Trim(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
		t.Errorf("state %q", state)
	}
	for name, test := range map[string]struct{ address, text string }{
		"another browser":   {callback, "another browser"},
		"unknown state":     {ts.url + "/federation/wechat/callback?code=" + code + "&state=" + strings.Repeat("a", 22), "took too long"},
		"no state":          {ts.url + "/federation/wechat/callback?code=" + code, "took too long"},
		"another directory": {ts.url + "/d/tea/federation/wechat/callback?code=" + code + "&state=" + state, "took too long"},
	} {
		attacker := ts.newFormBrowser()
		attacker.get(ts.url + "/login")
		attacker.get(test.address)
		if attacker.page.status != http.StatusBadRequest || !strings.Contains(textOf(attacker.document()), test.text) {
			t.Errorf("%s: %d %s", name, attacker.page.status, attacker.page.body)
		}
	}
	// The state of a victim's browser with the code of an attacker has no effect after the first code.
	b.get(callback)
	b.wantAt(t, "/account", http.StatusOK, "alice")
	planted := must(ts.sim.Approve("/connect/qrconnect?appid=wxsimdefaultwebsite&redirect_uri="+url.QueryEscape(ts.url+"/federation/wechat/callback")+"&response_type=code&scope=snsapi_login&state="+state, "mallory"))(t)
	b.get(planted)
	b.wantAt(t, "/federation/wechat/callback", http.StatusBadRequest, "no longer valid")
	if sent := ts.sim.TimesSent(must(url.Parse(planted))(t).Query().Get("code")); sent != 0 {
		t.Error("the second code of a state is exchanged")
	}
	// A code of another app.
	c := ts.newFormBrowser()
	c.get(ts.url + "/login")
	state = must(url.Parse(c.beginWeb("website")))(t).Query().Get("state")
	c.get(ts.url + "/federation/wechat/callback?state=" + state + "&code=" + ts.account.SendAuth("mallory"))
	c.wantAt(t, "/federation/wechat/callback", http.StatusBadRequest, "no longer valid")
	if users := list[storage.User](ts.testServer); len(users) != 1 {
		t.Errorf("there are %d users", len(users))
	}
}

func TestWeChatWeb_FailuresHaveTexts(t *testing.T) {
	ts := newWebServer(t)
	ts.sub(ts.login("mini", "disabled"))
	check(t, ts.identities.Disable(t.Context(), "default", list[storage.User](ts.testServer)[0].ID, "operator"))
	ts.account.Snapshot("ghost", true)
	ts.website.Block("blocked", true)
	tests := map[string]struct {
		user   string
		fault  *wechattest.Fault
		status int
		text   string
		reason string
	}{
		"disabled":      {"disabled", nil, http.StatusForbidden, "disabled", "user_disabled"},
		"blocked":       {"blocked", nil, http.StatusForbidden, "WeChat blocks", "blocked"},
		"busy":          {"bob", &wechattest.Fault{Errcode: -1, Times: 2}, http.StatusServiceUnavailable, "cannot be reached", "retry"},
		"rate":          {"bob", &wechattest.Fault{Errcode: 45011}, http.StatusTooManyRequests, "too many sign-ins", "rate_limited"},
		"misconfigured": {"bob", &wechattest.Fault{Errcode: 40125}, http.StatusInternalServerError, "rejects the settings", "misconfigured"},
		"lost":          {"bob", &wechattest.Fault{Spend: true, Drop: wechattest.FIN}, http.StatusBadRequest, "no longer valid", "wechat_code"},
		"expired":       {"bob", &wechattest.Fault{Errcode: 42003}, http.StatusBadRequest, "no longer valid", "wechat_code"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := ts.newFormBrowser()
			callback := b.signInAtWeChat("website", tt.user)
			if tt.fault != nil {
				ts.website.Fail(wechattest.WebAccessToken, *tt.fault)
			}
			b.get(callback)
			b.wantAt(t, "/federation/wechat/callback", tt.status, tt.text)
			if !strings.Contains(ts.log.String(), `"reason":"`+tt.reason+`"`) {
				t.Errorf("the log has no reason %s", tt.reason)
			}
			first := b.page.body
			b.get(callback)
			switch {
			case tt.status == http.StatusServiceUnavailable || tt.status == http.StatusTooManyRequests || tt.reason == "misconfigured":
				b.wantAt(t, "/account", http.StatusOK, "bob") // A reload tries again.
			case !strings.Contains(first, "disabled") && b.page.status != tt.status:
				t.Errorf("the repeat is %d", b.page.status)
			}
		})
	}
}

func TestWeChatWeb_SnapshotAndDeclinedUsersStayOut(t *testing.T) {
	ts := newWebServer(t)
	ts.account.Snapshot("ghost", true)
	b := ts.newFormBrowser()
	b.agent = weChatAgent
	b.get(b.signInAtWeChat("official-account", "ghost"))
	b.wantAt(t, "/federation/wechat/callback", http.StatusBadRequest, "preview")
	for name, oddities := range map[string]wechattest.Oddities{"state alone": {RedirectDeclined: true}, "authdeny": {DenyCode: true}} {
		ts.account.SetOddities(oddities)
		b.get(ts.url + "/login")
		b.get(must(ts.sim.Decline(b.beginWeb("official-account")))(t))
		if b.page.status != http.StatusBadRequest || !strings.Contains(b.page.body, "You declined") {
			t.Errorf("%s: %d %s", name, b.page.status, b.page.body)
		}
	}
	if users := list[storage.User](ts.testServer); len(users) != 0 {
		t.Errorf("there are %d users", len(users))
	}
}

// Without a UnionID the same person is two users; with one that appears later, the OpenID's user signs in and a candidate is recorded.
func TestWeChatWeb_LateUnionIDSuggestsMerge(t *testing.T) {
	ts := newWebServer(t)
	mini := ts.sub(ts.login("mini", "alice"))
	ts.website.BindOpenPlatform("")
	first := ts.newFormBrowser()
	first.get(first.signInAtWeChat("website", "alice"))
	if users := list[storage.User](ts.testServer); len(users) != 2 {
		t.Fatalf("there are %d users", len(users))
	}
	if !strings.Contains(ts.log.String(), "returns no UnionID for a new user") {
		t.Error("the log does not say why")
	}
	ts.website.BindOpenPlatform("shop")
	second := ts.newFormBrowser()
	second.get(second.signInAtWeChat("website", "alice"))
	candidates := list[storage.MergeCandidate](ts.testServer)
	if len(candidates) != 1 {
		t.Fatalf("there are %d candidates", len(candidates))
	}
	for _, session := range list[storage.Session](ts.testServer) {
		if session.User == mini {
			t.Error("the OpenID's user did not sign in")
		}
	}
}

// While the profile, and so the UnionID, cannot be read, no second user is created.
func TestWeChatWeb_UnreadableUnionIDCreatesNoUser(t *testing.T) {
	ts := newWebServer(t)
	ts.website.BindOpenPlatform("")
	ts.website.Fail(wechattest.WebUserInfo, wechattest.Fault{Status: http.StatusBadGateway})
	b := ts.newFormBrowser()
	b.get(b.signInAtWeChat("website", "alice"))
	b.wantAt(t, "/federation/wechat/callback", http.StatusBadRequest, "no longer valid")
	if users := list[storage.User](ts.testServer); len(users) != 0 {
		t.Errorf("there are %d users", len(users))
	}
}

func TestWeChatWeb_BindAsksUnknownUser(t *testing.T) {
	ts := newWebServer(t)
	editRecord(ts.testServer, storage.Key("default", "wxsimdefaultwebsite"), func(c *storage.Connection) { c.Provisioning = storage.ProvisionBind })
	ts.clock.Advance(6 * time.Second)
	wanda := ts.addEmailUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize("scope", "openid")
	b.get(must(ts.sim.Approve(b.beginWeb("website"), "alice"))(t))
	b.wantAt(t, "/federation/wechat/callback", http.StatusOK, "no account here is linked")
	if strings.Contains(b.page.body, `id="register-form"`) {
		t.Error("offers an account although nobody may register")
	}
	b.press("link-form", "link", "username", "wanda", "password", "wrong password")
	b.wantAt(t, "/login/wechat", http.StatusBadRequest, "is wrong")
	b.press("link-form", "link", "username", "wanda", "password", goodPassword)
	if strings.Contains(b.page.body, `id="consent-form"`) {
		b.press("consent-form", "allow")
	}
	if got := ts.sub(ts.redeem("shop", b.code(), "redirect_uri", shopRedirect)); got != wanda.ID {
		t.Errorf("signed in as %s", got)
	}
	if got := ts.sub(ts.login("mini", "alice")); got != wanda.ID {
		t.Errorf("the mini-program signs in %s", got)
	}
	later := ts.newFormBrowser()
	later.get(later.signInAtWeChat("website", "alice"))
	later.wantAt(t, "/account", http.StatusOK, "wanda")

	ts.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	c := ts.newFormBrowser()
	c.get(c.signInAtWeChat("website", "carol"))
	c.press("register-form", "register")
	c.wantAt(t, "/account", http.StatusOK, "")
	stranger := ts.newFormBrowser()
	stranger.get(ts.url + "/login")
	if got := stranger.post(ts.url+"/login/wechat", url.Values{"state": {"a"}, "choice": {"register"}}, true); got.status == http.StatusOK {
		t.Errorf("a form without a token: %d", got.status)
	}
}

// TestWeChatLogins_StayWithinStoreBudget counts the store operations of sign-ins by connections. Directories, clients, connections and
// keys come from memory.
func TestWeChatLogins_StayWithinStoreBudget(t *testing.T) {
	t.Parallel()
	ts, app := newNativeServer(t)
	begin := func(method, user string) (b *formBrowser, callback string) {
		b = ts.browserOf(map[string]string{"website": agentOfDesk, "official-account": weChatAgent}[method])
		return b, b.signInAtWeChat(method, user)
	}
	for _, method := range []string{"website", "official-account"} {
		b, callback := begin(method, "alice")
		b.get(callback) // The connection is in memory now, and the user is known.
	}
	repeated := app.SendAuth("alice")
	ts.exchangeNative("app", repeated)
	opening := func(b *formBrowser, address string) func() int {
		return func() int { return b.getOnce(address).status }
	}
	native := func(code string) func() int { return func() int { return ts.exchangeNative("app", code).status } }

	button := ts.browserOf(agentOfDesk)
	button.get(ts.url + "/login")
	site, known := begin("website", "alice")
	newcomer, first := begin("website", "bob")
	reader, inside := begin("official-account", "alice")
	follower, firstInside := begin("official-account", "carol")
	for _, row := range []struct {
		request       string
		do            func() int
		status        int
		reads, writes int
	}{
		{"website: the login page", opening(button, ts.url+"/login"), http.StatusOK, 0, 0},
		{"website: the button", func() int { return button.postForm("/login/website").status }, http.StatusOK, 0, 1},
		{"website: a known user comes back", opening(site, known), http.StatusSeeOther, 4, 3},
		{"website: the same callback again", opening(site, known), http.StatusSeeOther, 4, 1},
		{"website: a new user comes back", opening(newcomer, first), http.StatusSeeOther, 4, 6},
		{"official account: a known user comes back", opening(reader, inside), http.StatusSeeOther, 4, 3},
		{"official account: a new user comes back", opening(follower, firstInside), http.StatusSeeOther, 4, 6},
		{"mobile app: a known user", native(app.SendAuth("alice")), http.StatusOK, 3, 1},
		{"mobile app: a new user", native(app.SendAuth("dora")), http.StatusOK, 3, 4},
		{"mobile app: a repeat", native(repeated), http.StatusOK, 2, 0},
	} {
		counted := &operationCounter{}
		ts.engine.Before = counted.count
		status := row.do()
		ts.engine.Before = nil
		if status != row.status {
			t.Errorf("%s: got %d", row.request, status)
		}
		if counted.reads > row.reads || counted.writes > row.writes || counted.lists > 0 {
			t.Errorf("%s: %d reads, %d writes, %d lists; the budget is %d and %d: %v",
				row.request, counted.reads, counted.writes, counted.lists, row.reads, row.writes, counted.operations)
		}
	}
}

// getOnce opens a page without following the redirect.
func (b *formBrowser) getOnce(address string) *page {
	b.Helper()
	request := must(http.NewRequestWithContext(b.Context(), http.MethodGet, address, nil))(b.T)
	for name, value := range b.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return b.send(request)
}

// postForm sends the form of the page whose action ends so, without following the redirect.
func (b *formBrowser) postForm(path string) *page {
	b.Helper()
	forms := findElements(b.document(), func(n *html.Node) bool { return n.Data == "form" && strings.HasSuffix(attribute(n, "action"), path) })
	if len(forms) == 0 {
		b.Fatalf("no form to %s at %s", path, b.page.url)
	}
	values := url.Values{}
	for _, input := range findElements(forms[0], func(n *html.Node) bool { return n.Data == "input" }) {
		values.Add(attribute(input, "name"), attribute(input, "value"))
	}
	return b.submitOnce(must(must(url.Parse(b.page.url))(b.T).Parse(attribute(forms[0], "action")))(b.T).String(), values)
}
