package identity_test

import (
	"context"
	"errors"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// storedByUsername creates users with a username and a name, and stores them as an earlier version did: listed by the username.
func storedByUsername(h *storeHarness, names ...string) {
	h.t.Helper()
	for _, name := range names {
		created, err := h.Create(h.t.Context(), "default", identity.Account{Username: "account-" + name, Profile: storage.Profile{Name: name}}, "cli:alice")
		if err != nil {
			h.t.Fatal(err)
		}
		doc, err := h.memory.Get(h.t.Context(), storage.KindUser, storage.Key("default", created.Record.ID))
		if err != nil {
			h.t.Fatal(err)
		}
		doc.Name = "account-" + name
		if _, err := h.memory.Replace(h.t.Context(), doc); err != nil {
			h.t.Fatal(err)
		}
	}
}

// byName returns how many users a search by the beginning of a name finds.
func (h *storeHarness) byName(prefix string) int {
	h.t.Helper()
	found, _, err := storage.List[storage.User](h.t.Context(), h.memory, storage.Query{Order: storage.ByName, Owner: "default", Prefix: prefix})
	if err != nil {
		h.t.Fatal(err)
	}
	return len(found)
}

func TestUpdateSearchNames_UsersOfEarlierVersionsAreFoundByName(t *testing.T) {
	h := newStoreHarness(t)
	storedByUsername(h, "zoe", "zora")
	if found := h.byName("zo"); found != 0 {
		t.Fatalf("%d users of the earlier version are found by name", found)
	}
	lost := errors.New("the store fails")
	writes := 0
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() {
			writes++
		}
		if writes == 2 {
			return lost
		}
		return nil
	}
	if err := h.UpdateSearchNames(t.Context()); !errors.Is(err, lost) {
		t.Fatalf("a store that fails: %v", err)
	}
	h.removeHooks()
	if err := h.UpdateSearchNames(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := h.byName("zo"); found != 2 {
		t.Errorf("%d of 2 users are found by name", found)
	}
	reads, writes := h.counted(func() {
		if err := h.UpdateSearchNames(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if reads != 1 || writes != 0 {
		t.Errorf("the second run took %d reads and %d writes, want 1 and 0", reads, writes)
	}
}
