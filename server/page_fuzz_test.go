package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func FuzzAssets(f *testing.F) {
	assets, err := fixedAssets()
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{assets.style(), "accent-ffcc00.x.css", "logo.x.png", "icon.svg", "..", "accent-.css", ""} {
		f.Add(name, "#ffcc00")
	}
	colours := regexp.MustCompile(`^:root\{((--[a-z-]+:#[0-9a-f]{6};?)+)\}\n@media \(prefers-color-scheme:dark\)\{:root\{(--[a-z-]+:#[0-9a-f]{6};?)+\}\}\n$`)
	f.Fuzz(func(t *testing.T, name, accent string) {
		branding := storage.Branding{Logo: []byte("png"), AccentColor: accent}
		if found, ok := assets.find(name, branding); ok && (len(found.content) == 0 || found.mediaType == "") {
			t.Errorf("%q is an empty file", name)
		}
		// Whatever colour a directory has, its pages lead to a sheet that there is, and nothing but colours gets into it.
		sheet, ok := assets.find(assets.accent(branding), branding)
		if !ok || !colours.Match(sheet.content) {
			t.Errorf("accent %q: %q", accent, sheet.content)
		}
	})
}

func FuzzLanguages(f *testing.F) {
	all, err := readTongues()
	if err != nil {
		f.Fatal(err)
	}
	for _, wish := range []string{"zh-CN,zh;q=0.9,en;q=0.8", "*", "se", "x-y-z", "en;q=9", strings.Repeat("a-", 500)} {
		f.Add(wish, wish)
	}
	f.Fuzz(func(t *testing.T, locales, header string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+url.Values{"ui_locales": {locales}}.Encode(), nil)
		r.Header.Set("Accept-Language", header)
		if chosen := all.choose(r, strings.Fields(header)); chosen == nil || len(chosen.texts) == 0 {
			t.Errorf("%q %q: nothing is spoken", locales, header)
		}
	})
}
