package config

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// StoreLocation is the location of the store.
type StoreLocation struct {
	// File is the path of an SQLite file; empty for MongoDB.
	File string
	// URI is the URI of a MongoDB database, with its password.
	URI Secret
}

// StoreLocation parses storage.uri. Its error does not quote the URI, which may contain a password.
func (c Config) StoreLocation() (StoreLocation, error) {
	uri := c.Storage.URI
	switch scheme, rest, _ := strings.Cut(uri, ":"); {
	case uri == "":
		return StoreLocation{File: filepath.Join(c.DataDir, "minifed.db")}, nil
	case scheme == "sqlite" && strings.Trim(rest, "/") != "":
		return StoreLocation{File: cmp.Or(strings.TrimPrefix(rest, "//"), rest)}, nil
	case scheme == "mongodb", scheme == "mongodb+srv":
		return StoreLocation{URI: Secret(uri)}, nil
	default:
		return StoreLocation{}, &locale.Problem{What: locale.Text("must.be_store")}
	}
}

// MustExist returns an error with what to do if the SQLite file does not exist.
func (l StoreLocation) MustExist() error {
	if l.File == "" {
		return nil
	}
	if _, err := os.Stat(l.File); errors.Is(err, fs.ErrNotExist) {
		path, _ := filepath.Abs(l.File)
		return &locale.Problem{What: locale.Text("store.missing", path), Remedy: locale.Text("store.missing.remedy")}
	}
	return nil
}
