//go:build interop

package interop

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/examples/exampletest"
	"github.com/minifed/minifed/internal/chromiumtest"
)

// The full user has a name and an e-mail address, and signs in by a password.
const (
	username = "wangwei"
	password = "correct horse battery staple"
	fullName = "Wang Wei"
	email    = "wangwei@example.com"
)

// placeholderDomain is that of the addresses of users without one.
const placeholderDomain = "users.example.com"

// user is an end-user with a browser.
type user struct {
	*provider
	bare bool
	// browser is one without scripts; tab is that of Chromium, for single-page apps.
	browser *exampletest.Browser
	tab     *chromiumtest.Tab
	// asked counts the sign-ins at minifed.
	asked int
}

// newUser returns a user with a new browser.
func (p *provider) newUser(t *testing.T, party party, bare bool) *user {
	t.Helper()
	u := &user{provider: p, bare: bare, browser: exampletest.NewBrowser(t)}
	if party.scripts {
		chromium := chromiumtest.Start(t)
		u.tab = chromium.Open(chromium.Profile(), "about:blank")
	}
	return u
}

// visit opens an address, and does what minifed's pages ask for.
func (u *user) visit(t *testing.T, address string) exampletest.Page {
	t.Helper()
	if u.tab != nil {
		return u.visitTab(t, address)
	}
	return u.follow(t, u.browser.Open(t, address))
}

// subject returns the subject of the user.
func (u *user) subject() string {
	if u.bare {
		return u.bareSubject
	}
	return u.fullSubject
}

// follow does what minifed's pages ask for, until the browser is at a page of another program.
func (u *user) follow(t *testing.T, at exampletest.Page) exampletest.Page {
	t.Helper()
	const mostPages = 8
	for range mostPages {
		switch {
		case !strings.HasPrefix(at.URL.String(), u.minifed.Issuer+"/"):
			return at
		case strings.Contains(at.Body, `id="scan-form"`) && u.bare:
			u.asked++
			at = u.scan(t, u.browser.SubmitForm(t, at, "scan-form", nil, ""))
		case strings.Contains(at.Body, `id="login-form"`):
			u.asked++
			at = u.browser.SubmitForm(t, at, "login-form", map[string]string{"username": username, "password": password}, "")
		case strings.Contains(at.Body, `id="consent-form"`):
			at = u.browser.SubmitForm(t, at, "consent-form", nil, "allow")
		default:
			return at
		}
	}
	t.Fatalf("minifed shows page after page: %s", at.URL)
	return at
}

// scan signs in by the code that the page shows: the simulated phone scans it, and the backend of the mini-program sends the number.
func (u *user) scan(t *testing.T, at exampletest.Page) exampletest.Page {
	t.Helper()
	picture, err := at.URL.Parse(imageSource(t, at))
	if err != nil {
		t.Fatal(err)
	}
	scene := u.wechat.Scan(t, []byte(u.browser.Open(t, picture.String()).Body))
	u.backend(t, "seen", url.Values{"scene": {scene}})
	at = u.browser.Open(t, at.URL.String())
	_, rest, _ := strings.Cut(at.Body, `id="number" role="status">`)
	number, _, _ := strings.Cut(rest, "<")
	u.backend(t, "approve", url.Values{"scene": {scene}, "number": {number}, "confirmed": {"true"}, "code": {u.wechat.Login(bareUser)}})
	return u.browser.Open(t, at.URL.String())
}

func imageSource(t *testing.T, at exampletest.Page) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(at.Body))
	if err != nil {
		t.Fatal(err)
	}
	for node := range root.Descendants() {
		for _, a := range node.Attr {
			if node.Data == "img" && a.Key == "src" && strings.Contains(a.Val, "picture") {
				return a.Val
			}
		}
	}
	t.Fatalf("no picture at %s:\n%s", at.URL, at.Body)
	return ""
}

// backend sends a request of the mini-program's backend about a scan.
func (u *user) backend(t *testing.T, act string, form url.Values) {
	t.Helper()
	request := exampletest.Form(t, u.minifed.Issuer+"/federation/wechat/miniapp/scan/"+act, form)
	request.SetBasicAuth(url.QueryEscape(u.miniProgram.ID), url.QueryEscape(u.miniProgram.Secret))
	if body := exampletest.Do(t, request); !json.Valid(body) {
		t.Fatalf("%s: %s", act, body)
	}
}
