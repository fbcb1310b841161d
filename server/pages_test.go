package server_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/mail"
	"github.com/minifed/minifed/storage"
)

// mailbox stores mail instead of sending it.
type mailbox struct {
	mu    sync.Mutex
	mails []mail.Message
}

func (m *mailbox) Send(_ context.Context, message mail.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, message)
	return nil
}

// serverConfig is the configuration of a server.
type serverConfig = server.Config

// breachedList are passwords that attackers know.
type breachedList []string

func (l breachedList) Breached(_ context.Context, password string) (bool, error) {
	return slices.Contains(l, password), nil
}

// cheapArgon2 returns the cheapest parameters of argon2id: tests have nothing to protect.
func cheapArgon2() identity.Argon2 { return identity.Argon2{Memory: 8, Time: 1, Threads: 1} }

func teaDirectory() storage.Directory { return storage.Directory{ID: "tea", Name: "Tea"} }

// pageTestServer is a test server with the real pages, a mailbox, the client "shop", and users who have passwords.
type pageTestServer struct {
	*testServer
	identities *identity.Service
	mailbox    *mailbox
}

const (
	shopRedirect = "https://shop.example/callback"
	goodPassword = "correct horse battery"
)

func newPageTestServer(t *testing.T, edits ...func(*server.Config)) *pageTestServer {
	t.Helper()
	return pageTestServerOn(newTestServer(t), edits...)
}

// pageTestServerOn creates a page test server from a test server.
func pageTestServerOn(base *testServer, edits ...func(*server.Config)) *pageTestServer {
	t := base.T
	t.Helper()
	ts := &pageTestServer{testServer: base, mailbox: new(mailbox)}
	ts.identities = must(identity.New(identity.Config{
		Engine: ts.engine, Audit: ts.config.Audit, Now: ts.clock.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler), Argon2: cheapArgon2(),
	}))(t)
	listener := httptest.NewUnstartedServer(nil)
	ts.url = "http://" + listener.Listener.Addr().String()
	ts.config.PublicURL, ts.config.Mailer = ts.url, ts.mailbox
	for _, edit := range edits {
		edit(&ts.config)
	}
	ts.server = must(server.New(ts.config))(t)
	listener.Config.Handler = ts.leakChecker.wrap(ts.server)
	listener.Start()
	t.Cleanup(func() {
		listener.Close()
		ts.server.Wait()
	})
	ts.addClient("shop", func(c *storage.Client) {
		c.Name, c.RedirectURIs, c.Scopes = "Tea & Co", []string{shopRedirect}, append(c.Scopes, "orders", "urn:minifed:link")
		c.AccountLinking = true
	})
	return ts
}

// addPasswordUser creates a user with a password.
func (ts *pageTestServer) addPasswordUser(username string) storage.User {
	ts.Helper()
	account := identity.Account{Username: username, Password: goodPassword, Profile: storage.Profile{Name: "Name of " + username}}
	return must(ts.identities.Create(ts.Context(), "default", account, identity.System))(ts.T).Record
}

// addEmailUser creates a user with a password and a verified address.
func (ts *pageTestServer) addEmailUser(username string) storage.User {
	ts.Helper()
	user := ts.addPasswordUser(username)
	return must(ts.identities.SetEmail(ts.Context(), "default", user.ID, username+"@example.com", identity.System))(ts.T).Record
}

// editDirectory changes the default directory, and waits until the server has loaded it.
func (ts *pageTestServer) editDirectory(edit func(*storage.Directory)) {
	ts.Helper()
	editRecord(ts.testServer, "default", edit)
	ts.clock.Advance(6 * time.Second)
}

// mailTo returns the messages that were sent to an address so far, without those about new browsers: see noticesTo.
func (ts *pageTestServer) mailTo(to string) []mail.Message {
	return slices.DeleteFunc(ts.allMailTo(to), isNewBrowser)
}

// noticesTo returns the messages about new browsers that were sent to an address.
func (ts *pageTestServer) noticesTo(to string) []mail.Message {
	return slices.DeleteFunc(ts.allMailTo(to), func(message mail.Message) bool { return !isNewBrowser(message) })
}

func (ts *pageTestServer) allMailTo(to string) []mail.Message {
	ts.server.Wait()
	ts.mailbox.mu.Lock()
	defer ts.mailbox.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ts.mailbox.mails), func(message mail.Message) bool { return message.To != to })
}

func isNewBrowser(message mail.Message) bool {
	return strings.HasPrefix(message.Subject, "A new browser")
}

// linkIn returns the link in a message.
func linkIn(t *testing.T, message mail.Message) string {
	t.Helper()
	for line := range strings.Lines(message.Text) {
		if strings.HasPrefix(line, "http") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no link in %q", message.Text)
	return ""
}

// formBrowser is a browser that uses the pages as they are: it sends only what is in a form.
type formBrowser struct {
	*browser
	pageServer *pageTestServer
}

func (ts *pageTestServer) newFormBrowser() *formBrowser { return &formBrowser{ts.newBrowser(), ts} }

// openAuthorize opens an authorization request of shop.
func (b *formBrowser) openAuthorize(further ...string) *page {
	b.Helper()
	return b.get(b.authorizeURL("shop", append([]string{"redirect_uri", shopRedirect}, further...)...))
}

// document is the page as a tree.
func (b *formBrowser) document() *html.Node {
	b.Helper()
	return must(html.Parse(strings.NewReader(b.page.body)))(b.T)
}

// press fills in fields of the form with that ID and presses a button of it, by the button's ID.
func (b *formBrowser) press(form, button string, fields ...string) *page {
	b.Helper()
	action, values := b.readForm(form, button)
	for i := 0; i < len(fields); i += 2 {
		if !values.Has(fields[i]) {
			b.Fatalf("the form %s has no field %s", form, fields[i])
		}
		values.Set(fields[i], fields[i+1])
	}
	return b.post(action, values, true)
}

// readForm returns the target of a form and what it sends when that button is pressed.
func (b *formBrowser) readForm(form, button string) (action string, values url.Values) {
	b.Helper()
	found := findElements(b.document(), func(n *html.Node) bool { return n.Data == "form" && attribute(n, "id") == form })
	if len(found) != 1 || attribute(found[0], "method") != "post" {
		b.Fatalf("%d forms %s at %d %s\n%s", len(found), form, b.page.status, b.page.url, b.page.body)
	}
	action = must(must(url.Parse(b.page.url))(b.T).Parse(attribute(found[0], "action")))(b.T).String()
	values = url.Values{}
	pressed := false
	for _, n := range findElements(found[0], func(n *html.Node) bool { return n.Data == "input" || n.Data == "button" }) {
		name, kind := attribute(n, "name"), attribute(n, "type")
		switch {
		case n.Data == "button" && attribute(n, "id") != button:
		case n.Data == "button":
			pressed = kind == "submit"
			if name != "" {
				values.Add(name, attribute(n, "value"))
			}
		case kind == "checkbox" && !hasAttribute(n, "checked"):
		default:
			values.Add(name, attribute(n, "value"))
		}
	}
	if !pressed {
		b.Fatalf("the form %s has no button %s", form, button)
	}
	return action, values
}

// signInAs submits a username and the right password on the login page.
func (b *formBrowser) signInAs(username string) *page {
	b.Helper()
	return b.press("login-form", "login", "username", username, "password", goodPassword)
}

// signInToAccount signs a user in to the account page.
func (b *formBrowser) signInToAccount(username string) *page {
	b.Helper()
	b.get(b.pageServer.url + "/login")
	b.signInAs(username)
	if b.page.url != b.pageServer.url+"/account" || b.page.status != http.StatusOK {
		b.Fatalf("%s is not at the account page: %d %s\n%s", username, b.page.status, b.page.url, b.page.body)
	}
	return b.page
}

// wantAt asserts the path of the current page, and that it has a text.
func (b *formBrowser) wantAt(t *testing.T, path string, status int, text string) {
	t.Helper()
	got := must(url.Parse(b.page.url))(t).Path
	if b.page.callback != "" || got != path || b.page.status != status || !strings.Contains(textOf(b.document()), text) {
		t.Errorf("at %d %s %s, want %d %s with %q\n%s", b.page.status, got, b.page.callback, status, path, text, b.page.body)
	}
}

func findElements(n *html.Node, matches func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && matches(d) {
			found = append(found, d)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttribute(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// textOf returns the readable text of a node.
func textOf(n *html.Node) string {
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			text.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
