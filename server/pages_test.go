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

// mailbox keeps mail instead of sending it.
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

// serverConfig is what a house is configured by.
type serverConfig = server.Config

// breachedList are passwords that attackers know.
type breachedList []string

func (l breachedList) Breached(_ context.Context, password string) (bool, error) {
	return slices.Contains(l, password), nil
}

// cheapArgon2 hashes as fast as argon2id can: there is nothing to protect.
func cheapArgon2() identity.Argon2 { return identity.Argon2{Memory: 8, Time: 1, Threads: 1} }

func tea() storage.Directory { return storage.Directory{ID: "tea", Name: "Tea"} }

// house is a world whose pages are the real ones, with a mailbox, the client "shop", and people who have passwords.
type house struct {
	*world
	people *identity.Service
	mail   *mailbox
}

const (
	shopRedirect = "https://shop.example/callback"
	goodPassword = "correct horse battery"
)

func newHouse(t *testing.T, edits ...func(*server.Config)) *house {
	t.Helper()
	return houseOn(newWorld(t), edits...)
}

// houseOn makes a world a house.
func houseOn(w *world, edits ...func(*server.Config)) *house {
	t := w.T
	t.Helper()
	h := &house{world: w, mail: new(mailbox)}
	h.people = must(identity.New(identity.Config{
		Engine: h.engine, Now: h.clock.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler), Argon2: cheapArgon2(),
	}))(t)
	listener := httptest.NewUnstartedServer(nil)
	h.url = "http://" + listener.Listener.Addr().String()
	h.config.PublicURL, h.config.Mailer = h.url, h.mail
	for _, edit := range edits {
		edit(&h.config)
	}
	h.server = must(server.New(h.config))(t)
	listener.Config.Handler = h.ears.between(h.server)
	listener.Start()
	t.Cleanup(func() {
		listener.Close()
		h.server.Wait()
	})
	h.addClient("shop", func(c *storage.Client) {
		c.Name, c.RedirectURIs, c.Scopes = "Tea & Co", []string{shopRedirect}, append(c.Scopes, "orders", "urn:minifed:link")
		c.AccountLinking = true
	})
	return h
}

// addPerson makes a user with a password.
func (h *house) addPerson(username string) storage.User {
	h.Helper()
	account := identity.Account{Username: username, Password: goodPassword, Profile: storage.Profile{Name: "Name of " + username}}
	return must(h.people.Create(h.Context(), "default", account, identity.System))(h.T).Record
}

// addMailedPerson makes one with a proven address besides.
func (h *house) addMailedPerson(username string) storage.User {
	h.Helper()
	user := h.addPerson(username)
	return must(h.people.SetEmail(h.Context(), "default", user.ID, username+"@example.com", identity.System))(h.T).Record
}

// editDirectory changes the default directory, and waits until the server knows.
func (h *house) editDirectory(edit func(*storage.Directory)) {
	h.Helper()
	entry := must(storage.Get[storage.Directory](h.Context(), h.engine, "default"))(h.T)
	next := entry.Record
	edit(&next)
	must(entry.Replace(h.Context(), h.engine, next))(h.T)
	h.clock.Advance(6 * time.Second)
}

// letters are the messages that were sent so far to an address.
func (h *house) letters(to string) []mail.Message {
	h.server.Wait()
	h.mail.mu.Lock()
	defer h.mail.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.mail.mails), func(message mail.Message) bool { return message.To != to })
}

// linkIn is the address that a message leads to.
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

// visitor is somebody with a browser, who uses the pages as they are: what is not in a form is not sent.
type visitor struct {
	*browser
	house *house
}

func (h *house) visitor() *visitor { return &visitor{h.newBrowser(), h} }

// ask opens an authorization request of shop.
func (v *visitor) ask(further ...string) *page {
	v.Helper()
	return v.get(v.authorizeURL("shop", append([]string{"redirect_uri", shopRedirect}, further...)...))
}

// document is the page as a tree.
func (v *visitor) document() *html.Node {
	v.Helper()
	return must(html.Parse(strings.NewReader(v.page.body)))(v.T)
}

// press fills in fields of the form with that ID and presses a button of it, by the button's ID.
func (v *visitor) press(form, button string, fields ...string) *page {
	v.Helper()
	action, values := v.read(form, button)
	for i := 0; i < len(fields); i += 2 {
		if !values.Has(fields[i]) {
			v.Fatalf("the form %s has no field %s", form, fields[i])
		}
		values.Set(fields[i], fields[i+1])
	}
	return v.post(action, values, true)
}

// read returns what a form would send, and where to, if that button of it is pressed.
func (v *visitor) read(form, button string) (action string, values url.Values) {
	v.Helper()
	found := find(v.document(), func(n *html.Node) bool { return n.Data == "form" && attribute(n, "id") == form })
	if len(found) != 1 || attribute(found[0], "method") != "post" {
		v.Fatalf("%d forms %s at %d %s\n%s", len(found), form, v.page.status, v.page.url, v.page.body)
	}
	action = must(must(url.Parse(v.page.url))(v.T).Parse(attribute(found[0], "action")))(v.T).String()
	values = url.Values{}
	pressed := false
	for _, n := range find(found[0], func(n *html.Node) bool { return n.Data == "input" || n.Data == "button" }) {
		name, kind := attribute(n, "name"), attribute(n, "type")
		switch {
		case n.Data == "button" && attribute(n, "id") != button:
		case n.Data == "button":
			pressed = kind == "submit"
			if name != "" {
				values.Add(name, attribute(n, "value"))
			}
		case kind == "checkbox" && !has(n, "checked"):
		default:
			values.Add(name, attribute(n, "value"))
		}
	}
	if !pressed {
		v.Fatalf("the form %s has no button %s", form, button)
	}
	return action, values
}

// signInAs gives a username and the good password on the login page.
func (v *visitor) signInAs(username string) *page {
	v.Helper()
	return v.press("login-form", "login", "username", username, "password", goodPassword)
}

// enter signs somebody in to the account page.
func (v *visitor) enter(username string) *page {
	v.Helper()
	v.get(v.house.url + "/login")
	v.signInAs(username)
	if v.page.url != v.house.url+"/account" || v.page.status != http.StatusOK {
		v.Fatalf("%s is not at the account page: %d %s\n%s", username, v.page.status, v.page.url, v.page.body)
	}
	return v.page
}

// at asserts where the browser is, and that the page has a text.
func (v *visitor) at(t *testing.T, path string, status int, text string) {
	t.Helper()
	got := must(url.Parse(v.page.url))(t).Path
	if v.page.callback != "" || got != path || v.page.status != status || !strings.Contains(textOf(v.document()), text) {
		t.Errorf("at %d %s %s, want %d %s with %q\n%s", v.page.status, got, v.page.callback, status, path, text, v.page.body)
	}
}

func find(n *html.Node, matches func(*html.Node) bool) []*html.Node {
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

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// textOf is what can be read of a node.
func textOf(n *html.Node) string {
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			text.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
