package suggest

import (
	"testing"
)

func TestNearest_FindsTheIntendedName(t *testing.T) {
	candidates := []string{"storage.uri", "storage.uri_file", "listen.address", "listen.admin_address", "log.level", "public_url"}
	for slip, want := range map[string]string{
		"storage.url": "storage.uri", "uri": "storage.uri", "adddress": "listen.address", "log.levle": "log.level",
		"publicurl": "public_url", "wechat.address": "listen.address", "": "storage.uri",
	} {
		if got := Nearest(slip, candidates); got != want {
			t.Errorf("%q: %s, want %s", slip, got, want)
		}
	}
}
