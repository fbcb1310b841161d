package demopage

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"github.com/minifed/minifed/server/stylesheet"
)

// files are the documents, scripts and texts.
//
//go:embed pages
var files embed.FS

// texts are the templates, and the texts of each language.
type texts struct {
	documents *template.Template
	languages map[string]map[string]string
}

// languages returns the tags of the languages. The first is the default.
func languages() []string { return []string{"en", "zh-CN"} }

func readTexts() (texts, error) {
	t := texts{languages: map[string]map[string]string{}}
	for _, tag := range languages() {
		raw, err := files.ReadFile("pages/" + tag + ".json")
		if err != nil {
			return t, err
		}
		in := map[string]string{}
		if err := json.Unmarshal(raw, &in); err != nil {
			return t, fmt.Errorf("demopage: texts of %s: %w", tag, err)
		}
		t.languages[tag] = in
	}
	var err error
	t.documents, err = template.New("").Option("missingkey=error").ParseFS(files, "pages/*.html")
	return t, err
}

// in returns the texts whose keys have a prefix.
func (t texts) in(language, prefix string) map[string]string {
	found := map[string]string{}
	for key, text := range t.languages[language] {
		if strings.HasPrefix(key, prefix) {
			found[key] = text
		}
	}
	return found
}

// languageOf returns the language of a request: that of the page of the visitor, else what the browser prefers.
func languageOf(r *http.Request, v *visitor) string {
	if v != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.language
	}
	return chooseLanguage("", r)
}

// chooseLanguage returns the language with a tag, else the best for the browser.
func chooseLanguage(tag string, r *http.Request) string {
	var tags []language.Tag
	for _, known := range languages() {
		if tag == known {
			return known
		}
		tags = append(tags, language.Make(known))
	}
	_, i := language.MatchStrings(language.NewMatcher(tags), r.Header.Get("Accept-Language"))
	return languages()[i]
}

// render writes a document. Its policy allows nothing from elsewhere.
func (t texts) render(w http.ResponseWriter, name, language, policy string, data map[string]any) {
	data["Lang"], data["T"] = language, t.languages[language]
	var body bytes.Buffer
	if err := t.documents.ExecuteTemplate(&body, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "+policy)
	_, _ = w.Write(body.Bytes()) // The browser has gone.
}

// assets serves the scripts and style sheets. Each sheet begins with the one that the sign-in pages and the console share.
func assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/assets/")
		content, err := fs.ReadFile(files, "pages/"+name)
		switch {
		case err != nil:
			http.NotFound(w, r)
			return
		case strings.HasSuffix(name, ".css"):
			w.Header().Set("Content-Type", "text/css; charset=utf-8")
			content = stylesheet.WithBase(content)
		case strings.HasSuffix(name, ".js"):
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		case strings.HasSuffix(name, ".svg"):
			w.Header().Set("Content-Type", "image/svg+xml")
		default:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(content) //nolint:gosec // An embedded file. An error means that the browser has gone.
	})
}
