package page

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minifed/minifed/internal/templates"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Renderer renders pages: HTML without scripts, in the user's language and the directory's colours.
type Renderer struct {
	templates map[string]templates.Template
	Locales   *Locales
	Assets    *Assets
	CSRF      CSRF
}

// Page is a page about to be rendered.
type Page struct {
	// Template is the name of the template file.
	Template string
	// Title is the heading and the title in the browser.
	Title Message
	// Status is the HTTP status; zero is 200.
	Status int
	// UILocales are the languages that the client requests.
	UILocales []string
	// Leaves means that a form of the page can lead to a client, and that the page has no input for a secret.
	Leaves bool
	// refresh is the URL that the page opens by itself; empty for none.
	refresh string
	// Script is the name of the script of the page; empty for none. A page must explain what to do without it.
	Script string
	// Polls means that the page loads again every two seconds in a browser without scripts.
	Polls bool
	// Wide pages contain lists.
	Wide bool
	// Zoneinfo is the time zone of the times on it; UTC when empty.
	Zoneinfo string
	// Failed means that the page shows an error.
	Failed bool
	// Data is what the template shows.
	Data any
}

// Message is a text in the language of the page.
type Message struct {
	key        string
	parameters []any
	// texts are those of a message without a key, by language.
	texts map[string]string
}

// Text returns the message of a key, with its parameters.
func Text(key string, parameters ...any) Message { return Message{key: key, parameters: parameters} }

// Translated returns a message of an operator. A page whose language has no text shows the other one.
func Translated(english, chinese string) Message {
	return Message{texts: map[string]string{localeEnglish: cmp.Or(english, chinese), localeChinese: cmp.Or(chinese, english)}}
}

// IsZero reports whether the message is empty.
func (m Message) IsZero() bool { return m.key == "" && m.texts[localeEnglish] == "" }

// New reads the templates and texts.
func New(guard CSRF, clients oauth2.Clients, resources Resources) (*Renderer, error) {
	assets, err := fixedAssets(clients, resources)
	if err != nil {
		return nil, err
	}
	pages, err := templates.Read(pageFiles)
	if err != nil {
		return nil, fmt.Errorf("page: pages: %w", err)
	}
	return &Renderer{templates: pages, Locales: readLocales(), Assets: assets, CSRF: guard}, nil
}

// Render renders a page. If it returns an error, it has written nothing.
func (p *Renderer) Render(w http.ResponseWriter, r *endpoint.Request, shown Page) error {
	v := p.view(w, r, shown)
	parse, ok := p.templates[shown.Template]
	if !ok {
		return fmt.Errorf("page: no page %q", shown.Template)
	}
	drawn, err := parse()
	if err != nil {
		return fmt.Errorf("page: page %s: %w", shown.Template, err)
	}
	var body bytes.Buffer
	if err := drawn.Execute(&body, v); err != nil {
		return fmt.Errorf("page: page %s: %w", shown.Template, err)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", v.Lang)
	header.Set("Vary", "Accept-Language, Cookie")
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	// Browsers send the origin of a form to this server only. See CSRF.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Content-Security-Policy", pagePolicy(shown))
	if shown.refresh != "" {
		header.Set("Refresh", "0; url="+shown.refresh)
	}
	w.WriteHeader(max(shown.Status, http.StatusOK))
	_, _ = w.Write(body.Bytes()) // The connection is gone when this fails.
	return nil
}

// pagePolicy is the Content-Security-Policy of a page: nothing but our own style sheets and images, and no script unless the page
// has one of our own. Forms are sent to this server only, unless the page leaves: browsers check all redirects after a form against
// form-action, also those of the client's own callback, which only the client knows.
func pagePolicy(shown Page) string {
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'"
	if shown.Script != "" {
		policy += "; script-src 'self'"
	}
	if shown.Script == ScanScript {
		policy += "; connect-src 'self'"
	}
	if shown.Leaves {
		return policy
	}
	return policy + "; form-action 'self'"
}

// view is the data of every template.
type view struct {
	Page
	// Lang is the BCP 47 tag of the language.
	Lang string
	// Directory is the directory's name, Branding its appearance.
	Directory string
	Branding  storage.Branding
	// Style, Colours, Icon and Script are addresses of assets; Script is empty for a page without one.
	Style, Colours, Icon, Script string
	// Logo is the directory's; nil without one.
	Logo *LogoView
	// RequestID is the ID of the request in the log.
	RequestID string
	// Languages are links to the page in the other languages.
	Languages []languageLink

	locale *Locale
	zone   *time.Location
	links  Links
	token  func() (string, error)
}

type languageLink struct {
	Tag, Name, URL string
	Current        bool
}

func (p *Renderer) view(w http.ResponseWriter, r *endpoint.Request, shown Page) *view {
	issuer := r.Issuer
	locale := p.Locales.Choose(r.Request, shown.UILocales)
	to := LinksOf(r.Request, issuer)
	branding := issuer.Directory.Branding
	v := &view{
		Page: shown, Lang: locale.Tag, Directory: issuer.Directory.Name, Branding: branding,
		Style: to.Path(AssetsPath + p.Assets.style()), Colours: to.Path(AssetsPath + AccentFile(branding)),
		Icon:      to.Path(AssetsPath + p.Assets.icon(branding)),
		Logo:      to.logoOf(logoFile, branding.Logo),
		RequestID: r.ID, locale: locale, zone: zoneOf(shown.Zoneinfo), links: to,
		token: sync.OnceValues(func() (string, error) { return p.CSRF.token(w, r) }),
	}
	if shown.Script != "" {
		v.Script = to.Path(AssetsPath + p.Assets.script(shown.Script))
	}
	for _, other := range p.Locales.all {
		v.Languages = append(v.Languages, languageLink{other.Tag, other.name, to.inLanguage(other.Tag), other == locale})
	}
	return v
}

// PoliceURL is the public record of the directory's police filing number.
func (v *view) PoliceURL() string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, v.Branding.PoliceNumber)
	return "https://beian.mps.gov.cn/#/query/webSearch?code=" + digits
}

// Token is the CSRF token of a form.
func (v *view) Token() (string, error) { return v.token() }

// Data is what the page shows.
func (v *view) Data() any { return v.Page.Data }

// Wide reports whether the page has lists.
func (v *view) Wide() bool { return v.Page.Wide }

// Title is the title in the browser. That of an error page begins with the word for an error.
func (v *view) Title() (string, error) {
	title, err := v.Say(v.Page.Title)
	if err != nil || !v.Failed {
		return title, err
	}
	return v.T("title.failed", title)
}

// Heading is the heading of the page.
func (v *view) Heading() (string, error) { return v.Say(v.Page.Title) }

// T returns a text in the page's language.
func (v *view) T(key string, parameters ...any) (string, error) {
	return v.locale.Text(key, parameters...)
}

// Say returns a message in the page's language, with the messages and times among its parameters.
func (v *view) Say(m Message) (string, error) {
	if m.texts != nil {
		return m.texts[v.Lang], nil
	}
	parameters := slices.Clone(m.parameters)
	for i, parameter := range parameters {
		var err error
		switch inner := parameter.(type) {
		case Message:
			parameters[i], err = v.Say(inner)
		case time.Time:
			parameters[i], err = v.Day(inner)
		}
		if err != nil {
			return "", err
		}
	}
	return v.T(m.key, parameters...)
}

// To returns the URL of another page, which continues the same sign-in.
func (v *view) To(path string, parameters ...string) string { return v.links.To(path, parameters...) }

// Href returns the URL of a link.
func (v *view) Href(link Link) string { return v.To(link.Path, link.Parameters...) }

// Around returns the two parts of a text before and after its parameter, which the page marks up.
func (v *view) Around(key string) ([2]string, error) {
	text, err := v.T(key)
	before, after, _ := strings.Cut(text, "%s")
	return [2]string{before, after}, err
}

// Parts splits a text where a line may break within a long word: before the dots, the underscores and the @ of an address, so that
// none of them looks like the end of a sentence.
func (*view) Parts(text string) []string {
	var parts []string
	begin := 0
	for i := 1; i+1 < len(text); i++ {
		if strings.IndexByte("@._", text[i]) >= 0 && text[i-1] != ' ' && text[i+1] != ' ' {
			parts = append(parts, text[begin:i])
			begin = i
		}
	}
	return append(parts, text[begin:])
}

// Initial is the letter that replaces a missing picture.
func (v *view) Initial(name string) string {
	for _, letter := range strings.TrimSpace(name) {
		return strings.ToUpper(string(letter))
	}
	return "·"
}

// Time formats a point in time in the page's language.
func (v *view) Time(at time.Time) (string, error) {
	layout, err := v.T("format.time")
	return at.In(v.zone).Format(layout), err
}

// zoneOf returns the time zone with that name, or UTC.
func zoneOf(zoneinfo string) *time.Location {
	zone, err := time.LoadLocation(zoneinfo)
	if err != nil {
		return time.UTC
	}
	return zone
}

// Day formats the day of a point in time.
func (v *view) Day(at time.Time) (string, error) {
	layout, err := v.T("format.day")
	return at.In(v.zone).Format(layout), err
}

// Machine formats a point in time for the attribute datetime.
func (*view) Machine(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Links builds the URLs of pages. The query contains the sign-in, so that each page continues it.
type Links struct {
	// base is the path of the issuer, path that of this page.
	base, path string
	query      url.Values
}

// LinksOf returns the links of the page of a request.
func LinksOf(r *http.Request, issuer *oauth2.Issuer) Links {
	to := Links{path: r.URL.Path, query: r.URL.Query()}
	if u, err := url.Parse(issuer.URL); err == nil {
		to.base = u.Path
	}
	return to
}

// Path returns the URL of a path of the issuer.
func (l Links) Path(path string) string { return l.base + path }

// To is Path with the parameters of the sign-in and further ones, in pairs.
func (l Links) To(path string, parameters ...string) string {
	carried := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		carried.Set(parameters[i], parameters[i+1])
	}
	for _, name := range []string{endpoint.InteractionParameter, "ui_locales"} {
		if value := l.query.Get(name); value != "" {
			carried.Set(name, value)
		}
	}
	if len(carried) == 0 {
		return l.Path(path)
	}
	return l.Path(path) + "?" + carried.Encode()
}

// inLanguage returns the URL of this page in another language.
func (l Links) inLanguage(tag string) string {
	query := url.Values{}
	for name, values := range l.query {
		query[name] = values
	}
	query.Set("ui_locales", tag)
	return l.Path(l.path) + "?" + query.Encode()
}

// Redirect redirects the browser to another page (RFC 9110 §15.4.4), so that a reload repeats nothing. parameters are in pairs.
func Redirect(w http.ResponseWriter, r *endpoint.Request, path string, parameters ...string) error {
	issuer := r.Issuer
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", LinksOf(r.Request, issuer).To(path, parameters...))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// AbsoluteURL returns the URL of a path of an issuer's host, such as that of an asset.
func AbsoluteURL(issuer *oauth2.Issuer, path string) string {
	base, err := url.Parse(issuer.URL)
	if err != nil {
		return path
	}
	return base.ResolveReference(&url.URL{Path: path}).String()
}
