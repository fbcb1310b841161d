package ratelimit

import (
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func TestLockout_RecreatedDirectoryCountsFromZero(t *testing.T) {
	login := identity.Login{AppID: "wxsim1", OpenID: "o1"}
	seen := map[string]bool{}
	for _, incarnation := range []string{"", "first", "second"} {
		directory := storage.Directory{ID: "staff", Incarnation: incarnation}
		for _, who := range []Key{
			NameKey(directory, "bob"), AccountKey(directory, "", "bob"), OpenIDKey(directory, login), MailAddressKey(directory, "bob@example.com"),
		} {
			id := who.emptyCount().Document().ID
			if seen[id] {
				t.Errorf("%s of incarnation %q has the count of another one", who.Rule.name, incarnation)
			}
			seen[id] = true
		}
	}
}
