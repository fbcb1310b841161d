package admin

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// atFirst calls do when the first operation that matches begins.
func (o *office) atFirst(method string, kind storage.Kind, do func()) {
	var seen atomic.Bool
	o.engine.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == method && operation.Kind == kind && seen.CompareAndSwap(false, true) {
			do()
		}
		return nil
	}
}

func TestCreateClient_DuringDeletionOfTheDirectoryLeavesNoClient(t *testing.T) {
	inShop := miniapp()
	inShop.Directory = "shop"
	for name, interleave := range map[string]func(t *testing.T, o *office, remove, recreate func()){
		"the directory is deleted before the client is inserted": func(t *testing.T, o *office, remove, _ func()) {
			o.atFirst("Insert", storage.KindClient, remove)
			if _, _, err := o.CreateClient(t.Context(), inShop); !errors.Is(err, ErrNotFound) {
				t.Errorf("create: %v", err)
			}
		},
		"the directory is recreated before the client is inserted": func(t *testing.T, o *office, remove, recreate func()) {
			o.atFirst("Insert", storage.KindClient, func() { remove(); recreate() })
			if _, _, err := o.CreateClient(t.Context(), inShop); !errors.Is(err, ErrNotFound) {
				t.Errorf("create: %v", err)
			}
		},
		"the client is inserted after the directory was found empty": func(t *testing.T, o *office, remove, _ func()) {
			o.atFirst("Delete", storage.KindDirectory, func() {
				_, _, err := o.CreateClient(t.Context(), inShop)
				must(t, err)
			})
			remove()
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			recreated := false
			recreate := func() {
				recreated = true
				_, err := o.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
				must(t, err)
			}
			recreate()
			_, err := o.DisableDirectory(t.Context(), "shop")
			must(t, err)
			recreated = false
			interleave(t, o, func() { must(t, o.DeleteDirectory(t.Context(), "shop")) }, recreate)
			if !recreated {
				recreate()
			}
			clients, _, err := o.Clients(t.Context(), "shop", Page{})
			must(t, err)
			if len(clients) > 0 {
				t.Errorf("the recreated directory has %d clients", len(clients))
			}
			_, _, err = o.CreateClient(t.Context(), inShop) // Its ID and its AppID are free.
			must(t, err)
		})
	}
}

func TestDeleteDirectory_LeavesClientsOfARecreatedDirectory(t *testing.T) {
	o := newOffice(t)
	created, err := o.CreateDirectory(t.Context(), storage.Directory{ID: "shop"})
	must(t, err)
	inShop := miniapp()
	inShop.Directory = "shop"
	_, _, err = o.CreateClient(t.Context(), inShop)
	must(t, err)
	must(t, o.deleteOrphans(t.Context(), storage.Directory{ID: "shop", Incarnation: "deleted"}))
	updated, err := o.UpdateClient(t.Context(), "shop", inShop.ID, "", func(c *storage.Client) { c.DirectoryIncarnation = "other" })
	must(t, err)
	if updated.Record.DirectoryIncarnation != created.Record.Incarnation {
		t.Errorf("the client names the incarnation %q", updated.Record.DirectoryIncarnation)
	}
}
