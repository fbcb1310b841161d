package mongodb

import "strings"

// CheckURI says what keeps a connection string from being used, without connecting to anything: it is not one, or it weakens
// what minifed relies on. The records that a mongodb+srv URI stands for are only looked up by Open. Errors never quote the URI.
func CheckURI(uri string) error {
	if strings.HasPrefix(uri, "mongodb+srv:") {
		return nil
	}
	_, _, err := parse(Options{URI: uri})
	return err
}
