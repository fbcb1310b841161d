package endpoint

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/minifed/minifed/storage"
)

// hostIndex maps a host to the directory that has this host of its own. It uses the header Host only, which a proxy must pass
// on unchanged: any client can send the headers that repeat it. The host selects the directory; the response contains the issuer
// of the directory's record.
type hostIndex struct {
	// public is the host of the public URL. No directory can have it.
	public string
	// directories maps hosts to directory IDs; an empty ID means that no directory has the host. Such results are cached too,
	// because callers may use other names of this server, such as a service's name within a cluster.
	directories *Cache[string]
}

func newHostIndex(config CatalogConfig) hostIndex {
	return hostIndex{
		public: hostOf(config.PublicURL),
		directories: newCache(config.Now, func(ctx context.Context, host string) (string, error) {
			entry, err := storage.Get[storage.IssuerHost](ctx, config.Engine, host)
			if errors.Is(err, storage.ErrNotFound) {
				return "", nil
			}
			if err != nil {
				return "", err
			}
			return entry.Record.Directory, nil
		}),
	}
}

// maxHost bounds the length of a host: a name of 253 bytes and a port.
const maxHost = 260

// directory returns the ID of the directory with this host of its own, and the host as origins write it. The ID is empty for
// every other host: these serve the directories of the public URL. While the store is unavailable it uses what is cached.
func (h hostIndex) directory(ctx context.Context, header string) (id, host string, err error) {
	host = strings.TrimSuffix(lower(header), ":443") // Some clients add the default port.
	if host == h.public || host == "" || len(host) > maxHost {
		return "", host, nil
	}
	id, err = h.directories.getStale(ctx, host)
	return id, host, err
}

// hostOf returns the host of an origin, with its port if it has one.
func hostOf(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return lower(u.Host)
}

// IsOwnHost reports whether this server is at the host of a URL: at that of the public URL, of the admin listener, or of a
// directory. On a loopback host the port counts too, so that developers can run both on one machine.
func (c *Catalog) IsOwnHost(ctx context.Context, address *url.URL) (bool, error) {
	for _, own := range []string{c.publicURL, c.adminURL} {
		parsed, err := url.Parse(own)
		if err != nil || own == "" || lower(parsed.Hostname()) != lower(address.Hostname()) {
			continue
		}
		if !storage.IsLoopback(parsed.Hostname()) || lower(parsed.Host) == lower(address.Host) {
			return true, nil
		}
	}
	id, _, err := c.hosts.directory(ctx, address.Host)
	if err != nil || id != "" {
		return true, err
	}
	id, _, err = c.hosts.directory(ctx, address.Hostname())
	return id != "", err
}
