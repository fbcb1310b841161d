package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/internal/chromiumtest"
	"github.com/minifed/minifed/storage"
)

// TestChromium_SetsUpAndSignsIn sets up the methods of a user in a browser with a virtual authenticator, signs in with them, and
// checks their pages.
func TestChromium_SetsUpAndSignsIn(t *testing.T) {
	ts := newPasskeyServer(t, storage.TwoFactorRequired)
	user := ts.addPasswordUser("wanda")
	c := chromiumtest.Start(t)
	tb := c.Open(c.Profile(), "about:blank")
	tb.Passkeys()
	look := func(name string) {
		t.Helper()
		for _, problem := range tb.AccessibilityProblems() {
			t.Errorf("%s: %s", name, problem)
		}
		if folder := os.Getenv("MINIFED_TEST_PICTURES"); folder != "" {
			for _, dark := range []bool{false, true} {
				tb.Dark(dark)
				file := filepath.Join(folder, name+map[bool]string{true: "-dark"}[dark]+".png")
				check(t, os.WriteFile(file, tb.Picture(), 0o600))
			}
		}
	}
	// 1. The first sign-in sets up a passkey.
	tb.Navigate(ts.url + "/login")
	signInAt(tb, "wanda")
	tb.Wait(`a[href*="/account/passkeys/new"]`)
	look("setup")
	tb.Evaluate(`document.querySelector('a[href*="/account/passkeys/new"]').click()`)
	tb.Wait("#passkey")
	look("passkey-new")
	tb.Press("passkey")
	tb.Wait("#sign-out")
	look("account")
	must(ts.identities.SetEmail(t.Context(), "default", user.ID, "wanda@example.com", identity.System))(t)
	check(t, ts.config.Audit.Flush(t.Context()))
	for _, locale := range []string{"en", "zh-CN"} {
		for _, name := range []string{"", "/identities", "/sign-ins", "/apps", "/export"} {
			for _, phone := range []bool{false, true} {
				tb.Screen(map[bool]int{true: 390, false: 1200}[phone], 900, phone)
				tb.Navigate(ts.url + "/account" + name + "?ui_locales=" + locale)
				tb.Wait("h1")
				look("account" + strings.ReplaceAll(name, "/", "-") + "-" + locale + map[bool]string{true: "-phone"}[phone])
			}
		}
	}
	tb.Screen(1200, 900, false)
	tb.Dark(false)
	tb.Navigate(ts.url + "/account?ui_locales=en")
	// 2. The account page adds an app, and says why the same passkey is not added twice.
	tb.Navigate(ts.url + "/account/totp/new")
	tb.Wait("#verify")
	look("totp-new")
	app := &authenticatorApp{pageTestServer: ts, secret: decodeSecret(t, tb.Evaluate(`document.getElementById("secret").textContent`))}
	tb.Fill("code", app.code(0))
	tb.Press("verify")
	tb.Wait("#continue")
	look("recovery-codes")
	tb.Press("continue")
	tb.Wait("#recovery")
	look("totp")
	tb.Navigate(ts.url + "/account/passkeys")
	tb.Wait("#remove-0")
	look("passkeys")
	tb.Navigate(ts.url + "/account/passkeys/new")
	tb.Wait("#passkey")
	tb.Press("passkey")
	tb.Wait("#passkey-known:not([hidden])")
	look("passkey-known")
	// 3. The passkey signs in.
	tb.Navigate(ts.url + "/account")
	tb.Wait("#sign-out")
	tb.Press("sign-out")
	tb.Wait("body:not(:has(#sign-out)) h1") // Of the next page.
	tb.Navigate(ts.url + "/login")
	tb.Wait(`a[href*="/login/passkey"]`)
	look("login")
	tb.Evaluate(`document.querySelector('a[href*="/login/passkey"]').click()`)
	tb.Wait("#passkey")
	look("passkey-login")
	tb.Press("passkey")
	tb.Wait("#sign-out")
	if stored := list[storage.Passkey](ts.testServer); len(stored) != 1 || stored[0].UsedAt.IsZero() || !strings.Contains(stored[0].Name, "Chrome") {
		t.Errorf("stored: %+v", stored)
	}
	// 4. The app signs in.
	tb.Press("sign-out")
	tb.Wait("body:not(:has(#sign-out)) h1")
	ts.clock.Advance(time.Minute)
	tb.Navigate(ts.url + "/login")
	signInAt(tb, "wanda")
	tb.Wait("#verify")
	look("code")
	tb.Fill("code", app.code(0))
	tb.Press("verify")
	tb.Wait("#sign-out")
}
