package storage_test

import (
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestRFC3986_6_2_ResourcesCompareByCaseOfSchemeAndHost(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{
		{"https://api.example.com", "https://api.example.com/"},
		{"HTTPS://API.Example.COM/v1", "https://api.example.com/v1"},
		{"https://api.example.com?tenant=a", "https://API.example.com/?tenant=a"},
		{"https://[2001:DB8::1]:8443/mcp", "https://[2001:db8::1]:8443/mcp"},
		{"URN:example:api", "urn:example:api"},
	} {
		if !storage.SameResource(same[0], same[1]) || storage.ResourceID(same[0]) != storage.ResourceID(same[1]) {
			t.Errorf("%s and %s are two resources", same[0], same[1])
		}
	}
	for _, other := range [][2]string{
		{"https://api.example.com/v1", "https://api.example.com/v1/"},
		{"https://api.example.com/v1", "https://api.example.com/V1"},
		{"https://api.example.com", "https://api.example.com:443"},
		{"https://api.example.com", "http://api.example.com"},
		{"https://api.example.com/%7Ea", "https://api.example.com/~a"},
		{"urn:example:api", "urn:example:API"},
		{"https://\u212aelvin.example/", "https://kelvin.example/"},
		{"https://User@api.example.com/", "https://user@api.example.com/"},
	} {
		if storage.SameResource(other[0], other[1]) || storage.ResourceID(other[0]) == storage.ResourceID(other[1]) {
			t.Errorf("%s and %s are one resource", other[0], other[1])
		}
	}
}

func FuzzCanonicalResource(f *testing.F) {
	for _, seed := range []string{"https://a", "HTTPS://A/b?c#d", "urn:x:Y", "//a", ":", "a://@?", "a:b//C"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, identifier string) {
		canonical := storage.CanonicalResource(identifier)
		if again := storage.CanonicalResource(canonical); again != canonical {
			t.Errorf("%q becomes %q and then %q", identifier, canonical, again)
		}
	})
}
