package storage_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestOrigin_ParsesAndRejects(t *testing.T) {
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
		if err := storage.CheckOrigin(test.origin); (err == nil) != test.good {
			t.Errorf("%q: %v", test.origin, err)
		}
	}
}

func TestCheckOrigin_NamesTheReason(t *testing.T) {
	for origin, want := range map[string]storage.OriginError{
		"id.example.com":             {Reason: storage.OriginMalformed},
		"ftp://id.example.com":       {Reason: storage.OriginScheme, Detail: "ftp"},
		"http://id.example.com":      {Reason: storage.OriginPlainHTTP},
		"https://id.example.com:443": {Reason: storage.OriginDefaultPort, Detail: "443"},
		"https://id.example.com:0":   {Reason: storage.OriginPort, Detail: "0"},
		"https://ID.example.com/x":   {Reason: storage.OriginNotBare, Detail: "https://id.example.com"},
	} {
		var got *storage.OriginError
		if err := storage.CheckOrigin(origin); !errors.As(err, &got) || *got != want {
			t.Errorf("%s: %#v, want %#v", origin, err, want)
		}
	}
}

func FuzzAnOriginIsExactlySchemeAndHost(f *testing.F) {
	for _, seed := range []string{"https://id.example.com", "http://localhost:8080", "https://[::1]", "https://a/%2e", "https://a?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if storage.CheckOrigin(raw) != nil {
			return
		}
		parsed, err := url.Parse(raw + "/d/x?y#z")
		if err != nil || parsed.Path != "/d/x" || parsed.RawQuery != "y" || parsed.User != nil || parsed.Scheme+"://"+parsed.Host != raw {
			t.Errorf("%q is no origin: %+v, %v", raw, parsed, err)
		}
	})
}
