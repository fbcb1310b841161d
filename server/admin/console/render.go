package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/minifed/minifed/internal/templates"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/stylesheet"
	"github.com/minifed/minifed/storage"
)

// pageFiles are the templates, the texts in each language, and the assets.
//
//go:embed pages
var pageFiles embed.FS

// renderer renders pages.
type renderer struct {
	templates map[string]templates.Template
	locales   *locales
	// assets are the style sheet, the script and the icon, by name.
	assets map[string]asset
}

// asset is a file that pages refer to. Its address contains a hash of the content, so that browsers cache it permanently.
type asset struct {
	address, mediaType string
	content            []byte
}

// message is a text in the language of the page.
type message struct {
	key        string
	parameters []any
}

// text returns the message of a key.
func text(key string, parameters ...any) message { return message{key, parameters} }

// IsZero reports whether the message is empty.
func (m message) IsZero() bool { return m.key == "" }

// page is a page about to be rendered.
type page struct {
	// Template is the name of the template file.
	Template string
	// Title is the heading, and the title in the browser.
	Title message
	// Status is the HTTP status; zero is 200.
	Status int
	// Directory is the directory that the page belongs to; nil for a page of the installation.
	Directory *storage.Directory
	// Tab is the current entry of the navigation.
	Tab string
	// Back is the page above this one.
	Back *link
	// Alert is what went wrong, and Notice what was done.
	Alert, Notice message
	// Refresh is after how many seconds the browser opens the page again; zero is never.
	Refresh int
	// Data is what the template shows.
	Data any
}

// link is a link to a page.
type link struct {
	Path string
	Text message
	// Current marks the page that is open.
	Current bool
}

func newRenderer() (*renderer, error) {
	texts, err := readLocales()
	if err != nil {
		return nil, err
	}
	p := &renderer{locales: texts, assets: map[string]asset{}}
	for name, mediaType := range map[string]string{
		"style.css": "text/css; charset=utf-8", "script.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		content, err := pageFiles.ReadFile("pages/" + name)
		if err != nil {
			return nil, fmt.Errorf("console: pages: %w", err)
		}
		if name == "style.css" {
			content = stylesheet.WithBase(content)
		}
		sum := sha256.Sum256(content)
		extension := path.Ext(name)
		address := Base + "assets/" + strings.TrimSuffix(name, extension) + "." + base64.RawURLEncoding.EncodeToString(sum[:9]) + extension
		p.assets[name] = asset{address, mediaType, content}
	}
	if p.templates, err = templates.Read(pageFiles); err != nil {
		return nil, fmt.Errorf("console: pages: %w", err)
	}
	return p, nil
}

// asset serves the style sheet, the script or the icon.
func (c *Console) asset(w http.ResponseWriter, r *request) error {
	asked := r.URL.Path
	for _, file := range c.renderer.assets {
		if file.address == asked {
			w.Header().Set("Content-Type", file.mediaType)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_, _ = w.Write(file.content) // The connection is gone when this fails.
			return nil
		}
	}
	return errNoPage
}

// contentPolicy allows only files and addresses of the console, and pictures within the page.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// render renders a page. If it returns an error, it has written nothing.
func (c *Console) render(w http.ResponseWriter, r *request, shown page) error {
	parse, ok := c.renderer.templates[shown.Template]
	if !ok {
		return fmt.Errorf("console: no page %q", shown.Template)
	}
	drawn, err := parse()
	if err != nil {
		return fmt.Errorf("console: page %s: %w", shown.Template, err)
	}
	content, err := c.drawWithInput(w, r, drawn, shown)
	if err != nil {
		return fmt.Errorf("console: page %s: %w", shown.Template, err)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", r.locale.Tag)
	header.Set("Vary", "Accept-Language, Cookie")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", contentPolicy)
	if shown.Refresh > 0 {
		header.Set("Refresh", fmt.Sprint(shown.Refresh))
	}
	w.WriteHeader(max(shown.Status, http.StatusOK))
	_, _ = w.Write(content) //nolint:gosec // html/template has escaped it. The connection is gone when this fails.
	return nil
}

// drawWithInput draws a page. After a sign-in, its form has what the operator typed before.
func (c *Console) drawWithInput(w http.ResponseWriter, r *request, drawn *template.Template, shown page) ([]byte, error) {
	if r.input == nil {
		return c.draw(r, drawn, shown)
	}
	returned := shown
	returned.Notice = text("form.returned")
	content, err := c.draw(r, drawn, returned)
	if err != nil {
		return nil, err
	}
	if filled, ok := r.input.fillIn(content); ok {
		c.setInputCookie(w, "", -1)
		return filled, nil
	}
	return c.draw(r, drawn, shown)
}

func (c *Console) draw(r *request, drawn *template.Template, shown page) ([]byte, error) {
	var body bytes.Buffer
	err := drawn.Execute(&body, c.view(r, shown))
	return body.Bytes(), err
}

// view is the data of every template.
type view struct {
	page
	request *request
	console *Console
	// item is what a part of the page shows.
	item any
}

func (c *Console) view(r *request, shown page) *view {
	return &view{page: shown, request: r, console: c}
}

// On returns the view for a part of the page that shows one item.
func (v *view) On(item any) *view {
	part := *v
	part.item = item
	return &part
}

// Item is what the part shows.
func (v *view) Item() any { return v.item }

// Data is what the page shows.
func (v *view) Data() any { return v.page.Data }

// Lang is the language's tag.
func (v *view) Lang() string { return v.request.locale.Tag }

// Asset returns the address of an asset.
func (v *view) Asset(name string) string { return v.console.renderer.assets[name].address }

// T returns a text in the page's language.
func (v *view) T(key string, parameters ...any) (string, error) {
	return v.request.locale.text(key, parameters...)
}

// Problem returns a text of the service in the page's language.
func (v *view) Problem(english string) string { return v.request.locale.problem(english) }

// Say returns a message in the page's language, with the messages and times among its parameters.
func (v *view) Say(m message) (string, error) {
	parameters := make([]any, len(m.parameters))
	for i, parameter := range m.parameters {
		var err error
		switch inner := parameter.(type) {
		case message:
			parameters[i], err = v.Say(inner)
		case time.Time:
			parameters[i], err = v.Time(inner)
		default:
			parameters[i] = parameter
		}
		if err != nil {
			return "", err
		}
	}
	return v.T(m.key, parameters...)
}

// Heading is the heading of the page.
func (v *view) Heading() (string, error) { return v.Say(v.Title) }

// Time formats a point in time in UTC. The script shows it in the time zone of the browser.
func (v *view) Time(at time.Time) (string, error) {
	if at.IsZero() {
		return "", nil
	}
	return at.UTC().Format("2006-01-02 15:04 UTC"), nil
}

// Latency formats a short duration.
func (*view) Latency(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// Name returns the text of a name that the code has, such as that of a sign-in method, or the name itself without one.
func (v *view) Name(kind, name string) (string, error) {
	if key := kind + "." + name; v.request.locale.has(key) {
		return v.T(key)
	}
	return name, nil
}

// Machine formats a point in time for the attribute datetime.
func (*view) Machine(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// markedText is a part of a text in Markdown.
type markedText struct {
	Text         string
	Code, Strong bool
}

// Marked splits a text in Markdown, without links, at its code and its bold parts.
func (*view) Marked(text any) []markedText {
	var parts []markedText
	for i, part := range strings.Split(fmt.Sprint(text), "`") {
		if i%2 == 1 {
			parts = append(parts, markedText{Text: part, Code: true})
			continue
		}
		for j, piece := range strings.Split(part, "**") {
			parts = append(parts, markedText{Text: piece, Strong: j%2 == 1})
		}
	}
	return parts
}

// Languages are links to the page in the other languages.
func (v *view) Languages() []languageLink {
	var links []languageLink
	for _, each := range v.console.renderer.locales.all {
		to := Base + "language?" + url.Values{"to": {each.Tag}, "back": {v.request.URL.RequestURI()}}.Encode()
		links = append(links, languageLink{each.Tag, each.Name, to, each == v.request.locale})
	}
	return links
}

type languageLink struct {
	Tag, Name, Path string
	Current         bool
}

// Operator is the name of the operator, or empty if no operator is signed in.
func (v *view) Operator() string {
	_, name, _ := strings.Cut(v.request.actor.Name, ":")
	return name
}

// SignOut and Account are addresses of the operator's sign-in.
func (v *view) SignOut() string { return v.console.config.SignOut }

// Account is the address of the operator's own account.
func (v *view) Account() string { return v.console.config.Account }

// Menu are the pages of the installation.
func (v *view) Menu() []link {
	links := []link{{Path: Base, Text: text("nav.directories")}, {Path: Base + "overview", Text: text("nav.overview")}}
	if v.request.allows(storage.OperatorsDirectory, admin.ActOperatorRead) {
		links = append(links, link{Path: Base + "operators", Text: text("nav.operators")})
	}
	if v.request.allows(storage.OperatorsDirectory, admin.ActServiceRead) {
		links = append(links, link{Path: Base + "services", Text: text("nav.services")})
	}
	return v.marked(append(links, link{Path: Base + "api", Text: text("nav.api")}))
}

// DirectoryPath returns the path of a page of the directory.
func (v *view) DirectoryPath(page string) string { return directoryPath(v.Directory.ID, page) }

// ClientPath returns the path of a page of a client of the directory.
func (v *view) ClientPath(client, page string) string {
	return clientPath(v.Directory.ID, client, page)
}

// OperatorPath returns the path of the page of an operator.
func (*view) OperatorPath(id string) string { return operatorPath(id) }

// ServicePath returns the path of the page of a service client.
func (*view) ServicePath(id string) string { return servicePath(id) }

// UserPath returns the path of a page of a user of the directory.
func (v *view) UserPath(user, page string) string { return userPath(v.Directory.ID, user, page) }

// NameOf returns the name of a user.
func (v *view) NameOf(user storage.User) (string, error) {
	if name := nameOf(user); name != "" {
		return name, nil
	}
	return v.T("user.unnamed")
}

// Tabs are the pages of the directory.
func (v *view) Tabs() []link {
	if v.Directory == nil {
		return nil
	}
	at := func(page, key string) link { return link{Path: directoryPath(v.Directory.ID, page), Text: text(key)} }
	return v.marked([]link{
		at("", "nav.directory"), at("clients", "nav.clients"), at("users", "nav.users"), at("merges", "nav.merges"), at("keys", "nav.keys"), at("audit", "nav.audit"), at("settings", "nav.settings"),
	})
}

// marked marks the entry that the page belongs to.
func (v *view) marked(links []link) []link {
	for i := range links {
		links[i].Current = links[i].Text.key == v.Tab
	}
	return links
}
