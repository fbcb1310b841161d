package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"github.com/minifed/minifed/server/admin/chinese"
)

// languageCookie remembers the language that an operator chose.
const languageCookie = "minifed-console-language"

// locale is a language of the console.
type locale struct {
	// Tag is the BCP 47 tag, and Name the language's own name.
	Tag, Name string
	// texts reads the texts when it is called first.
	texts func() (map[string]string, error)
	// problems translates texts of the service; nil for English.
	problems *chinese.Texts
}

// locales are all languages. The first is the default.
type locales struct {
	all     []*locale
	matcher language.Matcher
}

func readLocales() (*locales, error) {
	l := new(locales)
	var tags []language.Tag
	for _, known := range [][2]string{{"en", "English"}, {"zh-CN", "简体中文"}} {
		each := &locale{Tag: known[0], Name: known[1]}
		each.texts = sync.OnceValues(func() (map[string]string, error) { return readTexts(each.Tag) })
		l.all = append(l.all, each)
		tags = append(tags, language.Make(each.Tag))
	}
	l.matcher = language.NewMatcher(tags)
	var err error
	l.named("zh-CN").problems, err = chinese.Read()
	return l, err
}

func readTexts(tag string) (texts map[string]string, err error) {
	raw, err := pageFiles.ReadFile("pages/" + tag + ".json")
	if err != nil {
		return nil, fmt.Errorf("console: pages: %w", err)
	}
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, fmt.Errorf("console: texts of %s: %w", tag, err)
	}
	return texts, nil
}

// choose returns the language of a request: that of the cookie, else that of the browser (RFC 9110 §12.5.4).
func (l *locales) choose(r *http.Request) *locale {
	if cookie, err := r.Cookie(languageCookie); err == nil {
		if chosen := l.named(cookie.Value); chosen != nil {
			return chosen
		}
	}
	accepted := r.Header.Get("Accept-Language")
	if len(accepted) > 256 {
		accepted = accepted[:strings.LastIndexByte(accepted[:256], ',')+1]
	}
	tags, _, err := language.ParseAcceptLanguage(accepted)
	if err != nil || len(tags) == 0 {
		return l.all[0]
	}
	_, i, _ := l.matcher.Match(tags...)
	return l.all[i]
}

func (l *locales) named(tag string) *locale {
	for _, each := range l.all {
		if each.Tag == tag {
			return each
		}
	}
	return nil
}

// text returns a text in this language, with its parameters.
func (l *locale) text(key string, parameters ...any) (string, error) {
	texts, err := l.texts()
	if err != nil {
		return "", err
	}
	text, ok := texts[key]
	if !ok {
		return "", fmt.Errorf("console: no text %q in %s", key, l.Tag)
	}
	if len(parameters) == 0 {
		return text, nil
	}
	return fmt.Sprintf(text, parameters...), nil
}

// problem returns a text of the service in this language. The name of a field can stand before it.
func (l *locale) problem(english string) string {
	if l.problems == nil {
		return english
	}
	if translated := l.problems.Of(english); translated != english {
		return translated
	}
	field, text, found := strings.Cut(english, ": ")
	if !found {
		return english
	}
	return field + "：" + l.problems.Of(text)
}

// has reports whether there is a text of a key.
func (l *locale) has(key string) bool {
	texts, err := l.texts()
	_, ok := texts[key]
	return ok && err == nil
}

// changeLanguage remembers a language, and shows the page again that the operator came from.
func (c *Console) changeLanguage(w http.ResponseWriter, r *request) error {
	chosen := c.renderer.locales.named(r.URL.Query().Get("to"))
	if chosen == nil {
		return errNoPage
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Plain http is for loopback only.
		Name: languageCookie, Value: chosen.Tag, Path: Base, MaxAge: 400 * 24 * 60 * 60, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(c.config.AdminURL, "https:"),
	})
	return redirect(w, ownPath(r.URL.Query().Get("back")))
}

// ownPath returns a path of the console, with its query. Everything else becomes the first page.
func ownPath(address string) string {
	target, err := url.Parse(address)
	if err != nil || target.Scheme != "" || target.Host != "" || !strings.HasPrefix(target.Path, Base) || strings.Contains(target.Path, "..") {
		return Base
	}
	return (&url.URL{Path: target.Path, RawQuery: target.RawQuery}).String()
}
