package admin

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// beforeFirst calls do when the first operation that matches begins.
func (h *serviceHarness) beforeFirst(method string, kind storage.Kind, do func()) {
	var seen atomic.Bool
	h.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == method && operation.Kind == kind && seen.CompareAndSwap(false, true) {
			do()
		}
		return nil
	}
}

func TestCreateClient_DuringDeletionOfTheDirectoryLeavesNoClient(t *testing.T) {
	inShop := miniapp()
	inShop.Directory = "shop"
	for name, interleave := range map[string]func(t *testing.T, h *serviceHarness, remove, recreate func()){
		"the directory is deleted before the client is inserted": func(t *testing.T, h *serviceHarness, remove, _ func()) {
			h.beforeFirst("Insert", storage.KindClient, remove)
			if _, _, err := h.CreateClient(t.Context(), inShop); !errors.Is(err, ErrNotFound) {
				t.Errorf("create: %v", err)
			}
		},
		"the directory is recreated before the client is inserted": func(t *testing.T, h *serviceHarness, remove, recreate func()) {
			h.beforeFirst("Insert", storage.KindClient, func() { remove(); recreate() })
			if _, _, err := h.CreateClient(t.Context(), inShop); !errors.Is(err, ErrNotFound) {
				t.Errorf("create: %v", err)
			}
		},
		"the client is inserted after the directory was found empty": func(t *testing.T, h *serviceHarness, remove, _ func()) {
			h.beforeFirst("Delete", storage.KindDirectory, func() {
				_, _, err := h.CreateClient(t.Context(), inShop)
				must(t, err)
			})
			remove()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newServiceHarness(t)
			h.recreateShop(t, interleave)
			clients, _, err := h.Clients(t.Context(), "shop", Page{})
			must(t, err)
			if len(clients) > 0 {
				t.Errorf("the recreated directory has %d clients", len(clients))
			}
			_, _, err = h.CreateClient(t.Context(), inShop) // Its ID and its AppID are free.
			must(t, err)
		})
	}
}

func TestDeleteDirectory_LeavesClientsOfARecreatedDirectory(t *testing.T) {
	h := newServiceHarness(t)
	created, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
	must(t, err)
	inShop := miniapp()
	inShop.Directory = "shop"
	_, _, err = h.CreateClient(t.Context(), inShop)
	must(t, err)
	must(t, h.deleteOrphans(t.Context(), storage.Directory{ID: "shop", Incarnation: "deleted"}))
	updated, err := h.UpdateClient(t.Context(), "shop", inShop.ID, "", func(c *storage.Client) { c.DirectoryIncarnation = "other" })
	must(t, err)
	if updated.Record.DirectoryIncarnation != created.Record.Incarnation {
		t.Errorf("the client names the incarnation %q", updated.Record.DirectoryIncarnation)
	}
}

func TestCreateUser_DuringDeletionOfTheDirectoryLeavesNoUser(t *testing.T) {
	alice := identity.Account{Username: "alice"}
	for name, interleave := range map[string]func(t *testing.T, h *serviceHarness, remove, recreate func()){
		"the directory is deleted before the user is inserted": func(t *testing.T, h *serviceHarness, remove, _ func()) {
			h.beforeFirst("Insert", storage.KindUser, remove)
			if _, err := h.CreateUser(t.Context(), "shop", alice); !errors.Is(err, ErrNotFound) {
				t.Errorf("create: %v", err)
			}
		},
		"the directory is recreated before the user is inserted": func(t *testing.T, h *serviceHarness, remove, recreate func()) {
			h.beforeFirst("Insert", storage.KindUser, func() { remove(); recreate() })
			if _, err := h.CreateUser(t.Context(), "shop", alice); !errors.Is(err, ErrNotFound) {
				t.Errorf("create: %v", err)
			}
		},
		"the user is inserted after the directory was found empty": func(t *testing.T, h *serviceHarness, remove, _ func()) {
			h.beforeFirst("Delete", storage.KindDirectory, func() {
				_, err := h.CreateUser(t.Context(), "shop", alice)
				must(t, err)
			})
			remove()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newServiceHarness(t)
			h.recreateShop(t, interleave)
			h.wantNoActiveUser(t)
			_, err := h.CreateUser(t.Context(), "shop", alice) // The username is free.
			must(t, err)
		})
	}
}

// wantNoActiveUser asserts that the directory shop lists no users, and that the store has none but tombstones.
func (h *serviceHarness) wantNoActiveUser(t *testing.T) {
	t.Helper()
	users, _, err := h.Users(t.Context(), "shop", "", Page{})
	must(t, err)
	if len(users) > 0 {
		t.Errorf("the directory has the users %+v", users)
	}
	stored, _, err := list[storage.User](t.Context(), h.Service, Page{}.query("shop", storage.ByCreated))
	must(t, err)
	for _, user := range stored {
		if user.Status != storage.UserDeleted {
			t.Errorf("the store has the user %+v", user)
		}
	}
}

func TestDeleteDirectory_DeletesUsersThatRemainedAfterACrash(t *testing.T) {
	h := newServiceHarness(t)
	_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
	must(t, err)
	_, err = storage.Insert(t.Context(), h.engine, storage.User{Directory: "shop", DirectoryIncarnation: "deleted", ID: "alice", Status: storage.UserActive})
	must(t, err)
	_, err = storage.Insert(t.Context(), h.engine, storage.MergeCandidate{Directory: "shop", ID: "pair", Users: [2]string{"alice", "bob"}})
	must(t, err)
	if users, _, err := h.Users(t.Context(), "shop", "", Page{}); err != nil || len(users) > 0 {
		t.Errorf("the directory lists %+v, error %v", users, err)
	}
	_, err = h.DisableDirectory(t.Context(), "shop")
	must(t, err)
	must(t, h.DeleteDirectory(t.Context(), "shop"))
	_, err = h.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
	must(t, err)
	h.wantNoActiveUser(t)
	if candidates, _, err := h.MergeCandidates(t.Context(), "shop", Page{}); err != nil || len(candidates) > 0 {
		t.Errorf("the directory has merge candidates %+v, error %v", candidates, err)
	}
}

// recreateShop creates, disables, deletes and recreates the directory "shop". interleave does the deletion, and may recreate it.
func (h *serviceHarness) recreateShop(t *testing.T, interleave func(t *testing.T, h *serviceHarness, remove, recreate func())) {
	t.Helper()
	recreated := false
	recreate := func() {
		recreated = true
		_, err := h.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
		must(t, err)
	}
	recreate()
	_, err := h.DisableDirectory(t.Context(), "shop")
	must(t, err)
	recreated = false
	interleave(t, h, func() { must(t, h.DeleteDirectory(t.Context(), "shop")) }, recreate)
	if !recreated {
		recreate()
	}
}
