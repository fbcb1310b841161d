package page

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/stylesheet"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// AssetsPath is where the pages' style sheets and images are, below the issuer.
const AssetsPath = "/assets/"

// Assets is /assets/…: the files that pages refer to. A name contains a hash of the content, so that browsers cache it
// permanently.
type Assets struct {
	clients   oauth2.Clients
	resources Resources
	// fixed are the files that are the same for every directory, by name.
	fixed map[string]asset
}

// Resources finds the logos of APIs; an *endpoint.Resources.
type Resources interface {
	ByID(ctx context.Context, issuer *oauth2.Issuer, id string) (*storage.Resource, error)
}

// asset is the content of a file and its media type.
type asset struct {
	mediaType string
	content   []byte
}

// fixedAssets are the files of the pages.
func fixedAssets(clients oauth2.Clients, resources Resources) (*Assets, error) {
	e := &Assets{clients: clients, resources: resources, fixed: map[string]asset{}}
	for file, mediaType := range map[string]string{
		StyleFile: "text/css; charset=utf-8", "icon.svg": "image/svg+xml", PasskeyScript: "text/javascript; charset=utf-8",
		FirstOwnerScript: "text/javascript; charset=utf-8", ScanScript: "text/javascript; charset=utf-8",
	} {
		content, err := pageFiles.ReadFile("pages/" + file)
		if err != nil {
			return nil, fmt.Errorf("page: pages: %w", err)
		}
		if file == StyleFile {
			content = stylesheet.WithBase(content)
		}
		e.fixed[file] = asset{mediaType, content}
	}
	return e, nil
}

// Mount implements endpoint.Endpoint.
func (e *Assets) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "assets", Path: AssetsPath + "{file}", Methods: []string{http.MethodGet}, Serve: e.serve, ErrorWriter: endpoint.OAuthErrors, FromMemory: true,
	})
}

func (e *Assets) serve(w http.ResponseWriter, r *endpoint.Request) error {
	issuer := r.Issuer
	asked := path.Base(r.URL.Path)
	found, err := e.find(r.Context(), asked, issuer)
	if err != nil {
		return endpoint.AsNotFound(err)
	}
	header := w.Header()
	header.Set("Content-Type", found.mediaType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	if hashed(plainName(asked), found.content) != asked {
		// A page of another version links here, or the logo has just changed: the current file is similar enough, and not cached.
		header.Set("Cache-Control", "no-cache")
	}
	_, _ = w.Write(found.content) // The connection is gone when this fails.
	return nil
}

// find returns the file of a name with a hash, or storage.ErrNotFound.
func (e *Assets) find(ctx context.Context, asked string, issuer *oauth2.Issuer) (asset, error) {
	name, directory := plainName(asked), issuer.Directory
	if name == logoFile {
		return picture(directory.Branding.Logo)
	}
	if id := clientOf(name); id != "" {
		client, err := e.clients.Client(ctx, directory.ID, id)
		if err != nil {
			return asset{}, err
		}
		return picture(client.Record().Logo)
	}
	if id, found := strings.CutPrefix(strings.TrimSuffix(name, pictureSuffix), resourcePrefix); found {
		resource, err := e.resources.ByID(ctx, issuer, id)
		if err != nil {
			return asset{}, err
		}
		return picture(resource.Logo)
	}
	if digits, found := strings.CutPrefix(strings.TrimSuffix(name, ".css"), accentPrefix); found {
		if accent, valid := parseColour("#" + digits); valid {
			return asset{"text/css; charset=utf-8", accentSheet(accent)}, nil
		}
	}
	if file, ok := e.fixed[name]; ok {
		return file, nil
	}
	return asset{}, storage.ErrNotFound
}

// picture is a stored PNG.
func picture(content []byte) (asset, error) {
	if len(content) == 0 {
		return asset{}, storage.ErrNotFound
	}
	return asset{"image/png", content}, nil
}

const (
	// StyleFile is the name of the common style sheet.
	StyleFile = "style.css"
	// PasskeyScript is the name of the script that asks the browser for a passkey.
	PasskeyScript = "passkey.js"
	// FirstOwnerScript is the name of the script that reads the secret of the link for the first owner.
	FirstOwnerScript = "first_owner.js"
	// ScanScript is the name of the script that waits for the decision of a mini-program.
	ScanScript = "scan.js"

	logoFile       = "logo" + pictureSuffix
	clientPrefix   = "client-"
	documentPrefix = "document-"
	resourcePrefix = "resource-"
	accentPrefix   = "accent-"
	pictureSuffix  = ".png"
)

// style is the name of the common style sheet, icon that of the icon in a browser tab.
func (e *Assets) style() string { return hashed(StyleFile, e.fixed[StyleFile].content) }

func (e *Assets) script(name string) string { return hashed(name, e.fixed[name].content) }

func (e *Assets) icon(branding storage.Branding) string {
	if len(branding.Logo) > 0 {
		return hashed(logoFile, branding.Logo)
	}
	return hashed("icon.svg", e.fixed["icon.svg"].content)
}

// AccentFile is the name of the sheet of the directory's colours.
func AccentFile(branding storage.Branding) string {
	accent, ok := parseColour(branding.AccentColor)
	if !ok {
		accent, _ = parseColour(ownAccent)
	}
	return hashed(accentPrefix+strings.TrimPrefix(accent.String(), "#")+".css", accentSheet(accent))
}

// hashed adds a hash of the content to the name of a file: style.css becomes style.A1b2C3d4E5f6.css.
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
