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

// everyPage visits every page there is, in a language, and calls see at each.
func (h *house) everyPage(locale string, see func(name string, p *page)) {
	h.Helper()
	name := h.addMailedPerson("w" + strings.ToLower(locale)).Username
	latest := func(to string) string {
		letters := h.letters(to)
		return linkIn(h.T, letters[len(letters)-1])
	}
	at := func(path string) string { return h.url + path + "?ui_locales=" + locale }
	v := h.visitor()
	// 1. Pages for whoever comes.
	for _, path := range []string{"/login", "/register", "/account/forgot", "/logged-out"} {
		see(path, v.get(at(path)))
	}
	v.get(at("/register"))
	see("/register, refused", v.press("register-form", "register", "username", name, "new_password", "short"))
	v.get(at("/account/forgot"))
	see("/account/forgot, refused", v.press("send-form", "send", "email", "nonsense"))
	v.get(at("/account/forgot"))
	see("/account/forgot, sent", v.press("send-form", "send", "email", name+"@example.com"))
	see("/account/reset", v.get(latest(name+"@example.com")))
	see("/account/reset, stale", v.get(at("/account/reset")+"&proof=nonsense"))
	see("failure", v.ask("redirect_uri", "https://evil.example/", "ui_locales", locale))
	// 2. A sign-in.
	see("/login, for an application", v.ask("scope", "openid profile email offline_access orders urn:minifed:link", "ui_locales", locale))
	see("/login, refused", v.press("login-form", "login", "username", name, "password", "wrong"))
	see("/consent", v.signInAs(name))
	v.press("consent-form", "allow")
	v.redeem("shop", v.code(), "redirect_uri", shopRedirect)
	see("/login, choice", v.ask("prompt", "select_account", "ui_locales", locale))
	see("/consent, again", v.ask("scope", "openid phone", "prompt", "consent", "ui_locales", locale))
	// 3. The account.
	other := h.visitor()
	other.get(at("/login"))
	other.signInAs(name)
	for _, path := range []string{"", "/profile", "/username", "/password", "/email"} {
		see("/account"+path, v.get(at("/account"+path)))
	}
	v.get(at("/account/profile"))
	see("/account/profile, refused", v.press("save-form", "save", "birthdate", "yesterday"))
	v.get(at("/account/password"))
	see("/account/password, refused", v.press("save-form", "save", "current_password", "wrong", "new_password", goodPassword))
	v.get(at("/account/email"))
	see("/account/email, sent", v.press("save-form", "save", "email", "new-"+locale+"@example.com", "current_password", goodPassword))
	see("/account/email/confirm", v.get(latest("new-"+strings.ToLower(locale)+"@example.com")))
	see("/account/email/confirm, stale", v.get(at("/account/email/confirm")+"&proof=nonsense"))
	h.clock.Advance(24 * time.Hour) // What was rationed is forgotten.
}

func newGallery(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.editDirectory(func(d *storage.Directory) {
		d.Policy.SelfRegistration = true
		d.Branding = storage.Branding{
			AccentColor: "#ffcc00", Logo: logoOfSize(t, 120, 40, true), PolicyURL: "https://example.com/policy", TermsURL: "https://example.com/terms",
			SupportURL: "https://example.com/help",
		}
	})
	return h
}

func TestEveryPageIsAccessibleInEveryLanguage(t *testing.T) {
	h := newGallery(t)
	for _, locale := range []string{"en", "zh-CN"} {
		h.everyPage(locale, func(name string, p *page) {
			t.Run(locale+" "+name, func(t *testing.T) {
				if p.callback != "" {
					t.Fatalf("went to %s", p.callback)
				}
				checkPage(t, p, locale)
			})
		})
	}
}

func TestALongAddressHasPlacesToBreakWhereverItIsShown(t *testing.T) {
	h := newHouse(t)
	const name = "wilhelmina-maximiliane-featherstonehaugh"
	h.addMailedPerson(name)
	v := h.visitor()
	v.get(h.url + "/login")
	v.signInAs(name)
	const address = name + "<wbr>@example<wbr>.com"
	if got := v.get(h.url + "/account"); strings.Count(got.body, address) != 1 {
		t.Errorf("the account: %s", got.body)
	}
	v.get(h.url + "/account/email")
	if got := v.press("save-form", "save", "email", "new-"+name+"@example.com", "current_password", goodPassword); !strings.Contains(got.body, "new-"+address) {
		t.Errorf("a page that tells where mail was sent: %s", got.body)
	}
	letters := h.letters("new-" + name + "@example.com")
	if got := v.get(linkIn(t, letters[len(letters)-1])); !strings.Contains(got.body, "new-"+address) {
		t.Errorf("a page that asks for its confirmation: %s", got.body)
	}
}

// checkPage asserts what WCAG 2.2 and plain HTML ask of every page.
func checkPage(t *testing.T, p *page, locale string) {
	t.Helper()
	doc := must(html.Parse(strings.NewReader(p.body)))(t)
	only := func(tag string) *html.Node {
		t.Helper()
		found := find(doc, func(n *html.Node) bool { return n.Data == tag })
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
	// 1. Nothing but HTML: no script, no style, nothing inline.
	for _, n := range find(doc, func(n *html.Node) bool { return true }) {
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
	// 2. IDs name one thing, and what they are referred to by exists.
	ids := map[string]int{}
	for _, n := range find(doc, func(n *html.Node) bool { return has(n, "id") }) {
		ids[attribute(n, "id")]++
	}
	for id, count := range ids {
		if count != 1 {
			t.Errorf("%d elements have the ID %s", count, id)
		}
	}
	labels := map[string]string{}
	for _, n := range find(doc, func(n *html.Node) bool { return n.Data == "label" }) {
		labels[attribute(n, "for")] = textOf(n)
	}
	for _, n := range find(doc, func(n *html.Node) bool { return true }) {
		for _, reference := range strings.Fields(attribute(n, "aria-describedby") + " " + attribute(n, "aria-labelledby") + " " + attribute(n, "for") + " " + attribute(n, "list")) {
			if ids[reference] != 1 {
				t.Errorf("%s refers to %q, which is not there", n.Data, reference)
			}
		}
	}
	// 3. Forms: labels, real buttons, hints for password managers.
	for _, n := range find(doc, func(n *html.Node) bool {
		return n.Data == "input" && attribute(n, "type") != "hidden" && !has(n, "hidden")
	}) {
		if labels[attribute(n, "id")] == "" || attribute(n, "name") == "" {
			t.Errorf("the input %q has no label", attribute(n, "name"))
		}
		if attribute(n, "type") != "checkbox" && attribute(n, "autocomplete") == "" {
			t.Errorf("the input %q does not say what it is for", attribute(n, "name"))
		}
	}
	for _, form := range find(doc, func(n *html.Node) bool { return n.Data == "form" }) {
		buttons := find(form, func(n *html.Node) bool {
			return n.Data == "button" && attribute(n, "type") == "submit" && textOf(n) != ""
		})
		tokens := find(form, func(n *html.Node) bool { return attribute(n, "name") == "csrf" && attribute(n, "value") != "" })
		if attribute(form, "method") != "post" || len(buttons) == 0 || len(tokens) != 1 {
			t.Errorf("a form with the method %q, %d buttons and %d tokens", attribute(form, "method"), len(buttons), len(tokens))
		}
	}
	for _, n := range find(doc, func(n *html.Node) bool { return n.Data == "a" }) {
		if attribute(n, "href") == "" || textOf(n) == "" {
			t.Errorf("a link without address or text: %v", n.Attr)
		}
	}
	for _, n := range find(doc, func(n *html.Node) bool { return n.Data == "img" }) {
		if !has(n, "alt") {
			t.Error("an image without alt")
		}
	}
	checkWrong(t, doc)
}

// checkWrong asserts that what is wrong is said to everybody: in an alert, and at the field.
func checkWrong(t *testing.T, doc *html.Node) {
	t.Helper()
	wrong := find(doc, func(n *html.Node) bool { return attribute(n, "aria-invalid") == "true" })
	alerts := find(doc, func(n *html.Node) bool { return attribute(n, "role") == "alert" })
	if len(wrong) > 0 && len(alerts) != 1 {
		t.Errorf("%d fields are wrong, and %d alerts say so", len(wrong), len(alerts))
	}
	for _, n := range wrong {
		if !strings.Contains(attribute(n, "aria-describedby"), attribute(n, "id")+"-wrong") || !has(n, "autofocus") {
			t.Errorf("the wrong field %s is not described or has not the focus", attribute(n, "id"))
		}
	}
}

func TestEveryPageHasTheHeadersThatProtectIt(t *testing.T) {
	h := newGallery(t)
	h.everyPage("en", func(name string, p *page) {
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

func TestPagesOfAnApplicationAreInTheLanguageThatItAsksFor(t *testing.T) {
	h := newGallery(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.ask("ui_locales", "zh-CN")
	v.at(t, "/login", http.StatusOK, "登录")
	v.press("login-form", "login", "username", "wanda", "password", "wrong")
	v.at(t, "/login", http.StatusBadRequest, "用户名或密码不正确，或尝试次数过多。")
	english := find(v.document(), func(n *html.Node) bool { return n.Data == "a" && attribute(n, "hreflang") == "en" })
	v.get(v.house.url + attribute(english[0], "href"))
	v.at(t, "/login", http.StatusOK, "Sign in")
	v.signInAs("wanda")
	v.at(t, "/consent", http.StatusOK, "Tea & Co wants access")
}

func TestAssetsAreKeptForGoodAndNothingElseIsServed(t *testing.T) {
	h := newGallery(t)
	v := h.visitor()
	v.get(h.url + "/login")
	assets := map[string]string{}
	for _, n := range find(v.document(), func(n *html.Node) bool { return n.Data == "link" || n.Data == "img" }) {
		address := attribute(n, "href") + attribute(n, "src")
		assets[address[:strings.IndexByte(address, '.')]] = address
	}
	for name, mediaType := range map[string]string{
		"/assets/style": "text/css; charset=utf-8", "/assets/accent-ffcc00": "text/css; charset=utf-8", "/assets/logo": "image/png",
	} {
		answer := v.get(h.url + assets[name])
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
		answer := v.get(h.url + path)
		if answer.status != status || status == http.StatusOK && answer.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %q", path, answer.status, answer.header.Get("Cache-Control"))
		}
	}
}

func TestAPageWithoutLogoShowsTheInitialAndADirectoryHasItsOwnColours(t *testing.T) {
	h := newHouse(t)
	h.addDirectory(storage.Directory{ID: "tea", Name: "Tea", Branding: storage.Branding{AccentColor: "#008844"}})
	v := h.visitor()
	v.get(h.url + "/d/tea/login")
	if !strings.Contains(v.page.body, `<span class="mark" aria-hidden="true">T</span>`) {
		t.Errorf("no initial: %s", v.page.body)
	}
	if !strings.Contains(v.page.body, `href="/d/tea/assets/accent-008844.`) {
		t.Errorf("no colours: %s", v.page.body)
	}
	for _, n := range find(v.document(), func(n *html.Node) bool { return n.Data == "link" }) {
		if address := attribute(n, "href"); v.get(h.url+address).status != http.StatusOK {
			t.Errorf("%s: %d", address, v.page.status)
		}
		v.get(h.url + "/d/tea/login")
	}
}

func TestWhenTheStoreIsDownAPageSaysSo(t *testing.T) {
	h := newHouse(t)
	v := h.visitor()
	v.enter(h.addPerson("wanda").Username)
	h.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	v.get(h.url + "/account")
	v.at(t, "/account", http.StatusServiceUnavailable, "Temporarily unavailable")
	if v.page.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestTheKeyboardGoesFromTheNameToThePasswordToTheButton(t *testing.T) {
	h := newGallery(t)
	v := h.visitor()
	v.ask("ui_locales", "en")
	var order []string
	for _, n := range find(v.document(), func(n *html.Node) bool {
		return n.Data == "a" || n.Data == "button" || n.Data == "input" && attribute(n, "type") != "hidden"
	}) {
		order = append(order, cmp.Or(attribute(n, "id"), textOf(n)))
	}
	if want := []string{"username", "password", "Forgot your password?", "login", "cancel"}; !slices.Equal(order[:len(want)], want) {
		t.Errorf("the keyboard goes %v", order)
	}
}

func TestWhereNothingIsToBeSeenPagesSaySo(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	v.get(h.url + "/account/sign-out")
	v.at(t, "/account/sign-out", http.StatusMethodNotAllowed, "There is no page here")
	v.get(h.url + "/account/profile")
	v.press("save-form", "save", "name", strings.Repeat("w", 70_000))
	v.at(t, "/account/profile", http.StatusRequestEntityTooLarge, "Go back and send less.")
}
