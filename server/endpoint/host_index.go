package endpoint

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/minifed/minifed/storage"
)

// hostIndex knows which directory is issuer at a host of its own. The header Host says where a request goes, and nothing else
// does: a proxy in front has to hand it on as it came, because headers that name the host in other words come from anybody.
// It decides which directory answers and never what the answer says: that is the issuer of the directory's record.
type hostIndex struct {
	// public is the host of the public URL; nobody else can have it.
	public string
	// directories are the IDs of directories by host, empty for a host that is nobody's. That is kept as any other answer is, since
	// callers may use whatever name leads here, such as a service's name within a cluster.
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

// maxHost bounds a host: a name of 253 bytes and a port.
const maxHost = 260

// directory returns the ID of the directory that has the host to itself which a request names, and the host as origins write
// it. It is empty for every other host, at which the public URL's directories are. What was known before the store went down
// is good while it is.
func (h hostIndex) directory(ctx context.Context, header string) (id, host string, err error) {
	host = strings.TrimSuffix(lower(header), ":443") // Some clients name the port that https has anyway.
	if host == h.public || host == "" || len(host) > maxHost {
		return "", host, nil
	}
	id, err = h.directories.getStale(ctx, host)
	return id, host, err
}

// hostOf is the host of an origin, with its port if it names one.
func hostOf(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return lower(u.Host)
}
