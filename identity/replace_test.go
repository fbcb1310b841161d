package identity_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func TestReplacePassword_EndsSessionsInOneWrite(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", password)
	seen := h.user(user)
	_, writes := h.counted(func() {
		if _, err := h.ReplacePassword(t.Context(), seen, "another horse", identity.System); err != nil {
			t.Fatal(err)
		}
	})
	after := h.user(user)
	if writes != 1 || after.Epoch != seen.Epoch+1 || !after.PasswordChangedAt.Equal(h.clock.Now()) {
		t.Errorf("%d writes, %+v", writes, after)
	}
	if got, err := h.verify("alice", "another horse"); got != user || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := h.verify("alice", password)
	wantError(t, err, identity.ErrWrongPassword)
}

func TestReplacePassword_ProofWorksOnce(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", password)
	for name, change := range map[string]func(seen storage.User) error{
		"another password": func(storage.User) error {
			_, err := h.SetPassword(t.Context(), directory, user, "changed horse", identity.System)
			return err
		},
		"sign out everywhere": func(storage.User) error { return h.SignOutEverywhere(t.Context(), directory, user, identity.System) },
		"itself": func(seen storage.User) error {
			_, err := h.ReplacePassword(t.Context(), seen, "replaced horse", identity.System)
			return err
		},
	} {
		seen := h.user(user)
		if err := change(seen); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		before := h.user(user)
		_, err := h.ReplacePassword(t.Context(), seen, "a late horse", identity.System)
		wantError(t, err, identity.ErrChanged)
		if after := h.user(user); after.Password != before.Password || after.Epoch != before.Epoch {
			t.Errorf("%s: the password was replaced", name)
		}
	}
}

func TestReplacePassword_ConcurrentHasOneWinner(t *testing.T) {
	h := newStoreHarness(t)
	seen := h.user(h.account("alice", password))
	var won atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := h.ReplacePassword(t.Context(), seen, "another horse", identity.System); err == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of them did", won.Load())
	}
}

func TestReplacePassword_ChecksNewPassword(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("aliceinwonderland", password)
	for _, bad := range []string{"short", "AliceInWonderland", strings.Repeat("p", 257)} {
		_, err := h.ReplacePassword(t.Context(), h.user(user), bad, identity.System)
		wantInvalid(t, err, "password")
	}
	seen := h.user(user)
	if err := h.Disable(t.Context(), directory, user, identity.System); err != nil {
		t.Fatal(err)
	}
	disabled := h.user(user)
	_, err := h.ReplacePassword(t.Context(), disabled, "another horse", identity.Self(user))
	wantError(t, err, identity.ErrUserDisabled)
	_, err = h.ReplacePassword(t.Context(), seen, "another horse", identity.Self(user))
	wantError(t, err, identity.ErrChanged)
}
