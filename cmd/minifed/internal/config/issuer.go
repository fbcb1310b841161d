package config

import (
	"github.com/minifed/minifed/storage"
)

// IssuerOf returns the issuer of a directory.
func (c Config) IssuerOf(directory storage.Directory) string {
	switch {
	case directory.ID == c.DefaultDirectory:
		return c.PublicURL
	case directory.Issuer != "":
		return directory.Issuer
	default:
		return c.PublicURL + "/d/" + directory.ID
	}
}
