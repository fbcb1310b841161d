package mongodb

import "strings"

// CheckURI returns why a connection string cannot be used, without connecting: it is malformed, or it weakens a guarantee that
// minifed relies on. Only Open looks up the records of a mongodb+srv URI. Errors never quote the URI.
func CheckURI(uri string) error {
	if strings.HasPrefix(uri, "mongodb+srv:") {
		return nil
	}
	_, _, err := parse(Options{URI: uri})
	return err
}
