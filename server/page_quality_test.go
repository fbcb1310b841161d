package server_test

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// everyPage opens every page in a language, and calls see for each.
func (ts *pageTestServer) everyPage(locale string, see func(name string, p *page)) {
	ts.Helper()
	name := ts.addEmailUser("w" + strings.ToLower(locale)).Username
	latest := func(to string) string {
		letters := ts.mailTo(to)
		return linkIn(ts.T, letters[len(letters)-1])
	}
	at := func(path string) string { return ts.url + path + "?ui_locales=" + locale }
	b := ts.newFormBrowser()
	// 1. Pages without sign-in.
	for _, path := range []string{"/login", "/register", "/account/forgot", "/logged-out"} {
		see(path, b.get(at(path)))
	}
	b.get(at("/register"))
	see("/register, refused", b.press("register-form", "register", "username", name, "new_password", "short"))
	b.get(at("/account/forgot"))
	see("/account/forgot, refused", b.press("send-form", "send", "email", "nonsense"))
	b.get(at("/account/forgot"))
	see("/account/forgot, sent", b.press("send-form", "send", "email", name+"@example.com"))
	see("/account/reset", b.get(latest(name+"@example.com")))
	see("/account/reset, stale", b.get(at("/account/reset")+"&proof=nonsense"))
	see("failure", b.openAuthorize("redirect_uri", "https://evil.example/", "ui_locales", locale))
	// 2. A sign-in.
	see("/login, for an application", b.openAuthorize("scope", "openid profile email offline_access orders urn:minifed:link", "ui_locales", locale))
	see("/login, refused", b.press("login-form", "login", "username", name, "password", "wrong"))
	see("/consent", b.signInAs(name))
	b.press("consent-form", "allow")
	b.redeem("shop", b.code(), "redirect_uri", shopRedirect)
	see("/login, choice", b.openAuthorize("prompt", "select_account", "ui_locales", locale))
	see("/consent, again", b.openAuthorize("scope", "openid phone", "prompt", "consent", "ui_locales", locale))
	// 3. The account.
	other := ts.newFormBrowser()
	other.get(at("/login"))
	other.signInAs(name)
	for _, path := range []string{"", "/profile", "/username", "/password", "/email", "/apps", "/identities", "/sign-ins", "/export", "/merge"} {
		see("/account"+path, b.get(at("/account"+path)))
	}
	b.get(at("/account/profile"))
	see("/account/profile, refused", b.press("save-form", "save", "birthdate", "yesterday"))
	b.get(at("/account/password"))
	see("/account/password, refused", b.press("save-form", "save", "current_password", "wrong", "new_password", goodPassword))
	b.get(at("/account/email"))
	see("/account/email, sent", b.press("save-form", "save", "email", "new-"+locale+"@example.com", "current_password", goodPassword))
	see("/account/email/confirm", b.get(latest("new-"+strings.ToLower(locale)+"@example.com")))
	ts.seeMerge(name, locale, see)
	see("/account/email/confirm, stale", b.get(at("/account/email/confirm")+"&proof=nonsense"))
	ts.clock.Advance(24 * time.Hour) // The rate limits expire.
}

// seeMerge opens the pages of a merge: the sign-in to the other account, the preview, and the list with a merge that can be undone.
func (ts *pageTestServer) seeMerge(name, locale string, see func(name string, p *page)) {
	ts.Helper()
	other := ts.addEmailUser("o" + strings.ToLower(locale))
	b := ts.newFormBrowser()
	b.get(ts.url + "/login?ui_locales=" + locale)
	b.signInAs(name)
	b.get(ts.url + "/account/merge?ui_locales=" + locale)
	see("/login, to join", b.press("merge-form", "merge"))
	see("/account/merge/confirm", b.press("login-form", "login", "username", other.Username, "password", goodPassword))
	b.press("confirm-form", "confirm")
	see("/account/merge, joined", b.get(ts.url+"/account/merge?ui_locales="+locale))
}

func newBrandedServer(t *testing.T) *pageTestServer {
	t.Helper()
	ts := newPageTestServer(t)
	ts.editDirectory(func(d *storage.Directory) {
		d.Policy.SelfRegistration = true
		d.Branding = storage.Branding{
			AccentColor: "#ffcc00", Logo: logoOfSize(t, 120, 40, true), PolicyURL: "https://example.com/policy", TermsURL: "https://example.com/terms",
			SupportURL: "https://example.com/help",
		}
	})
	return ts
}

func TestPages_AreAccessibleInEveryLanguage(t *testing.T) {
	ts := newBrandedServer(t)
	for _, locale := range []string{"en", "zh-CN"} {
		ts.everyPage(locale, func(name string, p *page) {
			t.Run(locale+" "+name, func(t *testing.T) {
				if p.callback != "" {
					t.Fatalf("went to %s", p.callback)
				}
				checkPage(t, p, locale)
			})
		})
	}
}

func TestPages_LongAddressCanWrap(t *testing.T) {
	ts := newPageTestServer(t)
	const name = "wilhelmina-maximiliane-featherstonehaugh"
	ts.addEmailUser(name)
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	b.signInAs(name)
	const address = name + "<wbr>@example<wbr>.com"
	if got := b.get(ts.url + "/account"); strings.Count(got.body, address) != 1 {
		t.Errorf("the account: %s", got.body)
	}
	b.get(ts.url + "/account/email")
	if got := b.press("save-form", "save", "email", "new-"+name+"@example.com", "current_password", goodPassword); !strings.Contains(got.body, "new-"+address) {
		t.Errorf("a page that shows the address of the mail: %s", got.body)
	}
	letters := ts.mailTo("new-" + name + "@example.com")
	if got := b.get(linkIn(t, letters[len(letters)-1])); !strings.Contains(got.body, "new-"+address) {
		t.Errorf("a page that waits for its confirmation: %s", got.body)
	}
}

// checkPage asserts the requirements of WCAG 2.2 and of plain HTML on every page.
func checkPage(t *testing.T, p *page, locale string) {
	t.Helper()
	doc := must(html.Parse(strings.NewReader(p.body)))(t)
	only := func(tag string) *html.Node {
		t.Helper()
		found := findElements(doc, func(n *html.Node) bool { return n.Data == tag })
		if len(found) != 1 {
			t.Fatalf("%d elements %s", len(found), tag)
		}
		return found[0]
	}
	if !strings.HasPrefix(p.body, "<!DOCTYPE html>\n") || attribute(only("html"), "lang") != locale {
		t.Errorf("not a page in %s", locale)
	}
	heading, title := textOf(only("h1")), textOf(only("title"))
	if heading == "" || title == "" || !strings.HasSuffix(title, "· Default") {
		t.Errorf("heading %q, title %q", heading, title)
	}
	only("main")
	if failed := p.status >= http.StatusBadRequest; failed != (strings.HasPrefix(title, "Error: ") || strings.HasPrefix(title, "出错：")) {
		t.Errorf("status %d, title %q", p.status, title)
	}
	if strings.Contains(p.body, "%!") {
		t.Errorf("a text was given the wrong parameters: %s", p.body)
	}
	// 1. Only HTML: no script but that of passkeys, no inline style.
	for _, n := range findElements(doc, func(n *html.Node) bool { return true }) {
		if n.Data == "script" && strings.HasPrefix(attribute(n, "src"), "/assets/passkey.") && textOf(n) == "" {
			continue
		}
		switch n.Data {
		case "script", "style", "iframe", "object", "embed", "base":
			t.Errorf("an element %s", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
				t.Errorf("%s has the attribute %s", n.Data, a.Key)
			}
		}
	}
	// 2. IDs are unique, and references to them exist.
	ids := map[string]int{}
	for _, n := range findElements(doc, func(n *html.Node) bool { return hasAttribute(n, "id") }) {
		ids[attribute(n, "id")]++
	}
	for id, count := range ids {
		if count != 1 {
			t.Errorf("%d elements have the ID %s", count, id)
		}
	}
	labels := map[string]string{}
	for _, n := range findElements(doc, func(n *html.Node) bool { return n.Data == "label" }) {
		labels[attribute(n, "for")] = textOf(n)
	}
	for _, n := range findElements(doc, func(n *html.Node) bool { return true }) {
		for _, reference := range strings.Fields(attribute(n, "aria-describedby") + " " + attribute(n, "aria-labelledby") + " " + attribute(n, "for") + " " + attribute(n, "list")) {
			if ids[reference] != 1 {
				t.Errorf("%s refers to %q, which is not there", n.Data, reference)
			}
		}
	}
	// 3. Forms: labels, real buttons, hints for password managers.
	for _, n := range findElements(doc, func(n *html.Node) bool {
		return n.Data == "input" && attribute(n, "type") != "hidden" && !hasAttribute(n, "hidden")
	}) {
		if labels[attribute(n, "id")] == "" || attribute(n, "name") == "" {
			t.Errorf("the input %q has no label", attribute(n, "name"))
		}
		if attribute(n, "type") != "checkbox" && attribute(n, "autocomplete") == "" {
			t.Errorf("the input %q has no autocomplete hint", attribute(n, "name"))
		}
	}
	for _, form := range findElements(doc, func(n *html.Node) bool { return n.Data == "form" }) {
		buttons := findElements(form, func(n *html.Node) bool {
			return n.Data == "button" && attribute(n, "type") == "submit" && textOf(n) != ""
		})
		tokens := findElements(form, func(n *html.Node) bool { return attribute(n, "name") == "csrf" && attribute(n, "value") != "" })
		if attribute(form, "method") != "post" || len(buttons) == 0 || len(tokens) != 1 {
			t.Errorf("a form with the method %q, %d buttons and %d tokens", attribute(form, "method"), len(buttons), len(tokens))
		}
	}
	for _, n := range findElements(doc, func(n *html.Node) bool { return n.Data == "a" }) {
		if attribute(n, "href") == "" || textOf(n) == "" {
			t.Errorf("a link without address or text: %v", n.Attr)
		}
	}
	for _, n := range findElements(doc, func(n *html.Node) bool { return n.Data == "img" }) {
		if !hasAttribute(n, "alt") {
			t.Error("an image without alt")
		}
	}
	checkWrong(t, doc)
}

// checkWrong asserts that every error is shown to all users: in an alert, and at the field.
func checkWrong(t *testing.T, doc *html.Node) {
	t.Helper()
	wrong := findElements(doc, func(n *html.Node) bool { return attribute(n, "aria-invalid") == "true" })
	alerts := findElements(doc, func(n *html.Node) bool { return attribute(n, "role") == "alert" })
	if len(wrong) > 0 && len(alerts) != 1 {
		t.Errorf("%d fields are invalid, and there are %d alerts", len(wrong), len(alerts))
	}
	for _, n := range wrong {
		if !strings.Contains(attribute(n, "aria-describedby"), attribute(n, "id")+"-wrong") || !hasAttribute(n, "autofocus") {
			t.Errorf("the wrong field %s is not described or has not the focus", attribute(n, "id"))
		}
	}
}

func TestPages_HaveProtectiveHeaders(t *testing.T) {
	ts := newBrandedServer(t)
	ts.everyPage("en", func(name string, p *page) {
		t.Run(name, func(t *testing.T) {
			for header, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
				"Referrer-Policy": "same-origin", "Content-Language": "en",
			} {
				if got := p.header.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			want := "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'"
			if leaves := strings.HasPrefix(name, "/consent") || name == "/login, choice"; !leaves || strings.Contains(p.body, `type="password"`) {
				want += "; form-action 'self'"
			}
			if got := p.header.Get("Content-Security-Policy"); got != want {
				t.Errorf("Content-Security-Policy is %q, want %q", got, want)
			}
		})
	})
}

func TestPages_UseLocaleOfRequest(t *testing.T) {
	ts := newBrandedServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.openAuthorize("ui_locales", "zh-CN")
	b.wantAt(t, "/login", http.StatusOK, "登录")
	b.press("login-form", "login", "username", "wanda", "password", "wrong")
	b.wantAt(t, "/login", http.StatusBadRequest, "用户名或密码不正确，或尝试次数过多。")
	english := findElements(b.document(), func(n *html.Node) bool { return n.Data == "a" && attribute(n, "hreflang") == "en" })
	b.get(b.pageServer.url + attribute(english[0], "href"))
	b.wantAt(t, "/login", http.StatusOK, "Sign in")
	b.signInAs("wanda")
	b.wantAt(t, "/consent", http.StatusOK, "Tea & Co requests access")
}

func TestAssets_AreImmutable(t *testing.T) {
	ts := newBrandedServer(t)
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	assets := map[string]string{}
	for _, n := range findElements(b.document(), func(n *html.Node) bool { return n.Data == "link" || n.Data == "img" }) {
		address := attribute(n, "href") + attribute(n, "src")
		assets[address[:strings.IndexByte(address, '.')]] = address
	}
	for name, mediaType := range map[string]string{
		"/assets/style": "text/css; charset=utf-8", "/assets/accent-ffcc00": "text/css; charset=utf-8", "/assets/logo": "image/png",
	} {
		answer := b.get(ts.url + assets[name])
		if answer.status != http.StatusOK || answer.header.Get("Content-Type") != mediaType ||
			answer.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || answer.header.Get("Set-Cookie") != "" {
			t.Errorf("%s (%s): %d %v", name, assets[name], answer.status, answer.header)
		}
	}
	for path, status := range map[string]int{
		"/assets/style.OldOldOldOld.css": http.StatusOK, "/assets/logo.OldOldOldOld.png": http.StatusOK, "/assets/icon.svg": http.StatusOK,
		"/assets/accent-red.css": http.StatusNotFound, "/assets/accent-ffcc00;}.x.css": http.StatusNotFound, "/assets/en.json": http.StatusNotFound,
		"/assets/login.html": http.StatusNotFound, "/assets/": http.StatusNotFound, "/assets/../login": http.StatusNotFound,
	} {
		answer := b.get(ts.url + path)
		if answer.status != status || status == http.StatusOK && answer.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %q", path, answer.status, answer.header.Get("Cache-Control"))
		}
	}
}

func TestPages_ShowInitialAndDirectoryColours(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addDirectory(storage.Directory{ID: "tea", Name: "Tea", Branding: storage.Branding{AccentColor: "#008844"}})
	b := ts.newFormBrowser()
	b.get(ts.url + "/d/tea/login")
	if !strings.Contains(b.page.body, `<span class="mark" aria-hidden="true">T</span>`) {
		t.Errorf("no initial: %s", b.page.body)
	}
	if !strings.Contains(b.page.body, `href="/d/tea/assets/accent-008844.`) {
		t.Errorf("no colours: %s", b.page.body)
	}
	for _, n := range findElements(b.document(), func(n *html.Node) bool { return n.Data == "link" }) {
		if address := attribute(n, "href"); b.get(ts.url+address).status != http.StatusOK {
			t.Errorf("%s: %d", address, b.page.status)
		}
		b.get(ts.url + "/d/tea/login")
	}
}

func TestPages_ReportStoreOutage(t *testing.T) {
	ts := newPageTestServer(t)
	b := ts.newFormBrowser()
	b.signInToAccount(ts.addPasswordUser("wanda").Username)
	ts.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	b.get(ts.url + "/account")
	b.wantAt(t, "/account", http.StatusServiceUnavailable, "Temporarily unavailable")
	if b.page.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestLoginPage_HasNaturalTabOrder(t *testing.T) {
	ts := newBrandedServer(t)
	b := ts.newFormBrowser()
	b.openAuthorize("ui_locales", "en")
	var order []string
	for _, n := range findElements(b.document(), func(n *html.Node) bool {
		return n.Data == "a" || n.Data == "button" || n.Data == "input" && attribute(n, "type") != "hidden"
	}) {
		order = append(order, cmp.Or(attribute(n, "id"), textOf(n)))
	}
	if want := []string{"username", "password", "Forgot your password?", "login", "cancel"}; !slices.Equal(order[:len(want)], want) {
		t.Errorf("the keyboard goes %v", order)
	}
}

func TestPages_HaveEmptyStates(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	b.get(ts.url + "/account/sign-out")
	b.wantAt(t, "/account/sign-out", http.StatusMethodNotAllowed, "There is no page here")
	b.get(ts.url + "/account/profile")
	b.press("save-form", "save", "name", strings.Repeat("w", 70_000))
	b.wantAt(t, "/account/profile", http.StatusRequestEntityTooLarge, "Go back and enter less.")
}
