package admin

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

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
