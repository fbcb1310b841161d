package mongodb

import (
	"strings"
	"testing"
	"time"
)

func TestOptionsThatWeakenAreRefused(t *testing.T) {
	for query, option := range map[string]string{
		"w=1":                                    "w",
		"w=0":                                    "w",
		"journal=false":                          "journal",
		"readPreference=secondary":               "readPreference",
		"readPreference=primaryPreferred":        "readPreference",
		"readConcernLevel=local":                 "readConcernLevel",
		"readConcernLevel=available":             "readConcernLevel",
		"tls=true&tlsInsecure=true":              "tlsInsecure",
		"ssl=true&tlsAllowInvalidHostnames=true": "tlsAllowInvalidHostnames",
	} {
		_, _, err := parse(Options{URI: "mongodb://user:s3cr3t@db.example:27017/minifed?" + query})
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(option)) {
			t.Errorf("%s: got %v, want an error that names %s", query, err, option)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error quotes the URI", query)
		}
	}
}

func TestSafeURIsPass(t *testing.T) {
	for uri, database := range map[string]string{
		"mongodb://db.example": "minifed",
		"mongodb://a,b,c/id?replicaSet=rs0&w=majority&journal=true":       "id",
		"mongodb://a/id?readPreference=primary&readConcernLevel=majority": "id",
	} {
		_, got, err := parse(Options{URI: uri})
		if err != nil || got != database {
			t.Errorf("%s: database %q, %v; want %q", uri, got, err, database)
		}
	}
}

func TestTheURISetsThePoolAndTheTimes(t *testing.T) {
	set, _, err := parse(Options{URI: "mongodb://a/?maxPoolSize=7&minPoolSize=3&maxIdleTimeMS=9000&serverSelectionTimeoutMS=1500&retryWrites=false"})
	if err != nil {
		t.Fatal(err)
	}
	if *set.MaxPoolSize != 7 || *set.MinPoolSize != 3 || *set.MaxConnIdleTime != 9*time.Second || *set.ServerSelectionTimeout != 1500*time.Millisecond {
		t.Errorf("got %d, %d, %v, %v", *set.MaxPoolSize, *set.MinPoolSize, *set.MaxConnIdleTime, *set.ServerSelectionTimeout)
	}
	if set, _, err = parse(Options{URI: "mongodb://a"}); err != nil || *set.ServerSelectionTimeout != selectionTimeout {
		t.Errorf("by itself an operation waits %v for a primary: %v", *set.ServerSelectionTimeout, err)
	}
}

func TestAWrongURIIsNotQuoted(t *testing.T) {
	for _, uri := range []string{"", "s3cr3t", "http://s3cr3t@db", "mongodb://u:s3cr3t@h/?w=s3cr3t&replicaSet="} {
		if _, _, err := parse(Options{URI: uri}); err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v", err)
		} else if err == nil {
			t.Errorf("%q was taken", uri)
		}
	}
}
