package admin

import (
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestOrigins(t *testing.T) {
	tests := []struct {
		origin string
		good   bool
	}{
		{"https://id.example.com", true},
		{"https://id.example.com:8443", true},
		{"http://localhost:8080", true},
		{"http://localhost", true},
		{"http://127.0.0.1:1", true},
		{"http://[::1]:8080", true},
		{"https://[2001:db8::1]", true},
		{"https://xn--fiqs8s.example", true},
		{"", false},
		{"id.example.com", false},
		{"https://", false},
		{"https://:8080", false},
		{"ftp://id.example.com", false},
		{"http://id.example.com", false},
		{"http://localhost.example.com", false},
		{"https://id.example.com/", false},
		{"https://id.example.com/x", false},
		{"https://id.example.com?x", false},
		{"https://id.example.com?", false},
		{"https://id.example.com#x", false},
		{"https://id.example.com#", false},
		{"https://user@id.example.com", false},
		{"https://ID.example.com", false},
		{"HTTPS://id.example.com", false},
		{"https://id.example.com:443", false},
		{"http://localhost:80", false},
		{"https://id.example.com:", false},
		{" https://id.example.com", false},
		{"https://id.example.com\n", false},
		{"https://id .example.com", false},
		{"https://身份.example.com", false},
	}
	for _, test := range tests {
		if err := CheckOrigin(test.origin); (err == nil) != test.good {
			t.Errorf("%q: %v", test.origin, err)
		}
	}
}

func TestIDsOfDirectories(t *testing.T) {
	for id, good := range map[string]bool{
		"default": true, "a": true, "a-1": true, strings.Repeat("a", 32): true,
		"": false, strings.Repeat("a", 33): false, "A": false, "a_b": false, "a/b": false, "a.b": false, "é": false, "a b": false,
	} {
		if err := CheckID(id); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}

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
		{"http://localhost:3000/cb", true, false, true},
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
			if err := checkRedirectURI(kind, test.uri); (err == nil) != good {
				t.Errorf("%s of %q: %v", kind, test.uri, err)
			}
		}
	}
}

func TestRFC6749_3_3_ScopeTokens(t *testing.T) {
	for scope, good := range map[string]bool{
		"openid": true, "urn:minifed:link": true, "https://api.example.com/read": true, "!": true, "~": true, "[": true, "]": true,
		"": false, "two words": false, `a"b`: false, `a\b`: false, "a\tb": false, "é": false, strings.Repeat("a", 129): false,
	} {
		if err := checkScope(scope); (err == nil) != good {
			t.Errorf("%q: %v", scope, err)
		}
	}
}

func TestAppIDs(t *testing.T) {
	for id, good := range map[string]bool{
		"wx0123456789abcdef": true, "wxsim1": true, "wxsimShop": true,
		"wx0123456789ABCDEF": false, "wx0123456789abcde": false, "gh_0123456789abcdef": false, "": false, "wxsim-1": false,
	} {
		if err := checkAppID(id); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func FuzzAnOriginIsExactlySchemeAndHost(f *testing.F) {
	for _, seed := range []string{"https://id.example.com", "http://localhost:8080", "https://[::1]", "https://a/%2e", "https://a?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckOrigin(raw) != nil {
			return
		}
		parsed, err := url.Parse(raw + "/d/x?y#z")
		if err != nil || parsed.Path != "/d/x" || parsed.RawQuery != "y" || parsed.User != nil || parsed.Scheme+"://"+parsed.Host != raw {
			t.Errorf("%q is no origin: %+v, %v", raw, parsed, err)
		}
	})
}

func FuzzARedirectURIParsesAsItReads(f *testing.F) {
	for _, seed := range []string{"https://a.example.com/cb", "com.example.app:/cb", "http://127.0.0.1/cb", `https://a\@b/`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if checkRedirectURI(storage.ClientNative, raw) != nil {
			return
		}
		parsed, err := url.Parse(raw)
		if err != nil || parsed.Fragment != "" || parsed.User != nil || parsed.Opaque != "" || strings.ContainsAny(raw, " \\*#\r\n") {
			t.Errorf("%q was accepted: %+v, %v", raw, parsed, err)
		}
	})
}
