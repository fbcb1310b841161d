package storage

import (
	"errors"
	"net/url"
	"strings"
)

// ErrNoSector says that a client with pairwise subjects has no sector identifier.
var ErrNoSector = errors.New("storage: the redirect URIs have several hosts, and sector_identifier names none")

// Sector returns the sector identifier of a client with pairwise subjects (OpenID Connect Core §8.1): the host of
// SectorIdentifier, or the one host of all redirect URIs, in lower case and without port. Clients of one sector get the same
// subject for a user. It returns ErrNoSector if there is no such host.
func (c Client) Sector() (string, error) {
	uris := c.RedirectURIs
	if c.SectorIdentifier != "" {
		uris = []string{c.SectorIdentifier}
	}
	sector := ""
	for _, uri := range uris {
		parsed, err := url.Parse(uri)
		if err != nil || parsed.Hostname() == "" {
			return "", ErrNoSector
		}
		host := strings.ToLower(parsed.Hostname())
		if sector != "" && host != sector {
			return "", ErrNoSector
		}
		sector = host
	}
	if sector == "" {
		return "", ErrNoSector
	}
	return sector, nil
}
