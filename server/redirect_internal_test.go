package server

import (
	"strings"
	"testing"
)

func FuzzRedirectOriginFitsAPolicy(f *testing.F) {
	for _, uri := range []string{"https://rp.example/cb", "http://[::1]:1/cb", "com.example.app:/cb", "https://a;script-src *//", "https://a,b/"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		scheme, _, _ := strings.Cut(uri, ":")
		origin, rest := redirectOrigin(uri), ""
		if origin != scheme+":" {
			rest = strings.TrimPrefix(origin, scheme+"://")
		}
		if strings.ContainsAny(rest, " ;,'\"*/?#\\[]@") {
			t.Errorf("%q is written as %q", uri, origin)
		}
	})
}
