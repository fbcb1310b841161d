package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/storage"
)

// postingForms are every form of the pages: how a visitor who is signed in gets to it, and the names of form and button.
func postingForms() []struct{ name, path, form, button string } {
	return []struct{ name, path, form, button string }{
		{"login", "/login?other=1", "login-form", "login"},
		{"registration", "/register", "register-form", "register"},
		{"forgotten password", "/account/forgot", "send-form", "send"},
		{"profile", "/account/profile", "save-form", "save"},
		{"username", "/account/username", "save-form", "save"},
		{"password", "/account/password", "save-form", "save"},
		{"e-mail address", "/account/email", "save-form", "save"},
		{"sign out", "/account", "sign-out-form", "sign-out"},
		{"sign out everywhere", "/account", "sign-out-everywhere-form", "sign-out-everywhere"},
	}
}

// send posts a form with headers as a browser sends it.
func (v *visitor) send(address string, form url.Values, header map[string]string) *page {
	v.Helper()
	request := must(http.NewRequestWithContext(v.Context(), http.MethodPost, address, strings.NewReader(form.Encode())))(v.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	return v.open(request, true)
}

// TestFormsOfOtherSitesAreRefused is cross-site request forgery, at every form there is.
func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	h := newHouse(t)
	h.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	h.addDirectory(storage.Directory{ID: "tea", Name: "Tea"})
	h.addMailedPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	stranger := h.visitor()
	stranger.get(h.url + "/login")
	_, theirs := stranger.read("login-form", "login")
	v.get(h.url + "/d/tea/login")
	_, elsewhere := v.read("login-form", "login")
	for _, posted := range postingForms() {
		t.Run(posted.name, func(t *testing.T) {
			v.get(h.url + posted.path)
			action, form := v.read(posted.form, posted.button)
			own := form.Get("csrf")
			before := list[storage.AuditEntry](h.world)
			for name, forged := range map[string]struct {
				token  string
				header map[string]string
			}{
				"no token":                      {"", nil},
				"a token made up":               {"AAAA", nil},
				"another browser's token":       {theirs.Get("csrf"), nil},
				"another directory's token":     {elsewhere.Get("csrf"), nil},
				"a token cut short":             {own[:len(own)-2], nil},
				"sent by another site":          {own, map[string]string{"Sec-Fetch-Site": "cross-site"}},
				"sent by a neighbour":           {own, map[string]string{"Sec-Fetch-Site": "same-site"}},
				"sent from another origin":      {own, map[string]string{"Origin": "https://evil.example"}},
				"sent from an opaque origin":    {own, map[string]string{"Origin": "null"}},
				"sent from a look-alike origin": {own, map[string]string{"Origin": h.url + ".evil.example"}},
			} {
				form.Set("csrf", forged.token)
				if p := v.send(action, form, forged.header); p.status != http.StatusForbidden || !strings.Contains(p.body, "The form was not accepted") {
					t.Errorf("%s: %d %s", name, p.status, p.body)
				}
			}
			if after := list[storage.AuditEntry](h.world); len(after) != len(before) {
				t.Errorf("something was done: %v", after[len(before):])
			}
		})
	}
	v.get(h.url + "/account")
	v.at(t, "/account", http.StatusOK, "Name of wanda")
}

func TestAFormOfOurOwnIsAcceptedFromEveryBrowser(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	for name, header := range map[string]map[string]string{
		"new": {"Sec-Fetch-Site": "same-origin", "Origin": h.url}, "private": {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
		"old": {"Origin": h.url}, "very old": nil,
	} {
		v.get(h.url + "/account/profile")
		action, form := v.read("save-form", "save")
		if p := v.send(action, form, header); p.url != h.url+"/account?done=profile" {
			t.Errorf("a %s browser: %d %s", name, p.status, p.url)
		}
	}
}

func TestAFormIsGoodInItsSessionAfterAnotherPageWasOpened(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.get(h.url + "/login")
	action, form := v.read("login-form", "login")
	for _, path := range []string{"/login", "/account/forgot", "/logged-out"} {
		v.get(h.url + path)
	}
	form.Set("username", "wanda")
	form.Set("password", goodPassword)
	v.post(action, form, true)
	v.at(t, "/account", http.StatusOK, "Name of wanda")
}

// TestWhatPeopleWriteIsTextEverywhere is cross-site scripting: markup in every name and value that a page shows.
func TestWhatPeopleWriteIsTextEverywhere(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "\u202e{{.}}%s"
	h := newHouse(t)
	h.editDirectory(func(d *storage.Directory) {
		d.Name, d.Policy.SelfRegistration = evil, true
		d.Branding = storage.Branding{AccentColor: `red;}*{background:url(https://evil.example)}`, PolicyURL: "javascript:alert(1)", SupportURL: `"><script>`}
	})
	user := h.addMailedPerson("wanda")
	entry := must(storage.Get[storage.User](h.Context(), h.engine, storage.Key("default", user.ID)))(t)
	next := entry.Record
	next.Profile = storage.Profile{Name: evil, Nickname: evil, Gender: evil, Birthdate: evil, Locale: evil, Zoneinfo: evil, Picture: evil}
	must(entry.Replace(h.Context(), h.engine, next))(t)
	h.changeShop(func(c *storage.Client) { c.Name, c.Scopes = evil, append(c.Scopes, `<script>`) })
	v := h.visitor()
	see := func(p *page) {
		t.Helper()
		if p.status == http.StatusInternalServerError {
			t.Errorf("%s: %d", p.url, p.status)
		}
		doc := must(html.Parse(strings.NewReader(p.body)))(t)
		for _, n := range find(doc, func(*html.Node) bool { return true }) {
			if n.Data == "script" || has(n, "onerror") || n.Data == "img" || strings.HasPrefix(attribute(n, "href"), "javascript:") {
				t.Errorf("%s: %s %v", p.url, n.Data, n.Attr)
			}
		}
	}
	q := url.QueryEscape(evil)
	see(v.ask("login_hint", evil, "ui_locales", evil, "scope", "openid profile <script>", "state", evil))
	see(v.press("login-form", "login", "username", evil, "password", evil+"?"))
	see(v.signInAs("wanda"))
	see(v.press("consent-form", "allow"))
	for _, path := range []string{
		"/account?done=" + q, "/account/profile?ui_locales=" + q, "/account/username", "/account/password", "/account/email",
		"/account/email/confirm?proof=!" + q, "/account/reset?proof=!" + q, "/register", "/account/forgot", "/logged-out", "/login?interaction=!" + q,
		"/consent?interaction=!" + q, "/oauth2/authorize?client_id=" + q, "/oauth2/authorize?client_id=shop&redirect_uri=" + q,
	} {
		see(v.get(h.url + path))
	}
	v.get(h.url + "/account/profile")
	see(v.press("save-form", "save", "name", evil, "birthdate", evil))
	v.get(h.url + "/account/email")
	see(v.press("save-form", "save", "email", evil+"!", "current_password", goodPassword))
	see(v.ask("prompt", "select_account"))
	h.server.Wait()
	for _, mail := range h.mail.mails {
		if strings.ContainsAny(mail.Subject, "\r\n") {
			t.Errorf("subject %q", mail.Subject)
		}
	}
}

// TestNobodyIsSentAwayByAPage tries every way to make a page redirect to another site.
func TestNobodyIsSentAwayByAPage(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.enter("wanda")
	for _, evil := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "javascript:alert(1)", "\thttps://evil.example"} {
		for _, name := range []string{"next", "return_to", "returnTo", "continue", "redirect", "url", "done", "ui_locales", "interaction", "other", "proof"} {
			for _, path := range []string{"/login", "/consent", "/account", "/account/password", "/logged-out", "/register", "/account/reset"} {
				p := v.get(h.url + path + "?" + url.Values{name: {evil}}.Encode())
				if p.callback != "" {
					t.Fatalf("%s?%s=%s leads to %s", path, name, evil, p.callback)
				}
				for _, n := range find(v.document(), func(n *html.Node) bool { return has(n, "action") || has(n, "href") }) {
					if to := attribute(n, "action") + attribute(n, "href"); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) {
						t.Fatalf("%s?%s=%s has a link to %s", path, name, evil, to)
					}
				}
			}
		}
	}
}

func TestOnlyTheUsersOwnSessionsAndGrantsCanBeEnded(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	h.addPerson("mallory")
	wanda := h.visitor()
	wanda.ask()
	wanda.signInAs("wanda")
	wanda.press("consent-form", "allow")
	tokens := h.redeem("shop", wanda.code(), "redirect_uri", shopRedirect)
	id, _, _ := strings.Cut(wanda.cookies["mf-default"], ".")
	mallory := h.visitor()
	mallory.enter("mallory")
	_, form := mallory.read("sign-out-form", "sign-out")
	form.Set("session", id)
	form.Set("client", "shop")
	mallory.post(h.url+"/account/sessions", form, true)
	mallory.post(h.url+"/account/apps", form, true)
	wanda.get(h.url + "/account")
	wanda.at(t, "/account", http.StatusOK, "Name of wanda")
	if got := h.userinfo(tokens.text("access_token")); got.status != http.StatusOK {
		t.Errorf("UserInfo: %d", got.status)
	}
	for _, odd := range []string{"", "..", "../mallory", strings.Repeat("A", 22), "x/y", strings.Repeat("A", 4096)} {
		form.Set("session", odd)
		form.Set("client", odd)
		for _, path := range []string{"/account/sessions", "/account/apps"} {
			if p := mallory.post(h.url+path, form, true); p.status != http.StatusOK {
				t.Errorf("%s %q: %d", path, odd, p.status)
			}
		}
	}
	if user := must(h.people.VerifyPassword(h.Context(), "default", "mallory", goodPassword))(t).Record; len(user.ClientEpochs) != 0 {
		t.Errorf("clients that mallory never knew were counted: %v", user.ClientEpochs)
	}
}

func TestCookiesAreTheBrowsersAlone(t *testing.T) {
	h := newHouse(t)
	h.addPerson("wanda")
	v := h.visitor()
	v.get(h.url + "/login")
	first := ""
	for name, line := range v.set {
		if strings.HasPrefix(name, "mf-default.browser.") {
			first = line
		}
	}
	v.signInAs("wanda")
	for _, line := range []string{first, v.set["mf-default"], v.set["mf-default.device"]} {
		if line == "" {
			continue
		}
		if !strings.Contains(line, "HttpOnly") || !strings.Contains(line, "SameSite=Lax") || !strings.Contains(line, "Path=/") || strings.Contains(line, "Domain") {
			t.Errorf("cookie %q", line)
		}
	}
	if first == "" || v.cookies["mf-default"] == "" || v.cookies["mf-default.device"] == "" {
		t.Errorf("cookies %v", v.cookies)
	}
}

func TestARegistrationOfAnothersNameTakesNothing(t *testing.T) {
	h := newHouse(t)
	h.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	wanda := h.addPerson("wanda")
	v := h.visitor()
	for _, name := range []string{"wanda", "WANDA", "ｗanda"} {
		v.get(h.url + "/register")
		v.press("register-form", "register", "username", name, "new_password", "mallory's own password")
		v.at(t, "/register", http.StatusBadRequest, "Somebody has this username already.")
	}
	found := must(h.people.VerifyPassword(h.Context(), "default", "wanda", goodPassword))(t)
	if found.Record.ID != wanda.ID {
		t.Errorf("wanda is %s now", found.Record.ID)
	}
	if _, err := h.people.VerifyPassword(h.Context(), "default", "wanda", "mallory's own password"); err == nil {
		t.Error("wanda has mallory's password")
	}
}
