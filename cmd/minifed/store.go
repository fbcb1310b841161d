package main

import (
	"cmp"
	"errors"
	"path/filepath"
	"strings"
)

// storeLocation says where the store is.
type storeLocation struct {
	// file is the path of an SQLite file; empty for MongoDB.
	file string
	// uri is the URI of a MongoDB database, with its password.
	uri secret
}

// parseStore reads storage.uri. Its error does not quote the URI, which may hold a password.
func parseStore(config Config) (storeLocation, error) {
	uri := config.Storage.URI
	switch scheme, rest, _ := strings.Cut(uri, ":"); {
	case uri == "":
		return storeLocation{file: filepath.Join(config.DataDir, "minifed.db")}, nil
	case scheme == "sqlite" && strings.Trim(rest, "/") != "":
		return storeLocation{file: cmp.Or(strings.TrimPrefix(rest, "//"), rest)}, nil
	case scheme == "mongodb", scheme == "mongodb+srv":
		return storeLocation{uri: secret(uri)}, nil
	default:
		return storeLocation{}, errors.New("must be empty, sqlite:PATH, or begin with mongodb:// or mongodb+srv://")
	}
}
