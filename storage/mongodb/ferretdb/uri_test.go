package ferretdb

import (
	"net/url"
	"testing"
)

// withDatabase is the URI with another database in its path.
func withDatabase(uri, database string) string {
	parsed, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	parsed.Path = "/" + database
	return parsed.String()
}

func TestAnotherDatabaseKeepsTheOptions(t *testing.T) {
	got := withDatabase("mongodb://a:1,b:2/old?replicaSet=rs0", "new")
	if want := "mongodb://a:1,b:2/new?replicaSet=rs0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
