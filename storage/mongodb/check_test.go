package mongodb

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckURI_DoesNotConnect(t *testing.T) {
	for uri, good := range map[string]bool{
		"mongodb://db.invalid:27017/minifed?replicaSet=rs0":               true,
		"mongodb+srv://db.invalid/minifed":                                true,
		"mongodb://u:s3cr3t@db.invalid/?w=1":                              false,
		"mongodb://u:s3cr3t@db.invalid/?readPreference=nearest":           false,
		"mongodb://u:s3cr3t@db.invalid:port":                              false,
		"mongodb://u:s3cr3t@db.invalid/?tlsAllowInvalidCertificates=true": false,
	} {
		err := CheckURI(uri)
		if (err == nil) != good {
			t.Errorf("%s: %v", uri, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s is quoted: %v", uri, err)
		}
	}
}

func TestCheckURI_NamesTheReason(t *testing.T) {
	for query, want := range map[string]URIError{
		"mongodb:/a":                         {Reason: URIMalformed},
		"mongodb://a/?tlsCAFile=/none":       {Reason: URIConflict},
		"mongodb://a/?w=1":                   {URIWeak, "w", "majority"},
		"mongodb://a/?directConnection=true": {Reason: URIDirect},
		"mongodb://a/?tlsInsecure=true":      {Reason: URIUntrusted, Option: "tlsinsecure"},
	} {
		var got *URIError
		if err := CheckURI(query); !errors.As(err, &got) || *got != want {
			t.Errorf("%s: %#v, want %#v", query, err, want)
		}
	}
}
