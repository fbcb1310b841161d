package endpoint

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// directoryPrefix is the path prefix of the issuers of directories other than the default one.
const directoryPrefix = "/d/"

// Catalog finds the directory and the client of a request. It implements oauth2.Clients.
type Catalog struct {
	publicURL   string
	adminURL    string
	DefaultID   string
	hosts       hostIndex
	Directories *Cache[*oauth2.Issuer]
	clients     *Cache[*oauth2.Client]
}

var _ oauth2.Clients = (*Catalog)(nil)

// CatalogConfig configures a catalog.
type CatalogConfig struct {
	PublicURL, DefaultDirectory string
	// AdminURL is the issuer of the directory of operators; empty if it is not served.
	AdminURL string
	Engine   storage.Engine
	Now      func() time.Time
}

// NewCatalog returns a catalog that reads from the store.
func NewCatalog(config CatalogConfig) *Catalog {
	c := &Catalog{publicURL: config.PublicURL, adminURL: config.AdminURL, DefaultID: config.DefaultDirectory, hosts: newHostIndex(config)}
	c.Directories = newCache(config.Now, func(ctx context.Context, id string) (*oauth2.Issuer, error) {
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
		issuer, err := c.Directories.Get(ctx, entry.Record.Directory)
		if err != nil {
			return nil, err
		}
		return oauth2.NewClient(c.completed(entry.Record, issuer.Directory, config.Now()), issuer)
	})
	return c
}

// APIPath is the path of the admin API. With AdminURL it is the audience of its access tokens.
const APIPath = "/admin/v1"

// completed returns a client as it counts now: one that has expired is disabled, clients of operators get tokens for the admin
// API alone, and clients that no operator registered may have the scopes that the directory grants them.
func (c *Catalog) completed(client storage.Client, directory storage.Directory, now time.Time) storage.Client {
	if client.Origin != storage.OriginOperator {
		client.Scopes = Intersection(client.Scopes, directory.UnknownClientScopes())
		client.DefaultScopes = Intersection(client.DefaultScopes, client.Scopes)
	}
	if !client.ExpiresAt.IsZero() && !now.Before(client.ExpiresAt) {
		client.Disabled = true
	}
	if client.Directory == storage.OperatorsDirectory {
		client.Audiences, client.DefaultAudience = nil, []string{c.adminURL + APIPath}
	}
	return client
}

// Operators returns the issuer of the directory of operators, as Issuer does. Only the admin listener serves it.
func (c *Catalog) Operators(ctx context.Context, fromMemory bool) (*oauth2.Issuer, error) {
	return c.Issuer(ctx, Target{Directory: storage.OperatorsDirectory}, fromMemory)
}

// issuerURL is the issuer identifier of a directory.
func (c *Catalog) issuerURL(directory storage.Directory) string {
	switch {
	case directory.Issuer != "":
		return directory.Issuer
	case directory.ID == c.DefaultID:
		return c.publicURL
	case directory.ID == storage.OperatorsDirectory:
		return c.adminURL
	default:
		return c.publicURL + directoryPrefix + directory.ID
	}
}

// Directory implements identity.Directories.
func (c *Catalog) Directory(ctx context.Context, id string) (storage.Directory, error) {
	return directoryOf(c.Directories.Get(ctx, id))
}

// FreshDirectory implements identity.Directories.
func (c *Catalog) FreshDirectory(ctx context.Context, id string) (storage.Directory, error) {
	return directoryOf(c.Directories.fresh(ctx, id))
}

func directoryOf(issuer *oauth2.Issuer, err error) (storage.Directory, error) {
	if err != nil {
		return storage.Directory{}, err
	}
	return issuer.Directory, nil
}

// MaxClientID bounds client IDs, so that every key fits the store.
const MaxClientID = 256

// Client implements oauth2.Clients.
func (c *Catalog) Client(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	if id == "" || len(id) > MaxClientID {
		return nil, storage.ErrNotFound
	}
	return c.clients.Get(ctx, storage.Key(directory, id))
}

// FreshClient implements oauth2.Clients.
func (c *Catalog) FreshClient(ctx context.Context, directory, id string) (*oauth2.Client, error) {
	if id == "" || len(id) > MaxClientID {
		return nil, storage.ErrNotFound
	}
	return c.clients.fresh(ctx, storage.Key(directory, id))
}

// Target is the destination of a request: a directory, and the path below its issuer.
type Target struct {
	Directory string
	Path      string
	// Host is set for a directory that has a host of its own.
	Host string
}

// Resolve finds the target of a request by its host and URL. It returns storage.ErrNotFound if there is none. A directory has
// exactly one address: its own host, the public URL itself, or a path below the public URL.
func (c *Catalog) Resolve(r *http.Request) (Target, error) {
	id, host, err := c.hosts.directory(r.Context(), r.Host)
	if err != nil {
		return Target{}, err
	}
	if id != "" {
		return Target{id, wellKnownPath(r.URL.Path), host}, nil
	}
	whole := wellKnownPath(r.URL.Path)
	for _, name := range []string{AuthorizationServerMetadata, OpenIDConfiguration} {
		path, inserted := strings.CutPrefix(whole, name+directoryPrefix)
		if inserted { // RFC 8414 §3.1 puts the issuer's path after the well-known name; §5 allows it for both names.
			return c.directoryTarget(path, name, !strings.Contains(path, "/"))
		}
	}
	rest, below := strings.CutPrefix(whole, directoryPrefix)
	if !below {
		return Target{Directory: c.DefaultID, Path: whole}, nil
	}
	id, path, found := strings.Cut(rest, "/")
	if "/"+path == AuthorizationServerMetadata {
		found = false
	}
	return c.directoryTarget(id, "/"+path, found)
}

// wellKnownPath returns a well-known path without the trailing slash that some clients add. Other paths are unchanged.
func wellKnownPath(path string) string {
	if strings.HasPrefix(path, wellKnownPrefix) || strings.HasPrefix(path, directoryPrefix) && strings.Contains(path, wellKnownPrefix) {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

// wellKnownPrefix is the path prefix of RFC 8615.
const wellKnownPrefix = "/.well-known/"

func (c *Catalog) directoryTarget(id, path string, found bool) (Target, error) {
	if !found || id == c.DefaultID || !isDirectoryID(id) {
		return Target{}, storage.ErrNotFound
	}
	return Target{Directory: id, Path: path}, nil
}

// isDirectoryID reports whether id has the form of a directory's ID.
func isDirectoryID(id string) bool {
	return id != "" && len(id) <= 32 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Issuer returns the issuer at a target. An endpoint that is served from memory accepts a stale copy while the store is
// unavailable. A directory that is missing, disabled or at another address is storage.ErrNotFound.
func (c *Catalog) Issuer(ctx context.Context, at Target, fromMemory bool) (*oauth2.Issuer, error) {
	get := c.Directories.Get
	if fromMemory {
		get = c.Directories.getStale
	}
	issuer, err := get(ctx, at.Directory)
	if err != nil {
		return nil, err
	}
	if issuer.Directory.Disabled || hostOf(issuer.Directory.Issuer) != at.Host {
		return nil, storage.ErrNotFound
	}
	return issuer, nil
}

// ClientName is the client's display name.
func ClientName(client storage.Client) string { return cmp.Or(client.Name, client.ID) }
