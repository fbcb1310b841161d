package page

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

func FuzzAssets(f *testing.F) {
	assets, err := fixedAssets(noClients{}, noResources{})
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{assets.style(), "accent-ffcc00.x.css", "logo.x.png", "icon.svg", "..", "accent-.css", "client-shop.x.png", "client-.png", "resource-x.y.png", ""} {
		f.Add(name, "#ffcc00")
	}
	colours := regexp.MustCompile(`^:root\{((--[a-z-]+:#[0-9a-f]{6};?)+)\}\n@media \(prefers-color-scheme:dark\)\{:root\{(--[a-z-]+:#[0-9a-f]{6};?)+\}\}\n$`)
	f.Fuzz(func(t *testing.T, name, accent string) {
		directory := storage.Directory{Branding: storage.Branding{Logo: []byte("png"), AccentColor: accent}}
		issuer := &oauth2.Issuer{Directory: directory}
		if found, err := assets.find(t.Context(), name, issuer); err == nil && (len(found.content) == 0 || found.mediaType == "") {
			t.Errorf("%q is an empty file", name)
		}
		// For any colour of a directory, its pages link to an existing stylesheet, and the sheet contains only colours.
		sheet, err := assets.find(t.Context(), AccentFile(directory.Branding), issuer)
		if err != nil || !colours.Match(sheet.content) {
			t.Errorf("accent %q: %q", accent, sheet.content)
		}
	})
}

// noClients is the registry of a directory without clients.
type noClients struct{}

func (noClients) Client(context.Context, string, string) (*oauth2.Client, error) {
	return nil, storage.ErrNotFound
}

func (noClients) FreshClient(context.Context, string, string) (*oauth2.Client, error) {
	return nil, storage.ErrNotFound
}

// noResources is a directory without resources.
type noResources struct{}

func (noResources) ByID(context.Context, *oauth2.Issuer, string) (*storage.Resource, error) {
	return nil, storage.ErrNotFound
}

func FuzzLanguages(f *testing.F) {
	all := readLocales()
	for _, wish := range []string{"zh-CN,zh;q=0.9,en;q=0.8", "*", "se", "x-y-z", "en;q=9", strings.Repeat("a-", 500)} {
		f.Add(wish, wish)
	}
	f.Fuzz(func(t *testing.T, locales, header string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+url.Values{"ui_locales": {locales}}.Encode(), nil)
		r.Header.Set("Accept-Language", header)
		if chosen := all.Choose(r, strings.Fields(header)); chosen == nil || len(textsOf(t, chosen)) == 0 {
			t.Errorf("%q %q: there is no locale", locales, header)
		}
	})
}
