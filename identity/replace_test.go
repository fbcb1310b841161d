package identity_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func TestAReplacedPasswordEndsEverythingInOneWrite(t *testing.T) {
	w := newWorld(t)
	user := w.account("alice", password)
	seen := w.user(user)
	_, writes := w.counted(func() {
		if _, err := w.ReplacePassword(t.Context(), seen, "another horse", identity.System); err != nil {
			t.Fatal(err)
		}
	})
	after := w.user(user)
	if writes != 1 || after.Epoch != seen.Epoch+1 || !after.PasswordChangedAt.Equal(w.clock.Now()) {
		t.Errorf("%d writes, %+v", writes, after)
	}
	if got, err := w.verify("alice", "another horse"); got != user || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := w.verify("alice", password)
	wantError(t, err, identity.ErrWrongPassword)
}

func TestWhatProvedTheUserReplacesAPasswordOnce(t *testing.T) {
	w := newWorld(t)
	user := w.account("alice", password)
	for name, change := range map[string]func(seen storage.User) error{
		"another password": func(storage.User) error {
			_, err := w.SetPassword(t.Context(), directory, user, "changed horse", identity.System)
			return err
		},
		"sign out everywhere": func(storage.User) error { return w.SignOutEverywhere(t.Context(), directory, user, identity.System) },
		"itself": func(seen storage.User) error {
			_, err := w.ReplacePassword(t.Context(), seen, "replaced horse", identity.System)
			return err
		},
	} {
		seen := w.user(user)
		if err := change(seen); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		before := w.user(user)
		_, err := w.ReplacePassword(t.Context(), seen, "a late horse", identity.System)
		wantError(t, err, identity.ErrChanged)
		if after := w.user(user); after.Password != before.Password || after.Epoch != before.Epoch {
			t.Errorf("%s: the password was replaced", name)
		}
	}
}

func TestOneOfManyReplacesAPassword(t *testing.T) {
	w := newWorld(t)
	seen := w.user(w.account("alice", password))
	var won atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := w.ReplacePassword(t.Context(), seen, "another horse", identity.System); err == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of them did", won.Load())
	}
}

func TestAReplacingPasswordIsCheckedAsAnyOther(t *testing.T) {
	w := newWorld(t)
	user := w.account("aliceinwonderland", password)
	for _, bad := range []string{"short", "AliceInWonderland", strings.Repeat("p", 257)} {
		_, err := w.ReplacePassword(t.Context(), w.user(user), bad, identity.System)
		wantInvalid(t, err, "password")
	}
	seen := w.user(user)
	if err := w.Disable(t.Context(), directory, user, identity.System); err != nil {
		t.Fatal(err)
	}
	disabled := w.user(user)
	_, err := w.ReplacePassword(t.Context(), disabled, "another horse", identity.Self(user))
	wantError(t, err, identity.ErrUserDisabled)
	_, err = w.ReplacePassword(t.Context(), seen, "another horse", identity.Self(user))
	wantError(t, err, identity.ErrChanged)
}
