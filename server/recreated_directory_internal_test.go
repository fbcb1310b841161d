package server

import (
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func TestThrottles_CountApartInARecreatedDirectory(t *testing.T) {
	login := identity.Login{AppID: "wxsim1", OpenID: "o1"}
	seen := map[string]bool{}
	for _, incarnation := range []string{"", "first", "second"} {
		directory := storage.Directory{ID: "staff", Incarnation: incarnation}
		for _, who := range []throttled{
			throttledName(directory, "bob"), throttledAccount(directory, "", "bob"), throttledOpenID(directory, login), throttledMail(directory, "bob@example.com"),
		} {
			id := who.none().Document().ID
			if seen[id] {
				t.Errorf("%s of incarnation %q has the count of another one", who.rule.name, incarnation)
			}
			seen[id] = true
		}
	}
}
