package identity_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// mergeProven merges the pair as the person who proved both users in their present state.
func (h *storeHarness) mergeProven(p mergePair) (*identity.Merged, error) {
	h.t.Helper()
	return h.MergeProven(h.t.Context(), h.user(p.younger), h.user(p.older))
}

func TestMergeProven_RequiresValidProofsOfBothUsers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *storeHarness, p mergePair) error{
		"the older has signed out everywhere": func(h *storeHarness, p mergePair) error {
			return h.SignOutEverywhere(t.Context(), directory, p.older, identity.System)
		},
		"the younger has another password": func(h *storeHarness, p mergePair) error {
			_, err := h.SetPassword(t.Context(), directory, p.younger, "another correct horse", identity.System)
			return err
		},
	} {
		h := newStoreHarness(t)
		p := h.addMergePair()
		one, other := h.user(p.older), h.user(p.younger)
		if err := change(h, p); err != nil {
			t.Fatal(name, err)
		}
		_, err := h.MergeProven(t.Context(), one, other)
		wantError(t, err, identity.ErrChanged)
		if _, err := h.PreviewProven(t.Context(), one, other); err == nil {
			t.Errorf("%s: there is a preview", name)
		}
		if slices.Contains(h.actions(), identity.ActionMerge) {
			t.Errorf("%s: a merge is recorded", name)
		}
	}
}

func TestMergeProven_RejectsUsersWhoMayNotSignIn(t *testing.T) {
	t.Parallel()
	h := newStoreHarness(t)
	p := h.addMergePair()
	if _, err := h.RequestDeletion(t.Context(), directory, p.older, identity.System); err != nil {
		t.Fatal(err)
	}
	_, err := h.mergeProven(p)
	wantError(t, err, identity.ErrDeletionPending)
	if _, err := h.RestoreDeleted(t.Context(), directory, p.older, identity.System); err != nil {
		t.Fatal(err)
	}
	if err := h.Disable(t.Context(), directory, p.younger, identity.System); err != nil {
		t.Fatal(err)
	}
	_, err = h.mergeProven(p)
	wantError(t, err, identity.ErrUserDisabled)
}

// TestMergeProven_BothDirectionsAtOnceAreOneMerge merges A into B and B into A concurrently.
func TestMergeProven_BothDirectionsAtOnceAreOneMerge(t *testing.T) {
	t.Parallel()
	h := newStoreHarness(t)
	p := h.addMergePair()
	older, younger := h.user(p.older), h.user(p.younger)
	var group sync.WaitGroup
	results, errs := make([]*identity.Merged, 2), make([]error, 2)
	for i, pair := range [][2]storage.User{{older, younger}, {younger, older}} {
		group.Go(func() { results[i], errs[i] = h.MergeProven(t.Context(), pair[0], pair[1]) })
	}
	group.Wait()
	for i := range results {
		if errs[i] != nil || results[i].Survivor != p.older || results[i].Alias != p.younger {
			t.Errorf("%d: %+v, %v", i, results[i], errs[i])
		}
	}
	h.wantMerged(p)
	if user := h.user(p.older); len(user.FormerIDs) != 1 || user.FormerIDs[0].ID != p.younger {
		t.Errorf("former IDs: %+v", user.FormerIDs)
	}
}

func TestUndoMerge_WorksFor30Days(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for days, works := range map[time.Duration]bool{29: true, 31: false} {
		h := newStoreHarness(t)
		p := h.addMergePair()
		merged, err := h.mergeProven(p)
		if err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(days * day)
		listed, err := h.UndoableMerges(t.Context(), h.user(p.older))
		if err != nil || (len(listed) == 1) != works {
			t.Errorf("after %d days: %+v, %v", days, listed, err)
		}
		err = h.Unmerge(t.Context(), directory, merged.Audit, identity.Self(p.older))
		if !works {
			wantError(t, err, identity.ErrMergeOver)
			h.wantMerged(p)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		h.wantSeparate(p)
		if user := h.user(p.older); len(user.FormerIDs) != 0 {
			t.Errorf("former IDs: %+v", user.FormerIDs)
		}
	}
}

// TestMergeProven_InterruptedLeavesNoHalfMerge stops a merge at each write. The pair is two users or one then, and a repeat completes it.
func TestMergeProven_InterruptedLeavesNoHalfMerge(t *testing.T) {
	t.Parallel()
	var p mergePair
	interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) }, func(h *storeHarness) { p = h.addMergePair() }, func(h *storeHarness) error {
		_, err := h.mergeProven(p)
		return err
	}, func(h *storeHarness, stopped int) {
		young, err := h.User(context.WithoutCancel(t.Context()), directory, p.younger)
		if err != nil {
			t.Fatal(stopped, err)
		}
		if young.Record.ID == p.older {
			if err := h.CompleteMerge(t.Context(), h.user(p.younger)); err != nil {
				t.Fatal(stopped, err)
			}
		} else if _, err := h.mergeProven(p); err != nil {
			t.Fatal(stopped, err)
		}
		h.wantMerged(p)
	})
}

func TestMerge_FormerIDsOfChainReachTheLastSurvivor(t *testing.T) {
	t.Parallel()
	h := newStoreHarness(t)
	oldest := h.sub(login("wxsim1", "o9", ""))
	h.clock.Advance(time.Hour)
	p := h.addMergePair()
	for _, pair := range [][2]string{{p.older, p.younger}, {oldest, p.older}} {
		if _, err := h.merge(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	var former []string
	for _, id := range h.user(oldest).FormerIDs {
		former = append(former, id.ID)
	}
	if !slices.Equal(former, []string{p.younger, p.older}) {
		t.Errorf("former IDs: %v", former)
	}
}
