package uri_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/internal/uri"
	"github.com/minifed/minifed/storage"
)

func TestRFC8252_7_RedirectURIsByKind(t *testing.T) {
	const spa, native, web = storage.ClientSPA, storage.ClientNative, storage.ClientWeb
	tests := []struct {
		uri               string
		spa, native, web_ bool
	}{
		{"https://a.example.com/cb", true, true, true},
		{"https://a.example.com/cb?x=1", true, true, true},
		{"https://a.example.com", true, true, true},
		{"http://a.example.com/cb", false, false, false},
		{"http://localhost:3000/cb", true, true, true},
		{"http://localhost.example.com/cb", false, false, false},
		{"http://sub.localhost/cb", false, false, false},
		{"http://127.0.0.1/cb", true, true, true},
		{"http://127.0.0.1:4000/cb", true, true, true},
		{"http://127.0.0.2/cb", true, false, true},
		{"http://[::1]/cb", true, true, true},
		{"com.example.app:/cb", false, true, false},
		{"com.example.app://cb", false, true, false},
		{"myapp:/cb", false, false, false},
		{"com.example.app:cb", false, false, false},
		{"javascript:alert(1)", false, false, false},
		{"data:text/html,x", false, false, false},
		{"https://a.example.com/cb#x", false, false, false},
		{"https://a.example.com/cb#", false, false, false},
		{"https://user@a.example.com/cb", false, false, false},
		{"https://*.example.com/cb", false, false, false},
		{"https://a.example.com/../cb", false, false, false},
		{"https://a.example.com/./cb", false, false, false},
		{"https://a.example.com/%2e%2e/cb", false, false, false},
		{`https://a.example.com\@evil.example.com`, false, false, false},
		{"https:///cb", false, false, false},
		{"//a.example.com/cb", false, false, false},
		{"/cb", false, false, false},
		{"", false, false, false},
		{"https://a.example.com/日本", false, false, false},
		{"https://a.example.com/" + strings.Repeat("a", 1024), false, false, false},
	}
	for _, test := range tests {
		for kind, good := range map[storage.ClientKind]bool{spa: test.spa, native: test.native, web: test.web_} {
			if err := uri.CheckRedirect(kind, test.uri); (err == nil) != good {
				t.Errorf("%s of %q: %v", kind, test.uri, err)
			}
		}
	}
}

func FuzzRedirectURI_ParsesAsWritten(f *testing.F) {
	for _, seed := range []string{"https://a.example.com/cb", "com.example.app:/cb", "http://127.0.0.1/cb", `https://a\@b/`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if uri.CheckRedirect(storage.ClientNative, raw) != nil {
			return
		}
		parsed, err := url.Parse(raw)
		if err != nil || parsed.Fragment != "" || parsed.User != nil || parsed.Opaque != "" || strings.ContainsAny(raw, " \\*#\r\n") {
			t.Errorf("%q was accepted: %+v, %v", raw, parsed, err)
		}
	})
}
