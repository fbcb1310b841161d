package server_test

import (
	"net/http"
	"testing"

	"github.com/minifed/minifed/internal/chromiumtest"
)

// TestChromium_DeviceStoryIsAccessible follows a user from the scan of a device's code to its tokens: on a phone in English, and in the
// dark in Chinese.
func TestChromium_DeviceStoryIsAccessible(t *testing.T) {
	ts := newDeviceServer(t)
	c := chromiumtest.Start(t)
	profile := c.Profile()
	for _, locale := range []string{"en", "zh-CN"} {
		tab := c.Open(profile, "about:blank")
		tab.Screen(390, 844, true)
		tab.Dark(locale != "en")
		see := func(name, selector string) {
			t.Helper()
			tab.Wait(selector)
			for _, problem := range tab.AccessibilityProblems() {
				t.Errorf("%s, %s: %s", locale, name, problem)
			}
			if wide := tab.Evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"); wide == "true" {
				t.Errorf("%s, %s: the page is wider than the phone", locale, name)
			}
		}
		d := ts.newDevice("openid profile offline_access")
		end := d.user[len(d.user)-2:]
		tab.Navigate(d.scanned + "&ui_locales=" + locale)
		see("scanned", "#end")
		tab.Fill("end", "AA")
		tab.Press("device")
		see("letters of another device", "[role=alert]")
		tab.Fill("end", end)
		tab.Press("device")
		if locale == "en" { // The second device is allowed in the same session.
			signInAt(tab, "wanda")
		}
		see("decision", "#allow")
		tab.Press("allow")
		see("allowed", "h1")
		tab.WaitForURL(ts.url + "/device?done=allowed")
		if a := d.poll(); a.status != http.StatusOK || a.member("refresh_token") == "" {
			t.Errorf("%s: %d %s", locale, a.status, a.raw)
		}
	}
}
