package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/storage"
)

// TestPages_OfMethodsAreAccessibleInEveryLanguage opens the pages of passkeys and of the authenticator app.
func TestPages_OfMethodsAreAccessibleInEveryLanguage(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorRequired)
	for _, locale := range []string{"en", "zh-CN"} {
		t.Run(locale, func(t *testing.T) {
			name := "w" + strings.ToLower(locale)
			ts.addEmailUser(name)
			see := func(p *page, path string, status int) {
				t.Helper()
				b := &formBrowser{&browser{testServer: ts.testServer, page: p}, ts}
				b.wantAt(t, path, status, "")
				checkPage(t, p, locale)
				want := "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'"
				if strings.Contains(p.body, "<script") {
					want += "; script-src 'self'"
				}
				if got := p.header.Get("Content-Security-Policy"); got != want+"; form-action 'self'" {
					t.Errorf("%s: Content-Security-Policy is %q", path, got)
				}
			}
			at := func(path string) string { return ts.url + path + "?ui_locales=" + locale }
			b, a := ts.newFormBrowser(), ts.newAuthenticator()
			// 1. The first method.
			b.get(at("/login"))
			see(b.signInAs(name), "/login/setup", http.StatusOK)
			setup := b.page.url
			to := func(path string) string { return strings.Replace(setup, "/login/setup", path, 1) }
			see(b.get(to("/account/passkeys/new")), "/account/passkeys/new", http.StatusOK)
			see(b.press("passkey-form", "passkey"), "/account/passkeys/new", http.StatusBadRequest)
			see(b.get(to("/account/totp/new")), "/account/totp/new", http.StatusOK)
			app := b.scanApp()
			see(b.press("verify-form", "verify", "code", "000000"), "/account/totp/new", http.StatusBadRequest)
			if again := b.scanApp(); string(again.secret) != string(app.secret) {
				t.Error("the page of a wrong code has another secret")
			}
			see(b.press("verify-form", "verify", "code", app.code(0)), "/account/totp/new", http.StatusOK)
			see(b.get(b.link("continue")), "/account", http.StatusOK)
			// 2. The account.
			see(b.get(at("/account/totp")), "/account/totp", http.StatusOK)
			see(b.press("remove-form", "remove"), "/account/totp/remove", http.StatusConflict)
			b.get(at("/account/passkeys/new"))
			see(b.press("passkey-form", "passkey", "credential", a.create(b.passkeyOptions())), "/account", http.StatusOK)
			see(b.get(at("/account/passkeys")), "/account/passkeys", http.StatusOK)
			ts.clock.Advance(6 * time.Minute)
			see(b.press("remove-0-form", "remove-0"), "/account/passkeys/remove", http.StatusForbidden)
			// 3. The sign-in.
			next := ts.newFormBrowser()
			see(next.get(at("/login/passkey")), "/login/passkey", http.StatusOK)
			see(next.press("passkey-form", "passkey", "credential", "{}"), "/login/passkey", http.StatusBadRequest)
			next.get(at("/login"))
			see(next.signInAs(name), "/login/code", http.StatusOK)
			see(next.press("verify-form", "verify", "code", "1"), "/login/code", http.StatusBadRequest)
			see(next.get(strings.Replace(next.page.url, "/login/code?", "/login/code?recovery=1&", 1)), "/login/code", http.StatusOK)
		})
	}
}

// TestPasskeyPage_ExplainsWhatToDoWithoutScripts submits the page as a browser without scripts does.
func TestPasskeyPage_ExplainsWhatToDoWithoutScripts(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorOptional)
	b := ts.newFormBrowser()
	if first := b.get(ts.url + "/login/passkey"); len(first.header.Values("Set-Cookie")) != 1 {
		t.Errorf("cookies: %v", first.header.Values("Set-Cookie"))
	}
	hints := findElements(b.document(), func(n *html.Node) bool { return n.Data == "noscript" })
	if len(hints) != 1 || !strings.Contains(b.page.body, "Passkeys need JavaScript") {
		t.Errorf("%d hints: %s", len(hints), b.page.body)
	}
	b.press("passkey-form", "passkey")
	b.wantAt(t, "/login/passkey", http.StatusBadRequest, "Passkeys need JavaScript: turn it on, or use a password")
}
