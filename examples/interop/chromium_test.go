//go:build interop

package interop

import (
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/examples/exampletest"
)

// visitTab opens an address in the tab and does what minifed's pages ask for, until the program shows an element with the ID done.
func (u *user) visitTab(t *testing.T, address string) exampletest.Page {
	t.Helper()
	u.tab.Evaluate(`document.querySelectorAll("#done").forEach((shown) => { shown.id = "old" })`)
	u.tab.Navigate(address)
	const mostPages = 8
	for range mostPages {
		u.tab.Wait("#login-form, #consent-form, #done")
		switch {
		case u.shows("done"):
			return u.page(t)
		case u.shows("consent-form"):
			u.tab.Evaluate(`(() => { document.getElementById("consent-form").id = "sent"; document.getElementById("allow").click() })()`)
		case u.bare:
			u.asked++
			u.scanTab(t)
		default:
			u.asked++
			u.tab.Fill("username", username)
			u.tab.Fill("password", password)
			u.tab.Evaluate(`(() => { const form = document.getElementById("login-form"); form.id = "sent"; form.requestSubmit() })()`)
		}
	}
	t.Fatalf("minifed shows page after page: %s", u.tab.Evaluate("location.href"))
	return exampletest.Page{}
}

func (u *user) shows(id string) bool {
	return u.tab.Evaluate(`document.getElementById("`+id+`") !== null`) == "true"
}

// page returns what the program shows.
func (u *user) page(t *testing.T) exampletest.Page {
	t.Helper()
	at, err := url.Parse(u.tab.Evaluate("location.href"))
	if err != nil {
		t.Fatal(err)
	}
	return exampletest.Page{URL: at, Body: u.tab.Evaluate(`document.getElementById("done").textContent`)}
}

// scanTab signs in by the code that the tab shows.
func (u *user) scanTab(t *testing.T) {
	t.Helper()
	u.tab.Evaluate(`document.getElementById("login-form").id = "sent"`)
	u.tab.Press("scan")
	u.tab.Wait("#picture")
	scene := u.wechat.Scan(t, u.tab.Image("picture"))
	u.backend(t, "seen", url.Values{"scene": {scene}})
	u.tab.Wait("#number")
	number := strings.TrimSpace(u.tab.Evaluate(`document.getElementById("number").textContent`))
	u.backend(t, "approve", url.Values{"scene": {scene}, "number": {number}, "confirmed": {"true"}, "code": {u.wechat.Login(bareUser)}})
}
