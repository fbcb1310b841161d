package console_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/internal/chromiumtest"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/console"
	"github.com/minifed/minifed/storage"
)

// newFilledHarness returns a console with something on every page.
func newFilledHarness(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t)
	must(h.service.CreateDirectory(t.Context(), storage.Directory{ID: "staff", Name: "Our people", Branding: storage.Branding{AccentColor: "#07c160"}}))(t)
	must(h.service.CreateDirectory(t.Context(), storage.Directory{ID: "closed", Name: "Closed"}))(t)
	must(h.service.DisableDirectory(t.Context(), "closed"))(t)
	for _, client := range []admin.NewClient{
		{Client: storage.Client{ID: "mini", Name: "Tea to go", Kind: storage.ClientMiniapp, Federation: &storage.Federation{AppID: "wxsim1", OpenPlatform: "tea"}}, AppSecret: "s"},
		{Client: storage.Client{ID: "shop", Name: "Shop", Kind: storage.ClientWeb, RedirectURIs: []string{"https://shop.example.com/callback"}}},
		{Client: storage.Client{ID: "app", Kind: storage.ClientSPA, RedirectURIs: []string{"https://app.example.com/"}}},
		{Client: storage.Client{ID: "phone", Name: "Phone", Kind: storage.ClientNative, RedirectURIs: []string{"com.example.app:/callback"}}},
		{Client: storage.Client{ID: "robot", Name: "Robot", Kind: storage.ClientService}},
	} {
		client.Directory = "default"
		_, _, err := h.service.CreateClient(t.Context(), client)
		must(0, err)(t)
	}
	must(h.service.CreateConnection(t.Context(), admin.NewConnection{
		Connection: storage.Connection{Directory: "default", AppID: "wxsimsite", Kind: storage.ConnectionWebsite, Name: "Site"}, AppSecret: "secret",
	}))(t)
	must(h.service.CreateResource(t.Context(), storage.Resource{
		Directory: "default", Identifier: "https://api.example.com", Name: "Orders",
		Scopes: []storage.ResourceScope{{Name: "orders:read", TextEN: "Read your orders", TextZH: "读取你的订单", Default: true}, {Name: "orders:write"}},
	}))(t)
	h.addUsers()
	h.addStatistics()
	operator, _, err := h.service.CreateOperator(t.Context(), admin.NewOperator{
		Account: identity.Account{Username: "olga"}, Email: "olga@example.com", Assignments: []admin.Assignment{{Directory: storage.Everywhere, Role: admin.RoleOwner}},
	})
	h.olga = must(operator, err)(t).User.ID
	client, _, err := h.service.CreateServiceClient(t.Context(), admin.NewServiceClient{
		ID: "pipeline", Name: "Pipeline", Assignments: []admin.Assignment{{Directory: "default", Role: admin.RoleAdmin}}, ExpiresAt: h.now().AddDate(1, 0, 0),
	})
	must(client, err)(t)
	token, _, err := h.service.CreateInitialToken(t.Context(), admin.NewInitialToken{Directory: "default", Name: "Builds", ExpiresAt: h.now().AddDate(0, 0, 7)})
	h.initialToken = must(token, err)(t).ID
	return h
}

// addUsers adds users: one with everything, one without a name, and two who look like one person.
func (h *harness) addUsers() {
	h.Helper()
	t, ctx := h.TB, h.Context()
	alice := must(h.service.CreateUser(ctx, "default", identity.Account{
		Username: "alice", Password: "correct horse battery", Profile: storage.Profile{Name: "Alice 王", Nickname: "Ali", Birthdate: "1990-02-03"},
	}))(t)
	h.alice = alice.ID
	email, phone := "alice@example.com", "+8613812345678"
	must(h.service.UpdateUser(ctx, "default", alice.ID, admin.UserUpdate{Email: &email, Phone: &phone, Membership: func(m *identity.Membership) {
		m.Groups, m.Attributes = []string{"staff", "tea makers"}, map[string][]string{"role": {"admin", "buyer"}}
	}}))(t)
	shadow := must(h.people.Resolve(ctx, identity.Login{Directory: "default", AppID: "wxsim1", OpenID: "oABCDEFGHIJKLMNOPQRSTUVWXYZ01", OpenPlatform: "tea", UnionID: "uABCDEFGHIJKLMNOPQRSTUVWXYZ01"}, true))(t)
	h.shadow = shadow.User.Record.ID
	must(storage.Insert(ctx, h.engine, storage.Session{
		Directory: "default", ID: "session-1", Secret: "digest", User: alice.ID, Browser: "Firefox on Linux", AuthTime: h.now(), SeenAt: h.now(), CreatedAt: h.now(), ExpiresAt: h.now().Add(time.Hour),
	}))(t)
	h.addMethods(alice)
	shop := must(h.service.Client(ctx, "default", "shop"))(t).Record
	must(storage.Insert(ctx, h.engine, storage.Grant{
		Directory: "default", ID: "grant-1", Client: "shop", Incarnation: shop.Incarnation, User: alice.ID, State: storage.GrantActive, GrantType: "authorization_code",
		Scopes: []string{"openid", "profile"}, CreatedAt: h.now(), ExpiresAt: h.now().Add(time.Hour),
	}))(t)
	must(storage.Insert(ctx, h.engine, storage.MergeCandidate{
		Directory: "default", ID: "pair", Users: [2]string{alice.ID, h.shadow}, Reason: identity.ReasonPhone, State: identity.CandidateOpen, CreatedAt: h.now(), UpdatedAt: h.now(),
	}))(t)
}

// addStatistics adds counts of the last day: sign-ins in two directories, calls to WeChat and checks.
func (h *harness) addStatistics() {
	h.Helper()
	outcomes := map[string][]string{
		"mini-program": {"success", "new_code", "retry", "registration_required"}, "password": {"success", "wrong_password"},
		"passkey": {"success", "access_denied"}, "scan": {"success", "scene_expired"}, "totp": {"wrong_code"},
	}
	begin := h.now().UTC().Truncate(15 * time.Minute)
	for quarter := range 96 {
		record := storage.Statistics{Process: "p", CreatedAt: begin.Add(-time.Duration(quarter) * 15 * time.Minute), Counts: map[string]map[string]map[string]map[string]int64{}}
		record.ExpiresAt = record.CreatedAt.Add(40 * 24 * time.Hour)
		add := func(directory, method, outcome string, minute int, count int64) {
			methods := record.Counts[directory]
			if methods == nil {
				methods = map[string]map[string]map[string]int64{}
				record.Counts[directory] = methods
			}
			if methods[method] == nil {
				methods[method] = map[string]map[string]int64{}
			}
			if methods[method][outcome] == nil {
				methods[method][outcome] = map[string]int64{}
			}
			methods[method][outcome][strconv.Itoa(minute)] = count
		}
		for minute := range 15 {
			wave := int64(20 + 15*((quarter*15+minute)%7))
			add("", "wechat", "success", minute, 2*wave)
			add("", "wechat", "code", minute, int64(minute%4))
			add("", "store", "success", minute, 3)
			add("", "keys", "success", minute, 3)
			if quarter == 1 && minute < 5 {
				add("", "store", "failure", minute, 1)
			}
			for method, all := range outcomes {
				for i, outcome := range all {
					add("default", method, outcome, minute, wave/int64(1+2*i+len(method)%5))
				}
			}
			add("staff", "password", "success", minute, 3)
		}
		must(storage.Insert(h.Context(), h.engine, record))(h.TB)
	}
}

// addMethods adds a passkey, an authenticator app and sign-ins to a user.
func (h *harness) addMethods(user storage.User) {
	h.Helper()
	t, ctx := h.TB, h.Context()
	passkey := storage.Passkey{RPID: "id.example.com", CredentialID: []byte("credential"), PublicKey: []byte("key"), Name: "Alice's phone", BackedUp: true, SuspectAt: h.now()}
	must(0, h.people.AddPasskey(ctx, user, passkey, identity.Self(user.ID)))(t)
	must(0, h.people.SetTOTP(ctx, user, storage.TOTP{Secret: "sealed", RecoveryCodes: []string{"one", "two"}, RemoveAt: h.now().AddDate(0, 0, 3)}, identity.Self(user.ID)))(t)
	signIns := must(storage.UserSignIns{Directory: user.Directory, User: user.ID}.With([]storage.SignIn{
		{At: h.now(), Method: "password", Outcome: "wrong_password", From: "192.0.2.8"}, {At: h.now(), Client: "mini", Method: "mini-program", From: "192.0.2.7", RequestID: "request-2"},
	}))(t)
	must(storage.Insert(ctx, h.engine, signIns))(t)
}

// pages are the paths of all pages, below console.Base.
func (h *harness) pages() []string {
	paths := []string{
		"", "new", "nowhere", "d/closed/", "d/closed/delete", "operators", "new-operator", "operators/" + h.olga, "operators/" + h.olga + "/act/delete",
		"api", "overview", "overview?range=month", "services", "new-service", "services/pipeline", "services/pipeline/act/secret",
		"start", "start/mini-program", "start/application", "start/ready?mini=mini&app=shop&for=spring-boot&address=https://shop.example.com",
	}
	api := "resources/" + storage.ResourceID("https://api.example.com")
	for _, path := range []string{
		"", "settings", "disable", "keys", "clients", "new-client", "new-client?kind=wechat_miniapp", "new-client?kind=web",
		"clients/mini", "clients/shop", "clients/app", "clients/phone", "clients/robot", "clients/shop/secret", "clients/shop/secret?alone=1",
		"clients/mini/app-secret", "clients/mini/push-keys", "connections", "new-connection", "connections/wxsimsite", "connections/wxsimsite/app-secret", "connections/wxsimsite/push-keys",
		"initial-tokens", "resources", "new-resource", api, api + "/act/disable", api + "/act/delete", "connections/wxsimsite/act/disable", "connections/wxsimsite/act/delete", "clients/shop/disable", "clients/shop/delete",
		"users", "users?q=nothing", "import-users", "export-users", "new-user", "users/" + h.alice, "users/" + h.shadow, "users/" + h.alice + "/password", "users/" + h.alice + "/merge",
		"users/" + h.alice + "/merge?other=" + h.shadow, "users/" + h.alice + "/act/disable", "users/" + h.alice + "/act/delete", "users/" + h.alice + "/act/remove-totp", "merges", "audit", "audit?target=user:x",
	} {
		paths = append(paths, "d/default/"+path)
	}
	return paths
}

// TestPages_AreValid checks the HTML of all pages in both languages: what WCAG 2.2 and the content policy require of every page.
func TestPages_AreValid(t *testing.T) {
	h := newFilledHarness(t)
	for _, language := range []string{"en", "zh-CN"} {
		b := h.browser()
		b.language = language
		for _, path := range h.pages() {
			b.get(path)
			t.Run(language+" "+path, func(t *testing.T) { checkPage(t, b.page, language) })
		}
	}
}

func checkPage(t *testing.T, p *shownPage, language string) {
	t.Helper()
	if want := map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[strings.HasSuffix(p.url.Path, "nowhere")]; p.status != want {
		t.Fatalf("status %d: %s", p.status, p.text())
	}
	if got := p.header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; style-src 'self'; script-src 'self'") || !strings.Contains(got, "frame-ancestors 'none'") {
		t.Errorf("the policy is %q", got)
	}
	if p.header.Get("Cache-Control") != "no-store" || p.header.Get("Content-Language") != language {
		t.Errorf("header %v", p.header)
	}
	for _, tag := range []string{"h1", "title", "main"} {
		if found := p.all(func(n *html.Node) bool { return n.Data == tag }); len(found) != 1 || textOf(found[0]) == "" {
			t.Errorf("%d elements %s", len(found), tag)
		}
	}
	if strings.Contains(p.body, "%!") || strings.Contains(p.body, "ZgotmplZ") {
		t.Errorf("a text has the wrong parameters: %s", p.text())
	}
	ids := map[string]int{}
	for _, n := range p.all(func(n *html.Node) bool { return hasAttribute(n, "id") }) {
		ids[attribute(n, "id")]++
	}
	for id, count := range ids {
		if count != 1 {
			t.Errorf("%d elements have the ID %s", count, id)
		}
	}
	for _, n := range p.all(func(*html.Node) bool { return true }) {
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s has the attribute %s, which the policy blocks", n.Data, a.Key)
			}
		}
		for _, reference := range strings.Fields(attribute(n, "aria-describedby") + " " + attribute(n, "aria-labelledby") + " " + attribute(n, "for")) {
			if ids[reference] != 1 {
				t.Errorf("%s refers to %q, which is not there", n.Data, reference)
			}
		}
	}
	for _, n := range p.all(func(n *html.Node) bool { return n.Data == "option" && textOf(n) == "" }) {
		t.Errorf("an option without a text: %v", n.Parent.Attr)
	}
	for _, form := range p.all(func(n *html.Node) bool { return n.Data == "form" }) {
		if buttons := elements(form, func(n *html.Node) bool {
			return n.Data == "button" && attribute(n, "type") == "submit" && textOf(n) != ""
		}); len(buttons) == 0 && !strings.Contains(attribute(form, "class"), "record") {
			t.Error("a form without a button")
		}
	}
}

// TestChromium_PagesAreAccessible runs axe-core on all pages: on a desk and on a phone, light and dark, in both languages. With
// MINIFED_PICTURES, a folder, it writes a picture of each.
func TestChromium_PagesAreAccessible(t *testing.T) {
	h := newFilledHarness(t)
	c := chromiumtest.Start(t)
	for _, screen := range []struct {
		name          string
		width, height int
		mobile, dark  bool
		language      string
	}{
		{"desk", 1280, 900, false, false, "en"},
		{"phone-dark-zh", 320, 640, true, true, "zh-CN"},
	} {
		tab := c.Open(c.Profile(), "about:blank")
		tab.Screen(screen.width, screen.height, screen.mobile)
		tab.Dark(screen.dark)
		tab.Language(screen.language)
		for i, path := range h.pages() {
			tab.Navigate(h.url + console.Base + path)
			tab.Wait("html[lang=" + strconv.Quote(screen.language) + "] #main")
			for _, problem := range tab.AccessibilityProblems() {
				t.Errorf("%s, %s: %s", path, screen.name, problem)
			}
			if got := tab.Evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"); got != "0" {
				t.Errorf("%s, %s: the page is %s pixels too wide", path, screen.name, got)
			}
			if folder := os.Getenv("MINIFED_PICTURES"); folder != "" {
				name := strconv.Itoa(100 + i)[1:] + "-" + strings.NewReplacer("/", "_", "?", "_", "=", "_").Replace(path) + "." + screen.name + ".png"
				must(0, os.WriteFile(filepath.Join(folder, name), tab.Picture(), 0o600))(t)
			}
		}
	}
}
