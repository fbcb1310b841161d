package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// postingForms returns all forms of the pages: the path to each for a signed-in user, and the IDs of form and button.
func postingForms() []struct{ name, path, form, button string } {
	return []struct{ name, path, form, button string }{
		{"login", "/login?other=1", "login-form", "login"},
		{"registration", "/register", "register-form", "register"},
		{"forgotten password", "/account/forgot", "send-form", "send"},
		{"profile", "/account/profile", "save-form", "save"},
		{"username", "/account/username", "save-form", "save"},
		{"password", "/account/password", "save-form", "save"},
		{"e-mail address", "/account/email", "save-form", "save"},
		{"phone number", "/account/phone", "send-form", "send"},
		{"removal of the phone number", "/account/phone?remove=1", "remove-form", "remove"},
		{"removal of the e-mail address", "/account/email?remove=1", "remove-form", "remove"},
		{"identities", "/account/identities", "remove-0-form", "remove-0"},
		{"passkeys", "/account/passkeys", "remove-0-form", "remove-0"},
		{"new passkey", "/account/passkeys/new", "passkey-form", "passkey"},
		{"new authenticator app", "/account/totp/new", "verify-form", "verify"},
		{"recovery codes", "/account/totp", "recovery-form", "recovery"},
		{"removal of the authenticator app", "/account/totp", "remove-form", "remove"},
		{"sign-ins", "/account/sign-ins", "not-me-1-form", "not-me-1"},
		{"other sessions", "/account", "others-form", "others"},
		{"export", "/account/export", "export-form", "export"},
		{"deletion", "/account/delete", "delete-account-form", "delete-account"},
		{"sign out", "/account", "sign-out-form", "sign-out"},
		{"sign out everywhere", "/account", "sign-out-everywhere-form", "sign-out-everywhere"},
	}
}

// postWithHeaders posts a form with headers as a browser sends it.
func (b *formBrowser) postWithHeaders(address string, form url.Values, header map[string]string) *page {
	b.Helper()
	request := must(http.NewRequestWithContext(b.Context(), http.MethodPost, address, strings.NewReader(form.Encode())))(b.T)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	return b.open(request, true)
}

// TestForms_RejectCrossSiteRequest tries CSRF at every form.
func TestForms_RejectCrossSiteRequest(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorOptional)
	ts.editDirectory(func(d *storage.Directory) {
		d.Policy.SelfRegistration, d.SMS.Provider = true, storage.SMSLog
		d.SignInMethods = []string{storage.SignInPassword, storage.SignInPhoneCode}
	})
	ts.addDirectory(storage.Directory{ID: "tea", Name: "Tea"})
	wanda := ts.addEmailUser("wanda")
	must(ts.identities.ProvePhone(t.Context(), "default", wanda.ID, annNumber, identity.Self(wanda.ID)))(t)
	check(t, ts.identities.AddPasskey(t.Context(), ts.storedUser(wanda.ID), storage.Passkey{RPID: "localhost", CredentialID: []byte("key")}, identity.System))
	ts.newFormBrowser().signInToAccount("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	check(t, ts.config.Audit.Flush(t.Context()))
	check(t, ts.identities.SetTOTP(t.Context(), ts.storedUser(wanda.ID), storage.TOTP{Secret: "sealed"}, identity.System))
	otherBrowser := ts.newFormBrowser()
	otherBrowser.get(ts.url + "/login")
	_, theirs := otherBrowser.readForm("login-form", "login")
	b.get(ts.url + "/d/tea/login")
	_, elsewhere := b.readForm("login-form", "login")
	for _, posted := range postingForms() {
		t.Run(posted.name, func(t *testing.T) {
			b.get(ts.url + posted.path)
			action, form := b.readForm(posted.form, posted.button)
			own := form.Get("csrf")
			before := list[storage.AuditEntry](ts.testServer)
			for name, forged := range map[string]struct {
				token  string
				header map[string]string
			}{
				"no token":                      {"", nil},
				"a forged token":                {"AAAA", nil},
				"another browser's token":       {theirs.Get("csrf"), nil},
				"another directory's token":     {elsewhere.Get("csrf"), nil},
				"a token cut short":             {own[:len(own)-2], nil},
				"sent by another site":          {own, map[string]string{"Sec-Fetch-Site": "cross-site"}},
				"sent by a neighbour":           {own, map[string]string{"Sec-Fetch-Site": "same-site"}},
				"sent from another origin":      {own, map[string]string{"Origin": "https://evil.example"}},
				"sent from an opaque origin":    {own, map[string]string{"Origin": "null"}},
				"sent from a look-alike origin": {own, map[string]string{"Origin": ts.url + ".evil.example"}},
			} {
				form.Set("csrf", forged.token)
				if p := b.postWithHeaders(action, form, forged.header); p.status != http.StatusForbidden || !strings.Contains(p.body, "The form was not accepted") {
					t.Errorf("%s: %d %s", name, p.status, p.body)
				}
			}
			if after := list[storage.AuditEntry](ts.testServer); len(after) != len(before) {
				t.Errorf("something was done: %v", after[len(before):])
			}
		})
	}
	b.get(ts.url + "/account")
	b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
}

func TestForms_AcceptSameOriginFromEveryBrowser(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for name, header := range map[string]map[string]string{
		"new": {"Sec-Fetch-Site": "same-origin", "Origin": ts.url}, "private": {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
		"old": {"Origin": ts.url}, "very old": nil,
	} {
		b.get(ts.url + "/account/profile")
		action, form := b.readForm("save-form", "save")
		if p := b.postWithHeaders(action, form, header); p.url != ts.url+"/account?done=profile" {
			t.Errorf("a %s browser: %d %s", name, p.status, p.url)
		}
	}
}

func TestForms_StayValidAfterAnotherPageOpens(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	action, form := b.readForm("login-form", "login")
	for _, path := range []string{"/login", "/account/forgot", "/logged-out"} {
		b.get(ts.url + path)
	}
	form.Set("username", "wanda")
	form.Set("password", goodPassword)
	b.post(action, form, true)
	b.wantAt(t, "/account", http.StatusOK, "Name of wanda")
}

// TestPages_EscapeUserText tries cross-site scripting: markup in every name and value that a page shows.
func TestPages_EscapeUserText(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "\u202e{{.}}%s"
	ts := newPageTestServer(t)
	ts.editDirectory(func(d *storage.Directory) {
		d.Name, d.Policy.SelfRegistration = evil, true
		d.Branding = storage.Branding{AccentColor: `red;}*{background:url(https://evil.example)}`, PolicyURL: "javascript:alert(1)", SupportURL: `"><script>`}
	})
	user := ts.addEmailUser("wanda")
	entry := must(storage.Get[storage.User](ts.Context(), ts.engine, storage.Key("default", user.ID)))(t)
	next := entry.Record
	next.Profile = storage.Profile{Name: evil, Nickname: evil, Gender: evil, Birthdate: evil, Locale: evil, Zoneinfo: evil, Picture: evil}
	must(entry.Replace(ts.Context(), ts.engine, next))(t)
	ts.changeShop(func(c *storage.Client) { c.Name, c.Scopes = evil, append(c.Scopes, `<script>`) })
	b := ts.newFormBrowser()
	see := func(p *page) {
		t.Helper()
		if p.status == http.StatusInternalServerError {
			t.Errorf("%s: %d", p.url, p.status)
		}
		doc := must(html.Parse(strings.NewReader(p.body)))(t)
		for _, n := range findElements(doc, func(*html.Node) bool { return true }) {
			if n.Data == "script" || hasAttribute(n, "onerror") || n.Data == "img" || strings.HasPrefix(attribute(n, "href"), "javascript:") {
				t.Errorf("%s: %s %v", p.url, n.Data, n.Attr)
			}
		}
	}
	q := url.QueryEscape(evil)
	see(b.openAuthorize("login_hint", evil, "ui_locales", evil, "scope", "openid profile <script>", "state", evil))
	see(b.press("login-form", "login", "username", evil, "password", evil+"?"))
	see(b.signInAs("wanda"))
	see(b.press("consent-form", "allow"))
	for _, path := range []string{
		"/account?done=" + q, "/account/profile?ui_locales=" + q, "/account/username", "/account/password", "/account/email",
		"/account/email/confirm?proof=!" + q, "/account/reset?proof=!" + q, "/register", "/account/forgot", "/logged-out", "/login?interaction=!" + q,
		"/consent?interaction=!" + q, "/oauth2/authorize?client_id=" + q, "/oauth2/authorize?client_id=shop&redirect_uri=" + q,
	} {
		see(b.get(ts.url + path))
	}
	b.get(ts.url + "/account/profile")
	see(b.press("save-form", "save", "name", evil, "birthdate", evil))
	b.get(ts.url + "/account/email")
	see(b.press("save-form", "save", "email", evil+"!", "current_password", goodPassword))
	see(b.openAuthorize("prompt", "select_account"))
	ts.server.Wait()
	for _, mail := range ts.mailbox.mails {
		if strings.ContainsAny(mail.Subject, "\r\n") {
			t.Errorf("subject %q", mail.Subject)
		}
	}
}

// TestPages_HaveNoOpenRedirect tries every way to make a page redirect to another site.
func TestPages_HaveNoOpenRedirect(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.signInToAccount("wanda")
	for _, evil := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "javascript:alert(1)", "\thttps://evil.example"} {
		for _, name := range []string{"next", "return_to", "returnTo", "continue", "redirect", "url", "done", "ui_locales", "interaction", "other", "proof"} {
			for _, path := range []string{"/login", "/consent", "/account", "/account/password", "/logged-out", "/register", "/account/reset"} {
				p := b.get(ts.url + path + "?" + url.Values{name: {evil}}.Encode())
				if p.callback != "" {
					t.Fatalf("%s?%s=%s leads to %s", path, name, evil, p.callback)
				}
				for _, n := range findElements(b.document(), func(n *html.Node) bool { return hasAttribute(n, "action") || hasAttribute(n, "href") }) {
					if to := attribute(n, "action") + attribute(n, "href"); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) {
						t.Fatalf("%s?%s=%s has a link to %s", path, name, evil, to)
					}
				}
			}
		}
	}
}

func TestAccount_CannotEndOtherUsersSessionsOrGrants(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	ts.addPasswordUser("mallory")
	wanda := ts.newFormBrowser()
	wanda.openAuthorize()
	wanda.signInAs("wanda")
	wanda.press("consent-form", "allow")
	tokens := ts.redeem("shop", wanda.code(), "redirect_uri", shopRedirect)
	id, _, _ := strings.Cut(wanda.cookies["mf-default"], ".")
	mallory := ts.newFormBrowser()
	mallory.signInToAccount("mallory")
	_, form := mallory.readForm("sign-out-form", "sign-out")
	form.Set("session", id)
	form.Set("client", "shop")
	mallory.post(ts.url+"/account/sessions", form, true)
	mallory.post(ts.url+"/account/apps", form, true)
	wanda.get(ts.url + "/account")
	wanda.wantAt(t, "/account", http.StatusOK, "Name of wanda")
	if got := ts.userinfo(tokens.member("access_token")); got.status != http.StatusOK {
		t.Errorf("UserInfo: %d", got.status)
	}
	for _, odd := range []string{"", "..", "../mallory", strings.Repeat("A", 22), "x/y", strings.Repeat("A", 4096)} {
		form.Set("session", odd)
		form.Set("client", odd)
		for _, path := range []string{"/account/sessions", "/account/apps"} {
			if p := mallory.post(ts.url+path, form, true); p.status != http.StatusOK {
				t.Errorf("%s %q: %d", path, odd, p.status)
			}
		}
	}
	if user := must(ts.identities.VerifyPassword(ts.Context(), "default", "mallory", goodPassword))(t).Record; len(user.ClientEpochs) != 0 {
		t.Errorf("clients that mallory never knew were counted: %v", user.ClientEpochs)
	}
}

func TestCookies_HaveProtectiveAttributes(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	b.get(ts.url + "/login")
	first := ""
	for name, line := range b.set {
		if strings.HasPrefix(name, "mf-default.browser.") {
			first = line
		}
	}
	b.signInAs("wanda")
	for _, line := range []string{first, b.set["mf-default"], b.set["mf-default.device"]} {
		if line == "" {
			continue
		}
		if !strings.Contains(line, "HttpOnly") || !strings.Contains(line, "SameSite=Lax") || !strings.Contains(line, "Path=/") || strings.Contains(line, "Domain") {
			t.Errorf("cookie %q", line)
		}
	}
	if first == "" || b.cookies["mf-default"] == "" || b.cookies["mf-default.device"] == "" {
		t.Errorf("cookies %v", b.cookies)
	}
}

func TestRegistration_OfTakenNameChangesNothing(t *testing.T) {
	ts := newPageTestServer(t)
	ts.editDirectory(func(d *storage.Directory) { d.Policy.SelfRegistration = true })
	wanda := ts.addPasswordUser("wanda")
	b := ts.newFormBrowser()
	for _, name := range []string{"wanda", "WANDA", "ｗanda"} {
		b.get(ts.url + "/register")
		b.press("register-form", "register", "username", name, "new_password", "mallory's own password")
		b.wantAt(t, "/register", http.StatusBadRequest, "This username is already in use.")
	}
	found := must(ts.identities.VerifyPassword(ts.Context(), "default", "wanda", goodPassword))(t)
	if found.Record.ID != wanda.ID {
		t.Errorf("wanda is %s now", found.Record.ID)
	}
	if _, err := ts.identities.VerifyPassword(ts.Context(), "default", "wanda", "mallory's own password"); err == nil {
		t.Error("wanda has mallory's password")
	}
}
