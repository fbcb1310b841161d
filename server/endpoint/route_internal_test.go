package endpoint

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func FuzzPath_HasOneSpelling(f *testing.F) {
	for _, seed := range []string{"/oauth2/token", "//x", "/a/../b", "/%2e", "/a%2Fb", "/d/acme/oauth2/jwks", "/\\", "/;x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		parsed, err := url.ParseRequestURI(raw)
		if err != nil {
			return
		}
		r := &http.Request{URL: parsed}
		if !IsCanonicalPath(r) {
			return
		}
		path := parsed.Path
		if again, err := url.ParseRequestURI(path); err != nil || again.Path != path || strings.Contains(path, "//") || strings.Contains(path+"/", "/../") || strings.Contains(path+"/", "/./") {
			t.Errorf("%q is not plain", raw)
		}
	})
}
