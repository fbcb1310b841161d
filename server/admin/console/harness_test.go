package console_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/console"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
)

// harness is a console with an operator who is an owner, on an engine in memory.
type harness struct {
	testing.TB
	engine  *storagetest.Hooks
	people  *identity.Service
	service *admin.Service
	url     string
	// alice and shadow are IDs of users, olga is that of an operator, initialToken that of an initial access token.
	alice, shadow, olga, initialToken string

	mu    sync.Mutex
	at    time.Time
	actor admin.Actor
	// wechat is the result of the checks of credentials.
	wechat error
	// signedOut is the error for every request.
	signedOut error
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	return newHarnessOn(t, func(now func() time.Time) storage.Engine { return storagetest.NewMemory(now) })
}

// newHarnessOn returns a harness on another engine.
func newHarnessOn(t testing.TB, open func(now func() time.Time) storage.Engine) *harness {
	t.Helper()
	h := &harness{TB: t, at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	h.engine = &storagetest.Hooks{Engine: open(h.now)}
	master := must(keys.ParseMaster(must(keys.GenerateMasterKey(rand.Reader))(t), rand.Reader))(t)
	logger := slog.New(slog.DiscardHandler)
	config := keys.Config{Engine: h.engine, Master: master, Now: h.now, Random: rand.Reader, Logger: logger}
	trail := audittest.New(t, h.engine, h.now)
	h.people = must(identity.New(identity.Config{
		Engine: h.engine, Audit: trail, Now: h.now, Rand: rand.Reader, Logger: logger, Argon2: identity.Argon2{Memory: 8, Time: 1, Threads: 1},
	}))(t)
	h.service = must(admin.New(admin.Config{
		Engine: h.engine, Audit: trail, Master: master, Keys: must(keys.NewRing(config))(t), Secrets: must(keys.NewSecrets(config))(t), Identity: h.people,
		Now: h.now, Random: rand.Reader, PublicURL: "https://id.example.com", DefaultDirectory: "default", Actor: admin.LocalActor("test"), WeChat: h,
	}))(t)
	// ES256 and RS256 is the default; a test creates an RSA key once.
	must(h.service.EnsureDirectory(t.Context(), storage.Directory{ID: "default", Name: "Tea House"}))(t)
	server := httptest.NewUnstartedServer(nil)
	h.url = "http://" + server.Listener.Addr().String()
	h.actor = admin.Actor{Name: "operator:alice", Assignments: []admin.Assignment{{Directory: storage.Everywhere, Role: admin.RoleOwner}}, AuthTime: h.at}
	pages := must(console.New(console.Config{
		Service: h.service, PublicURL: "https://id.example.com", AdminURL: h.url, DefaultDirectory: "default", Master: master, Now: h.now, Random: rand.Reader,
		Logger: logger, SignOut: "/oauth2/logout", Account: "/account",
		Actor: func(*http.Request) (admin.Actor, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.actor, h.signedOut
		},
		SignIn: func(back string, again bool) string {
			parameters := url.Values{"back": {back}}
			if again {
				parameters.Set("again", "1")
			}
			return "/sign-in?" + parameters.Encode()
		},
	}))(t)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The deadlines of transfers count by the clock of the harness, which is not that of connections.
		pages.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	})
	server.Start()
	t.Cleanup(server.Close)
	return h
}

// CheckCredential implements admin.CredentialChecker.
func (h *harness) CheckCredential(context.Context, wechat.App) error { return h.wechat }

// now advances at every reading, so that lists by time have one order.
func (h *harness) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(time.Millisecond)
	return h.at
}

// as changes the operator of later requests.
func (h *harness) as(actor admin.Actor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.actor = actor
}

func must[V any](value V, err error) func(testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// browser is a browser without scripts.
type browser struct {
	*harness
	client   *http.Client
	language string
	page     *shownPage
}

type shownPage struct {
	status int
	header http.Header
	url    *url.URL
	body   string
	doc    *html.Node
}

func (h *harness) browser() *browser {
	jar := must(cookiejar.New(nil))(h.TB)
	b := &browser{harness: h, language: "en"}
	b.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, console.Base) {
			return nil
		}
		return http.ErrUseLastResponse
	}}
	return b
}

func (h *harness) CheckWebCredential(ctx context.Context, app wechat.App) error {
	return h.CheckCredential(ctx, app)
}

// get opens a path of the console, which may be absolute.
func (b *browser) get(path string) *shownPage {
	b.Helper()
	return b.do(must(http.NewRequestWithContext(b.Context(), http.MethodGet, b.absolute(path), http.NoBody))(b.TB))
}

func (b *browser) absolute(path string) string {
	if strings.HasPrefix(path, "/") {
		return b.url + path
	}
	return b.url + console.Base + path
}

// post sends a form to a path.
func (b *browser) post(path string, form url.Values) *shownPage {
	b.Helper()
	r := must(http.NewRequestWithContext(b.Context(), http.MethodPost, b.absolute(path), strings.NewReader(form.Encode())))(b.TB)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.url)
	if b.page != nil {
		r.Header.Set("Referer", b.page.url.String())
	}
	return b.do(r)
}

func (b *browser) do(r *http.Request) *shownPage {
	b.Helper()
	r.Header.Set("Accept-Language", b.language)
	response := must(b.client.Do(r))(b.TB)
	defer func() { _ = response.Body.Close() }()
	body := must(io.ReadAll(response.Body))(b.TB)
	b.page = &shownPage{response.StatusCode, response.Header, response.Request.URL, string(body), must(html.Parse(strings.NewReader(string(body))))(b.TB)}
	return b.page
}

// submit sends the form whose button has a text, with changed values; an empty value unmarks a checkbox.
func (b *browser) submit(button string, changes ...string) *shownPage {
	b.Helper()
	form := b.page.form(button)
	if form == nil {
		b.Fatalf("no form with the button %q at %s:\n%s", button, b.page.url, b.page.text())
	}
	values := formValues(form)
	for i := 0; i+1 < len(changes); i += 2 {
		values.Del(changes[i])
		if changes[i+1] != "" {
			values.Set(changes[i], changes[i+1])
		}
	}
	action := b.page.url.ResolveReference(must(url.Parse(attribute(form, "action")))(b.TB))
	if attribute(form, "method") != "post" {
		action.RawQuery = values.Encode()
		return b.get(action.RequestURI())
	}
	return b.post(action.RequestURI(), values)
}

// upload is submit with files by field: name and content.
func (b *browser) upload(button string, files map[string][2]string) *shownPage {
	b.Helper()
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	for name, values := range formValues(b.page.form(button)) {
		for _, value := range values {
			must(0, parts.WriteField(name, value))(b.TB)
		}
	}
	for name, file := range files {
		part := must(parts.CreateFormFile(name, file[0]))(b.TB)
		must(io.WriteString(part, file[1]))(b.TB)
	}
	must(0, parts.Close())(b.TB)
	r := must(http.NewRequestWithContext(b.Context(), http.MethodPost, b.page.url.String(), &body))(b.TB)
	r.Header.Set("Content-Type", parts.FormDataContentType())
	r.Header.Set("Origin", b.url)
	return b.do(r)
}

// expect asserts the status of the page and a text on it.
func (b *browser) expect(status int, texts ...string) {
	b.Helper()
	if b.page.status != status {
		b.Fatalf("%s: status %d, want %d:\n%s", b.page.url, b.page.status, status, b.page.text())
	}
	for _, text := range texts {
		if !strings.Contains(b.page.text(), text) && !strings.Contains(b.page.body, text) {
			b.Errorf("%s has not %q:\n%s", b.page.url, text, b.page.text())
		}
	}
}

func (p *shownPage) all(matches func(*html.Node) bool) []*html.Node { return elements(p.doc, matches) }

func (p *shownPage) text() string { return textOf(p.doc) }

func (p *shownPage) form(button string) *html.Node {
	for _, form := range p.all(func(n *html.Node) bool { return n.Data == "form" }) {
		if len(elements(form, func(n *html.Node) bool { return n.Data == "button" && textOf(n) == button })) > 0 {
			return form
		}
	}
	return nil
}

func elements(root *html.Node, matches func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && matches(n) {
			found = append(found, n)
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
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// textOf is what is written in an element, in one line.
func textOf(root *html.Node) string {
	var text strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" {
			text.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

// formValues are the values that a browser sends with a form.
func formValues(form *html.Node) url.Values {
	values := url.Values{}
	for _, n := range elements(form, func(n *html.Node) bool { return hasAttribute(n, "name") }) {
		name, value := attribute(n, "name"), attribute(n, "value")
		switch n.Data {
		case "input":
			if kind := attribute(n, "type"); kind != "file" && (kind != "checkbox" && kind != "radio" || hasAttribute(n, "checked")) {
				values.Add(name, value)
			}
		case "textarea":
			text := ""
			if n.FirstChild != nil {
				text = n.FirstChild.Data
			}
			values.Add(name, text)
		case "select":
			for _, option := range elements(n, func(n *html.Node) bool { return n.Data == "option" && hasAttribute(n, "selected") }) {
				values.Add(name, attribute(option, "value"))
			}
		}
	}
	return values
}
