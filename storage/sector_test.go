package storage_test

import (
	"errors"
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestOIDCCore_8_1_TheSectorIsOneHost(t *testing.T) {
	for name, test := range map[string]struct {
		client storage.Client
		want   string
	}{
		"the one host of all redirect URIs": {storage.Client{RedirectURIs: []string{"https://A.example:8443/x", "https://a.example/y"}}, "a.example"},
		"the host of the sector identifier": {storage.Client{
			RedirectURIs: []string{"https://a.example/", "https://b.example/"}, SectorIdentifier: "https://S.example:444/uris.json",
		}, "s.example"},
		"an address":     {storage.Client{RedirectURIs: []string{"http://[::1]:3000/"}}, "::1"},
		"several hosts":  {storage.Client{RedirectURIs: []string{"https://a.example/", "https://b.example/"}}, ""},
		"a subdomain":    {storage.Client{RedirectURIs: []string{"https://a.example/", "https://x.a.example/"}}, ""},
		"no host":        {storage.Client{RedirectURIs: []string{"com.example.app:/callback"}}, ""},
		"no redirect":    {storage.Client{}, ""},
		"a broken URI":   {storage.Client{SectorIdentifier: "https://[::1"}, ""},
		"a native's two": {storage.Client{RedirectURIs: []string{"https://a.example/", "com.example.app:/callback"}}, ""},
	} {
		got, err := test.client.Sector()
		if got != test.want || (test.want == "") != errors.Is(err, storage.ErrNoSector) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}
