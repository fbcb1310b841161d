package identity_test

import (
	"errors"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// recreate replaces the directory by another one with the same ID, which the service has not read yet.
func (h *storeHarness) recreate(incarnation string) {
	h.clock.Advance(time.Minute)
	h.fresh = storage.Directory{ID: directory, Incarnation: incarnation, CreatedAt: h.clock.Now()}
}

func (h *storeHarness) refresh() { h.directory = h.fresh }

func TestLifecycle_UserOfADeletedDirectoryIsUnknownInTheRecreatedOne(t *testing.T) {
	for name, first := range map[string]string{"with an incarnation": "first", "of an earlier version": ""} {
		t.Run(name, func(t *testing.T) {
			h := newStoreHarness(t)
			h.recreate(first)
			h.refresh()
			login := identity.Login{Directory: directory, AppID: "wxa", OpenID: "o1", OpenPlatform: "op", UnionID: "u1"}
			before := h.resolve(login).User.Record
			named, err := h.Create(t.Context(), directory, identity.Account{Username: "alice", Password: "correct horse battery"}, identity.System)
			if err != nil {
				t.Fatal(err)
			}
			h.recreate("second")
			h.refresh()
			for _, id := range []string{before.ID, named.Record.ID, "alice"} {
				if _, err := h.Named(t.Context(), directory, id); !errors.Is(err, identity.ErrUnknownUser) {
					t.Errorf("user %s: %v", id, err)
				}
			}
			if _, err := h.VerifyPassword(t.Context(), directory, "alice", "correct horse battery"); err == nil {
				t.Error("the password works")
			}
			after := h.resolve(login)
			if !after.Created || after.User.Record.ID == before.ID || after.User.Record.DirectoryIncarnation != "second" {
				t.Errorf("the login returns user %+v, it was %s", after.User.Record, before.ID)
			}
			if _, err := h.Create(t.Context(), directory, identity.Account{Username: "alice"}, identity.System); err != nil {
				t.Errorf("the username is taken: %v", err)
			}
		})
	}
}

func TestLifecycle_InstanceWithTheDeletedDirectoryInMemoryFindsUsersOfTheNewOne(t *testing.T) {
	h := newStoreHarness(t)
	h.recreate("first")
	h.refresh()
	stale := h.directory
	h.recreate("second")
	h.refresh()
	login := identity.Login{Directory: directory, AppID: "wxa", OpenID: "o1"}
	user := h.resolve(login).User.Record
	h.directory = stale
	if again := h.resolve(login); again.Created || again.User.Record.ID != user.ID {
		t.Errorf("the login returns %s, want %s", again.User.Record.ID, user.ID)
	}
}

func TestDelete_RemovesAUserOfADeletedDirectory(t *testing.T) {
	h := newStoreHarness(t)
	h.recreate("first")
	h.refresh()
	user := h.resolve(identity.Login{Directory: directory, AppID: "wxa", OpenID: "o1"}).User.Record
	h.recreate("second")
	h.refresh()
	if err := h.Delete(t.Context(), directory, user.ID, identity.System); err != nil {
		t.Fatal(err)
	}
	stored, err := storage.Get[storage.User](t.Context(), h.memory, storage.Key(directory, user.ID))
	if err != nil || stored.Record.Status != storage.UserDeleted {
		t.Errorf("stored %+v, error %v", stored, err)
	}
}

func TestNew_ReadsDirectoriesFromTheEngine(t *testing.T) {
	h := newStoreHarnessWith(t, func(cfg *identity.Config) { cfg.Directories = nil })
	login := identity.Login{Directory: directory, AppID: "wxa", OpenID: "o1"}
	created := h.clock.Now()
	for _, incarnation := range []string{"first", "second"} {
		if err := h.memory.Delete(t.Context(), storage.KindDirectory, directory); err != nil {
			t.Fatal(err)
		}
		if _, err := storage.Insert(t.Context(), h.memory, storage.Directory{ID: directory, Incarnation: incarnation, CreatedAt: created}); err != nil {
			t.Fatal(err)
		}
		if user := h.resolve(login); !user.Created || user.User.Record.DirectoryIncarnation != incarnation {
			t.Errorf("%s: the login returns %+v", incarnation, user.User.Record)
		}
	}
}

func TestLifecycle_ImportedUserOfADeletedDirectoryIsUnknownInTheRecreatedOne(t *testing.T) {
	h := newStoreHarness(t)
	h.recreate("first")
	h.refresh()
	h.clock.Advance(-time.Hour) // The clock that created the directory was ahead.
	h.importOne(t, identity.Import{Sub: "u1", Username: "alice"}, identity.ImportCreated)
	if _, err := h.Named(t.Context(), directory, "alice"); err != nil {
		t.Errorf("the imported user: %v", err)
	}
	h.recreate("second")
	h.refresh()
	if _, err := h.Named(t.Context(), directory, "alice"); !errors.Is(err, identity.ErrUnknownUser) {
		t.Errorf("the imported user of the deleted directory: %v", err)
	}
}
