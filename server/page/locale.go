package page

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// pageFiles are the templates, the texts in each language, and the assets of the pages.
//
//go:embed pages
var pageFiles embed.FS

// Locale is a language of the pages.
type Locale struct {
	// Tag is the BCP 47 tag, and name the language's own name.
	Tag, name string
	// texts reads the texts when it is called first.
	texts func() (map[string]string, error)
}

// The tags of the languages of the pages.
const (
	localeEnglish = "en"
	localeChinese = "zh-CN"
)

// Locales are all languages. The first is the default.
type Locales struct {
	all     []*Locale
	matcher language.Matcher
}

// maxLanguages bounds a list of languages, in bytes.
const maxLanguages = 256

func readLocales() *Locales {
	t := new(Locales)
	var tags []language.Tag
	for _, known := range [][2]string{{localeEnglish, "English"}, {localeChinese, "简体中文"}} {
		locale := &Locale{Tag: known[0], name: known[1]}
		locale.texts = sync.OnceValues(func() (map[string]string, error) { return readTexts(locale.Tag) })
		t.all = append(t.all, locale)
		tags = append(tags, language.Make(locale.Tag))
	}
	t.matcher = language.NewMatcher(tags)
	return t
}

func readTexts(tag string) (texts map[string]string, err error) {
	raw, err := pageFiles.ReadFile("pages/" + tag + ".json")
	if err != nil {
		return nil, fmt.Errorf("page: pages: %w", err)
	}
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, fmt.Errorf("page: pages: texts of %s: %w", tag, err)
	}
	return texts, nil
}

// Choose returns the language for a request: that of the URL's ui_locales, which a link on every page sets, else what the client
// asks for (OpenID Connect Core §3.1.2.1), else the browser's (RFC 9110 §12.5.4).
func (t *Locales) Choose(r *http.Request, uiLocales []string) *Locale {
	return t.of(
		strings.Join(strings.Fields(r.URL.Query().Get("ui_locales")), ","), strings.Join(uiLocales, ","), r.Header.Get("Accept-Language"),
	)
}

// of returns the language of the first list that contains a known one. The lists have the form of Accept-Language.
func (t *Locales) of(lists ...string) *Locale {
	for _, list := range lists {
		if len(list) > maxLanguages {
			list = list[:strings.LastIndexByte(list[:maxLanguages], ',')+1]
		}
		tags, _, err := language.ParseAcceptLanguage(list)
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, i, confidence := t.matcher.Match(tags...); confidence > language.No {
			return t.all[i]
		}
	}
	return t.all[0]
}

// Text returns a text in this language, with its parameters.
func (t *Locale) Text(key string, parameters ...any) (string, error) {
	texts, err := t.texts()
	if err != nil {
		return "", err
	}
	text, ok := texts[key]
	if !ok {
		return "", fmt.Errorf("page: pages: no text %q in %s", key, t.Tag)
	}
	if len(parameters) == 0 {
		return text, nil
	}
	return fmt.Sprintf(text, parameters...), nil
}

// Say returns a message in this language. Its parameters must be texts and numbers.
func (t *Locale) Say(m Message) (string, error) { return t.Text(m.key, m.parameters...) }
