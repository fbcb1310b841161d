package console_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

func TestWizard_FromEmptyStoreToFirstLogin(t *testing.T) {
	h := newHarness(t)
	b := h.browser()
	inputs := 0
	count := func() {
		inputs += len(b.page.all(func(n *html.Node) bool {
			return (n.Data == "input" || n.Data == "select" || n.Data == "textarea") && attribute(n, "type") != "hidden"
		}))
	}
	b.get("")
	b.expect(http.StatusOK, "Set up step by step")
	b.get("start")
	count()
	b.submit("Save and go on", "name", "Tea & Co", "branding.accent_color", "teal")
	b.expect(http.StatusBadRequest, "must be # and six", `value="Tea &amp; Co"`)
	b.submit("Save and go on", "branding.accent_color", "#07c160")
	b.expect(http.StatusOK, "The credentials are checked at WeChat at once.")
	count()
	h.wechat = &wechat.Error{Code: 40125, Class: wechat.ClassConfig}
	const appSecret = "0123456789abcdef0123456789abcdef"
	b.submit("Try it and go on", "app_id", "wx0123456789abcdef", "app_secret", appSecret, "open_platform", "tea")
	b.expect(http.StatusOK, "The AppSecret is wrong", "Create it anyway", `value="wx0123456789abcdef"`)
	if strings.Contains(b.page.body, appSecret) {
		t.Error("the page repeats the AppSecret")
	}
	h.wechat = nil
	b.expect(http.StatusOK, "the backend of the mini-program can sign that user in to any browser")
	b.submit("Try it and go on", "app_secret", appSecret, "starts_sessions", "true")
	b.expect(http.StatusOK, "WeChat accepts the AppID and the AppSecret", "Framework or program")
	mini := formValues(b.page.form("Create the client"))
	count()
	b.submit("Create the client", "for", "spring-boot", "name", "Shop")
	b.expect(http.StatusBadRequest, "must be the address of the application", `value="Shop"`)
	b.submit("Create the client", "address", "https://shop.example.com")
	b.expect(http.StatusOK, "Waiting for the first login", mini.Get("mini"), mini.Get("mini_secret"), "grant-type:token-exchange", "application.yaml", "issuer-uri")
	directory := must(h.service.Directory(t.Context(), "default"))(t).Record
	if client := must(h.service.Client(t.Context(), "default", mini.Get("mini")))(t).Record; !client.StartsSessions || directory.Scan.MiniProgram != client.ID || !slices.Equal(directory.SignInMethods, []string{"scan", "password"}) {
		t.Errorf("the mini-program confirms no sign-ins: %v %+v %v", client.StartsSessions, directory.Scan, directory.SignInMethods)
	}
	if inputs > 9 { // The page of the owner has three more.
		t.Errorf("the wizard has %d inputs", inputs)
	}
	if app := regexp.MustCompile(`Client ID of the application ([a-z2-7]{26})`).FindStringSubmatch(b.page.text()); app == nil || strings.Count(b.page.body, app[1]) < 2 {
		t.Fatalf("no client ID in the configuration: %s", b.page.text())
	}
	again := b.page.all(func(n *html.Node) bool { return textOf(n) == "Look again" })
	b.get(attribute(again[0], "href"))
	b.expect(http.StatusOK, "Waiting for the first login")
	if b.page.header.Get("Refresh") == "" || strings.Contains(b.page.body, mini.Get("mini_secret")) {
		t.Errorf("the page without secrets: %v", b.page.header)
	}
	user := must(h.people.Resolve(t.Context(), identity.Login{Directory: "default", AppID: "wx0123456789abcdef", OpenID: "oABCDEFGHIJKLMNOPQRSTUVWXYZ01"}, true))(t)
	grant := storage.Grant{Directory: "default", ID: "g", Client: mini.Get("mini"), User: user.User.Record.ID, State: storage.GrantActive, CreatedAt: h.now(), ExpiresAt: h.now().Add(time.Hour)}
	must(storage.Insert(t.Context(), h.engine, grant))(t)
	b.get(b.page.url.RequestURI())
	b.expect(http.StatusOK, "It works: a user has signed in.")
	if b.page.header.Get("Refresh") != "" {
		t.Error("the page is opened again after the login")
	}
	// The forms are sent again: no second client.
	b.post("start/application", mini)
	before, _, err := h.service.Clients(t.Context(), "default", admin.Page{})
	if must(0, err)(t); len(before) != 2 {
		t.Errorf("%d clients", len(before))
	}
}

func TestWizard_MiniProgramAlone(t *testing.T) {
	h := newHarness(t)
	b := h.browser()
	b.get("start/mini-program")
	h.wechat = &wechat.Error{Code: 40164, Class: wechat.ClassConfig}
	b.submit("Try it and go on", "app_id", "wxsim1", "app_secret", "s")
	b.expect(http.StatusOK, "Add the address of this server to the IP list")
	b.submit("Create it anyway", "app_secret", "s", "act", "anyway")
	b.expect(http.StatusOK, "Framework or program")
	b.submit("Without an application", "act", "anyway")
	b.expect(http.StatusOK, "Waiting for the first login", "wx.login", "Node.js")
	if directory := must(h.service.Directory(t.Context(), "default"))(t).Record; len(directory.SignInMethods) > 0 || directory.Scan.MiniProgram != "" {
		t.Errorf("browser sign-ins are on without an answer: %v %+v", directory.SignInMethods, directory.Scan)
	}
}
