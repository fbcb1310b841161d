package server

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// assetsPath is where the pages' style sheets and images are, below the issuer.
const assetsPath = "/assets/"

// assetEndpoint is /assets/…: what pages refer to. A name holds a hash of the content, so that browsers keep it for good.
type assetEndpoint struct {
	// fixed are the files that are the same for every directory, by name.
	fixed map[string]asset
}

// asset is the content of a file and its media type.
type asset struct {
	mediaType string
	content   []byte
}

// fixedAssets are the files of the pages.
func fixedAssets() (*assetEndpoint, error) {
	e := &assetEndpoint{fixed: map[string]asset{}}
	for file, mediaType := range map[string]string{"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"} {
		content, err := pageFiles.ReadFile("pages/" + file)
		if err != nil {
			return nil, fmt.Errorf("server: pages: %w", err)
		}
		e.fixed[file] = asset{mediaType, content}
	}
	return e, nil
}

func (e *assetEndpoint) mount(t *table) {
	t.handle(route{
		name: "assets", path: assetsPath + "{file}", methods: []string{http.MethodGet}, serve: e.serve, surface: oauthErrors, cached: true,
	})
}

func (e *assetEndpoint) serve(w http.ResponseWriter, r *http.Request) error {
	issuer, ok := oauth2.IssuerFrom(r.Context())
	if !ok {
		return errNoRequest
	}
	asked := path.Base(r.URL.Path)
	found, ok := e.find(asked, issuer.Directory.Branding)
	if !ok {
		return noSuchEndpoint()
	}
	header := w.Header()
	header.Set("Content-Type", found.mediaType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	if hashed(plainName(asked), found.content) != asked {
		// Another version's page asks this one, or the logo has just changed: what is here is near enough, for now.
		header.Set("Cache-Control", "no-cache")
	}
	_, _ = w.Write(found.content) // The connection is gone when this fails.
	return nil
}

// find returns the file that a name with a hash stands for.
func (e *assetEndpoint) find(asked string, branding storage.Branding) (asset, bool) {
	name := plainName(asked)
	if name == logoFile {
		return asset{"image/png", branding.Logo}, len(branding.Logo) > 0
	}
	if digits, found := strings.CutPrefix(strings.TrimSuffix(name, ".css"), accentPrefix); found {
		accent, valid := parseColour("#" + digits)
		return asset{"text/css; charset=utf-8", accentSheet(accent)}, valid
	}
	file, ok := e.fixed[name]
	return file, ok
}

const (
	logoFile     = "logo.png"
	accentPrefix = "accent-"
)

// styleOf is the name of the common style sheet, accentOf that of the directory's colours, logoOf that of its logo, empty
// without one.
func (e *assetEndpoint) style() string { return hashed("style.css", e.fixed["style.css"].content) }

func (e *assetEndpoint) icon(branding storage.Branding) string {
	return cmp.Or(e.logo(branding), hashed("icon.svg", e.fixed["icon.svg"].content))
}

func (*assetEndpoint) accent(branding storage.Branding) string {
	accent, ok := parseColour(branding.AccentColor)
	if !ok {
		accent, _ = parseColour(ownAccent)
	}
	return hashed(accentPrefix+strings.TrimPrefix(accent.String(), "#")+".css", accentSheet(accent))
}

func (*assetEndpoint) logo(branding storage.Branding) string {
	if len(branding.Logo) == 0 {
		return ""
	}
	return hashed(logoFile, branding.Logo)
}

// hashed puts a hash of the content into the name of a file: style.css becomes style.A1b2C3d4E5f6.css.
func hashed(name string, content []byte) string {
	sum := sha256.Sum256(content)
	extension := path.Ext(name)
	return strings.TrimSuffix(name, extension) + "." + base64.RawURLEncoding.EncodeToString(sum[:9]) + extension
}

// plainName is the name without the hash.
func plainName(name string) string {
	extension := path.Ext(name)
	stem := strings.TrimSuffix(name, extension)
	return strings.TrimSuffix(stem, path.Ext(stem)) + extension
}
