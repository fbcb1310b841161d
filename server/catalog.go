package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// directoryPrefix is where the issuers of further directories begin.
const directoryPrefix = "/d/"

// catalog knows the directories and clients that requests ask for. It implements oauth2.Clients.
type catalog struct {
	publicURL   string
	defaultID   string
	directories *cache[*oauth2.Issuer]
	clients     *cache[*oauth2.Client]
}

var _ oauth2.Clients = (*catalog)(nil)

func newCatalog(config Config) *catalog {
	c := &catalog{publicURL: config.PublicURL, defaultID: config.DefaultDirectory}
	c.directories = newCache(config.Now, func(ctx context.Context, id string) (*oauth2.Issuer, error) {
		entry, err := storage.Get[storage.Directory](ctx, config.Engine, id)
		if err != nil {
			return nil, err
		}
		return &oauth2.Issuer{Directory: entry.Record, URL: c.issuerURL(entry.Record)}, nil
	})
	c.clients = newCache(config.Now, func(ctx context.Context, key string) (*oauth2.Client, error) {
		entry, err := storage.Get[storage.Client](ctx, config.Engine, key)
		if err != nil {
			return nil, err
		}
		issuer, err := c.directories.get(ctx, entry.Record.Directory)
		if err != nil {
			return nil, err
		}
		return oauth2.NewClient(entry.Record, issuer)
	})
	return c
}

// issuerURL is the issuer identifier of a directory.
func (c *catalog) issuerURL(directory storage.Directory) string {
	switch {
	case directory.Issuer != "":
		return directory.Issuer
	case directory.ID == c.defaultID:
		return c.publicURL
	default:
		return c.publicURL + directoryPrefix + directory.ID
	}
}

// maxClientID bounds client IDs, so that every key fits the store.
const maxClientID = 256

// Client implements oauth2.Clients.
func (c *catalog) Client(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	if id == "" || len(id) > maxClientID {
		return nil, storage.ErrNotFound
	}
	return c.clients.get(ctx, storage.Key(directory, id))
}

// place is where a request goes: a directory, and the path below its issuer.
type place struct {
	directory string
	path      string
}

// place reads the URL of a request. The default directory has no other address than the public URL itself.
func (c *catalog) place(r *http.Request) (place, bool) {
	path, inserted := strings.CutPrefix(r.URL.Path, authorizationServerMetadata+directoryPrefix)
	if inserted { // RFC 8414 §3.1 puts the path of the issuer behind the well-known name.
		return c.further(path, authorizationServerMetadata, !strings.Contains(path, "/"))
	}
	rest, below := strings.CutPrefix(r.URL.Path, directoryPrefix)
	if !below {
		return place{c.defaultID, r.URL.Path}, true
	}
	id, path, found := strings.Cut(rest, "/")
	if "/"+path == authorizationServerMetadata {
		found = false
	}
	return c.further(id, "/"+path, found)
}

func (c *catalog) further(id, path string, found bool) (place, bool) {
	return place{id, path}, found && id != c.defaultID && plainID(id)
}

// plainID reports whether id could be a directory's.
func plainID(id string) bool {
	return id != "" && len(id) <= 32 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// issuer returns the issuer at a place. An endpoint that is served from memory is content with what was known before the
// store went down. A directory that is missing or disabled, or has a host of its own, is not there.
func (c *catalog) issuer(ctx context.Context, at place, fromMemory bool) (*oauth2.Issuer, error) {
	get := c.directories.get
	if fromMemory {
		get = c.directories.last
	}
	issuer, err := get(ctx, at.directory)
	if err != nil {
		return nil, err
	}
	if issuer.Directory.Disabled || issuer.Directory.Issuer != "" {
		return nil, storage.ErrNotFound
	}
	return issuer, nil
}
