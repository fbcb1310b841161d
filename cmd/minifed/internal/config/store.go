package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// StoreLocation says where the store is.
type StoreLocation struct {
	// File is the path of an SQLite file; empty for MongoDB.
	File string
	// URI is the URI of a MongoDB database, with its password.
	URI Secret
}

// StoreLocation reads storage.uri. Its error does not quote the URI, which may hold a password.
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
		return StoreLocation{}, errors.New("must be empty, sqlite:PATH, or begin with mongodb:// or mongodb+srv://")
	}
}

// MustExist answers what to do when there is no store.
func (l StoreLocation) MustExist() error {
	if l.File == "" {
		return nil
	}
	if _, err := os.Stat(l.File); errors.Is(err, fs.ErrNotExist) {
		path, _ := filepath.Abs(l.File)
		return fmt.Errorf("there is no store at %s: start `minifed serve` once, which makes it, or name the configuration of the one you mean by --config", path)
	}
	return nil
}
