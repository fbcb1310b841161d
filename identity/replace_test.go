package identity_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
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

// TestWithRevision_LostRaceChangesNothing lets another change come before each write of a change that requires a revision.
func TestWithRevision_LostRaceChangesNothing(t *testing.T) {
	for name, change := range map[string]func(h *storeHarness, ctx context.Context, id string) error{
		"profile": func(h *storeHarness, ctx context.Context, id string) error {
			return second(h.EditProfile(ctx, directory, id, func(p *storage.Profile) { p.Name = "First" }, identity.System))
		},
		"membership": func(h *storeHarness, ctx context.Context, id string) error {
			return second(h.EditMembership(ctx, directory, id, func(m *identity.Membership) { m.Groups = []string{"first"} }, identity.System))
		},
		"username": func(h *storeHarness, ctx context.Context, id string) error {
			return second(h.SetUsername(ctx, directory, id, "first", identity.System))
		},
		"phone": func(h *storeHarness, ctx context.Context, id string) error {
			return second(h.SetPhone(ctx, directory, id, number, identity.System))
		},
	} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("%s, before write %d", name, n), func(t *testing.T) {
				h := newStoreHarness(t)
				id := h.account("alice", password)
				seen, err := h.User(t.Context(), directory, id)
				if err != nil {
					t.Fatal(err)
				}
				writes, raced := 0, false
				h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
					if operation.Write() {
						writes++
					}
					if writes == n && !raced {
						raced = true
						h.removeHooks()
						edit := func(p *storage.Profile) { p.Nickname = "Second" }
						return second(h.EditProfile(t.Context(), directory, id, edit, identity.System))
					}
					return nil
				}
				err = change(h, identity.WithRevision(t.Context(), seen.Revision()), id)
				h.removeHooks()
				if !raced {
					if err != nil {
						t.Errorf("got error %v", err)
					}
					return
				}
				stored := h.user(id)
				done := stored.Profile.Name == "First" || stored.Groups != nil || stored.Username == "first" || stored.Phone == number
				if !done {
					wantError(t, err, identity.ErrChanged)
				} else if err != nil {
					t.Errorf("a change that was done returns %v", err)
				}
				if stored.Profile.Nickname != "Second" {
					t.Error("the other change was overwritten")
				}
				h.wantConsistent()
				other := h.account("bob", password)
				if _, taken := h.SetUsername(t.Context(), directory, other, "first", identity.System); taken != nil && stored.Username != "first" {
					t.Errorf("the name of the lost change stays reserved: %v", taken)
				}
				if _, taken := h.SetPhone(t.Context(), directory, other, number, identity.System); taken != nil && stored.Phone == "" {
					t.Errorf("the number of the lost change stays reserved: %v", taken)
				}
			})
		}
	}
}
