package server

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// directoryPrefix is where the issuers of further directories begin.
const directoryPrefix = "/d/"

// catalog knows the directories and clients that requests ask for. It implements oauth2.Clients.
type catalog struct {
	publicURL   string
	defaultID   string
	hosts       hosts
	directories *cache[*oauth2.Issuer]
	clients     *cache[*oauth2.Client]
}

var _ oauth2.Clients = (*catalog)(nil)

// catalogConfig is what a catalog is made from.
type catalogConfig struct {
	PublicURL, DefaultDirectory string
	Engine                      storage.Engine
	Now                         func() time.Time
}

func newCatalog(config catalogConfig) *catalog {
	c := &catalog{publicURL: config.PublicURL, defaultID: config.DefaultDirectory, hosts: newHosts(config)}
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

// FreshClient implements oauth2.Clients.
func (c *catalog) FreshClient(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	if id == "" || len(id) > maxClientID {
		return nil, storage.ErrNotFound
	}
	return c.clients.fresh(ctx, storage.Key(directory, id))
}

// place is where a request goes: a directory, and the path below its issuer.
type place struct {
	directory string
	path      string
	// host is set for a directory that has that host to itself.
	host string
}

// place reads the host and the URL of a request, and answers storage.ErrNotFound for one that leads nowhere. A directory has
// one address alone: its own host, or the public URL itself, or a path below it.
func (c *catalog) place(r *http.Request) (place, error) {
	id, host, err := c.hosts.directory(r.Context(), r.Host)
	if err != nil {
		return place{}, err
	}
	if id != "" {
		return place{id, wellKnownPath(r.URL.Path), host}, nil
	}
	whole := wellKnownPath(r.URL.Path)
	for _, name := range []string{authorizationServerMetadata, openIDConfiguration} {
		path, inserted := strings.CutPrefix(whole, name+directoryPrefix)
		if inserted { // RFC 8414 §3.1 puts the path of the issuer behind the well-known name; §5 allows it for both names.
			return c.further(path, name, !strings.Contains(path, "/"))
		}
	}
	rest, below := strings.CutPrefix(whole, directoryPrefix)
	if !below {
		return place{directory: c.defaultID, path: whole}, nil
	}
	id, path, found := strings.Cut(rest, "/")
	if "/"+path == authorizationServerMetadata {
		found = false
	}
	return c.further(id, "/"+path, found)
}

// wellKnownPath is a path without the slash at its end that some clients add to the address of a well-known document. Other
// paths stay as they are.
func wellKnownPath(path string) string {
	if strings.HasPrefix(path, wellKnownPrefix) || strings.HasPrefix(path, directoryPrefix) && strings.Contains(path, wellKnownPrefix) {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

// wellKnownPrefix begins the paths of RFC 8615.
const wellKnownPrefix = "/.well-known/"

func (c *catalog) further(id, path string, found bool) (place, error) {
	if !found || id == c.defaultID || !plainID(id) {
		return place{}, storage.ErrNotFound
	}
	return place{directory: id, path: path}, nil
}

// plainID reports whether id could be a directory's.
func plainID(id string) bool {
	return id != "" && len(id) <= 32 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// issuer returns the issuer at a place. An endpoint that is served from memory is content with what was known before the
// store went down. A directory that is missing or disabled, or has its address elsewhere, is not there.
func (c *catalog) issuer(ctx context.Context, at place, fromMemory bool) (*oauth2.Issuer, error) {
	get := c.directories.get
	if fromMemory {
		get = c.directories.last
	}
	issuer, err := get(ctx, at.directory)
	if err != nil {
		return nil, err
	}
	if issuer.Directory.Disabled || hostOf(issuer.Directory.Issuer) != at.host {
		return nil, storage.ErrNotFound
	}
	return issuer, nil
}

// clientName is what people know a client by.
func clientName(client storage.Client) string { return cmp.Or(client.Name, client.ID) }
