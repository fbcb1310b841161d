package ferretdb

import (
	"errors"
	"sync"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// TestInstances_RemovalsLeaveOneWayToSignIn removes the password and both passkeys of a user at two instances at once.
func TestInstances_RemovalsLeaveOneWayToSignIn(t *testing.T) {
	t.Parallel()
	w, a := newDeployment(t, (*Server).ReplicaSet)
	ann := a.addPerson("ann")
	how := identity.Removal{Actor: identity.Self(ann.ID)}
	for _, credential := range []string{"first", "second"} {
		key := storage.Passkey{RPID: "localhost", CredentialID: []byte(credential)}
		if err := a.people().AddPasskey(t.Context(), ann, key, identity.System); err != nil {
			t.Fatal(err)
		}
	}
	methods := must(a.people().Methods(t.Context(), ann))(t)
	services := []*identity.Service{a.people(), w.start().people()}
	removals := []func(*identity.Service) error{func(s *identity.Service) error { return s.RemovePassword(t.Context(), ann, how) }}
	for _, passkey := range methods.Passkeys {
		id := passkey.Record.ID()
		removals = append(removals, func(s *identity.Service) error { return s.RemovePasskey(t.Context(), ann, id, how) })
	}
	var group sync.WaitGroup
	results := make([]error, len(removals))
	for n, remove := range removals {
		group.Go(func() { results[n] = remove(services[n%len(services)]) })
	}
	group.Wait()
	rejected := 0
	for _, err := range results {
		switch {
		case errors.Is(err, identity.ErrLastMethod):
			rejected++
		case err != nil:
			t.Errorf("removal: %v", err)
		}
	}
	left := must(a.people().Methods(t.Context(), ann))(t)
	user := must(a.people().User(t.Context(), "default", ann.ID))(t).Record
	if hasPassword := user.Password != ""; rejected != 1 || hasPassword == (len(left.Passkeys) == 1) || len(left.Passkeys) > 1 {
		t.Errorf("%d rejected, %d passkeys are left, a password: %v", rejected, len(left.Passkeys), hasPassword)
	}
}
