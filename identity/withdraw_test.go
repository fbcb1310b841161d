package identity_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const eventNumber = "+8613800138000"

// event is an event of app about openID that happens now.
func (h *storeHarness) event(app, openID string) identity.WeChatEvent {
	return identity.WeChatEvent{Directory: directory, AppID: app, OpenID: openID, At: h.clock.Now().Truncate(time.Second)}
}

// profiled creates a user with a number and a nickname of app.
func (h *storeHarness) profiled(app, openID string) string {
	h.t.Helper()
	nickname, picture := "Li", "https://wx.example/1.png"
	result, err := h.Register(h.t.Context(), login(app, openID, ""), identity.ProfileUpdate{Nickname: &nickname, Picture: &picture})
	if err != nil {
		h.t.Fatal(err)
	}
	id := result.User.Record.ID
	if _, err := h.LinkPhone(h.t.Context(), directory, id, eventNumber, app); err != nil {
		h.t.Fatal(err)
	}
	return id
}

func (h *storeHarness) withdraw(event identity.WeChatEvent, data identity.Withdrawal) {
	h.t.Helper()
	if _, err := h.Withdraw(h.t.Context(), event, data); err != nil {
		h.t.Fatal(err)
	}
}

func (h *storeHarness) linked(typ storage.IdentityType) bool {
	return slices.ContainsFunc(h.links(), func(link storage.Identity) bool { return link.Type == typ && link.ExpiresAt.IsZero() })
}

func TestWithdraw_DeletesNumberAndEndsGrantsOfClient(t *testing.T) {
	h := newStoreHarness(t)
	id := h.profiled("wxsim1", "o1")
	for range 2 {
		h.withdraw(h.event("wxsim1", "o1"), identity.Withdrawal{Claims: []string{identity.ClaimPhone}, Clients: []string{"mini"}})
	}
	got := h.user(id)
	if got.Phone != "" || !got.PhoneVerifiedAt.IsZero() || h.linked(storage.IdentityPhone) {
		t.Errorf("the number is still there: %+v", got)
	}
	if got.Profile.Nickname != "Li" || got.ClientEpoch("mini") == 0 || got.Epoch != 0 {
		t.Errorf("got %+v", got)
	}
	if !slices.Contains(h.actions(), identity.ActionWithdraw) || h.audit()[1].Actor != "wechat:wxsim1" {
		t.Errorf("audit: %+v", h.audit())
	}
}

func TestWithdraw_LeavesWhatCameFromElsewhere(t *testing.T) {
	h := newStoreHarness(t)
	id := h.profiled("wxsim1", "o1")
	if _, err := h.SetPhone(t.Context(), directory, id, "+8613800138001", identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.EditProfile(t.Context(), directory, id, func(p *storage.Profile) { p.Nickname = "Own" }, identity.Self(id)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Withdraw(t.Context(), h.event("wxsim2", "none"), identity.Withdrawal{}); !errors.Is(err, identity.ErrUnknownUser) {
		t.Errorf("an unknown user: %v", err)
	}
	h.withdraw(h.event("wxsim1", "o1"), identity.Withdrawal{})
	if got := h.user(id); got.Phone != "+8613800138001" || got.Profile.Nickname != "Own" || got.Profile.Picture != "" {
		t.Errorf("got %+v", got)
	}
	if !h.linked(storage.IdentityPhone) {
		t.Error("the operator's number has lost its link")
	}
}

func TestWithdraw_LeavesWhatAnotherAppGave(t *testing.T) {
	h := newStoreHarness(t)
	id := h.profiled("wxsim1", "o1")
	if _, err := h.AttachToUser(t.Context(), login("wxsim2", "o2", ""), h.user(id), identity.MethodSession); err != nil {
		t.Fatal(err)
	}
	h.withdraw(h.event("wxsim2", "o2"), identity.Withdrawal{})
	if got := h.user(id); got.Phone != eventNumber || got.Profile.Nickname != "Li" {
		t.Errorf("got %+v", got)
	}
}

// An event that arrives late acts on what existed when it happened.
func TestWithdraw_LateEventLeavesWhatCameLater(t *testing.T) {
	h := newStoreHarness(t)
	id := h.profiled("wxsim1", "o1")
	late := h.event("wxsim1", "o1")
	h.clock.Advance(2 * time.Second)
	nickname := "New"
	if _, err := h.UpdateProfile(t.Context(), directory, id, identity.ProfileUpdate{Nickname: &nickname, AppID: "wxsim1"}, identity.Self(id)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.LinkPhone(t.Context(), directory, id, eventNumber, "wxsim1"); err != nil {
		t.Fatal(err)
	}
	h.withdraw(late, identity.Withdrawal{})
	if got := h.user(id); got.Phone != eventNumber || got.Profile.Nickname != "New" || got.Profile.Picture != "" {
		t.Errorf("got %+v", got)
	}
}

// The records of earlier versions have no sources.
func TestWithdraw_ValuesOfEarlierVersionsCountAsWeChats(t *testing.T) {
	for _, shadow := range []bool{true, false} {
		h := newStoreHarness(t)
		id := h.profiled("wxsim1", "o1")
		entry, err := storage.Get[storage.User](t.Context(), h.hooks, storage.Key(directory, id))
		if err != nil {
			t.Fatal(err)
		}
		old := entry.Record
		old.ClaimSources, old.Shadow = nil, shadow
		if _, err := entry.Replace(t.Context(), h.hooks, old); err != nil {
			t.Fatal(err)
		}
		h.withdraw(h.event("wxsim1", "o1"), identity.Withdrawal{})
		if got := h.user(id); (got.Phone == "") != shadow || (got.Profile.Nickname == "") != shadow {
			t.Errorf("shadow %t: got %+v", shadow, got)
		}
	}
}

// An undone merge must not return withdrawn data.
func TestWithdraw_ReachesMergedUsers(t *testing.T) {
	h := newStoreHarness(t)
	older := h.sub(login("wxsim2", "o2", ""))
	h.clock.Advance(time.Minute)
	younger := h.profiled("wxsim1", "o1")
	merged, err := h.Merge(t.Context(), directory, older, younger, identity.Operator("ann"))
	if err != nil {
		t.Fatal(err)
	}
	if got := h.user(older); got.Phone != eventNumber || got.ClaimSources[identity.ClaimPhone].AppID != "wxsim1" {
		t.Fatalf("the merge lost the number or its source: %+v", got)
	}
	h.withdraw(h.event("wxsim1", "o1"), identity.Withdrawal{})
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{older, younger} {
		if got := h.user(id); got.Phone != "" || got.Profile.Nickname != "" {
			t.Errorf("got %+v", got)
		}
	}
	h.wantConsistent()
}

func (h *storeHarness) deregister(event identity.WeChatEvent) identity.Deregistered {
	h.t.Helper()
	result, err := h.Deregister(h.t.Context(), event, []string{"mini"}, storage.Directory{ID: directory})
	if err != nil {
		h.t.Fatal(err)
	}
	return result
}

func (h *storeHarness) completeDeregistration(event identity.WeChatEvent) bool {
	h.t.Helper()
	deleted, err := h.CompleteDeregistration(h.t.Context(), event, storage.Directory{ID: directory})
	if err != nil {
		h.t.Fatal(err)
	}
	return deleted
}

func TestDeregister_RequestsDeletionOfUserWithoutAnotherWay(t *testing.T) {
	h := newStoreHarness(t)
	id := h.profiled("wxsim1", "o1")
	event := h.event("wxsim1", "o1")
	due := storage.Instant(h.clock.Now()).Add(storage.Policy{}.DeletionGrace())
	for range 2 { // The event is applied again after a crash.
		if result := h.deregister(event); result.User != id || !result.DeletesAt.Equal(due) {
			t.Errorf("got %+v", result)
		}
	}
	if got := h.user(id); got.Epoch != 1 || got.Phone != "" || got.Status != storage.UserDeletionPending {
		t.Errorf("got %+v", got)
	}
	h.clock.Advance(storage.Policy{}.DeletionGrace())
	h.deleteDue()
	if got := h.user(id); got.Status != storage.UserDeleted || h.linked(storage.IdentityOpenID) {
		t.Errorf("got %+v", got)
	}
	h.wantConsistent()
}

// An earlier version stored the grace period with the event, and a login ended it.
func TestCompleteDeregistration_DeletesUserOfEarlierVersion(t *testing.T) {
	for name, returns := range map[string]bool{"the user stays away": false, "the user returned": true} {
		t.Run(name, func(t *testing.T) {
			h := newStoreHarness(t)
			id := h.profiled("wxsim1", "o1")
			key := storage.IdentityKey(directory, storage.IdentityOpenID, "wxsim1", "o1")
			link, err := storage.Get[storage.Identity](t.Context(), h.memory, key)
			if err != nil {
				t.Fatal(err)
			}
			next := link.Record
			next.DeregisteredAt = h.clock.Now()
			if _, err := link.Replace(t.Context(), h.memory, next); err != nil {
				t.Fatal(err)
			}
			if returns {
				h.sub(login("wxsim1", "o1", ""))
			}
			if deleted := h.completeDeregistration(h.event("wxsim1", "o1")); deleted == returns || (h.user(id).Status == storage.UserDeleted) == returns {
				t.Errorf("deleted %t: %+v", deleted, h.user(id))
			}
		})
	}
}

func TestDeregister_OnlyTheIdentityGoesIfTheUserHasAnotherWay(t *testing.T) {
	for name, add := range map[string]func(h *storeHarness, user storage.User) error{
		"password": func(h *storeHarness, user storage.User) error {
			if _, err := h.SetUsername(t.Context(), directory, user.ID, "liwei", identity.Operator("ann")); err != nil {
				return err
			}
			_, err := h.SetPassword(t.Context(), directory, user.ID, "correct horse battery", identity.Operator("ann"))
			return err
		},
		"e-mail": func(h *storeHarness, user storage.User) error {
			_, err := h.SetEmail(t.Context(), directory, user.ID, "li@example.com", identity.Operator("ann"))
			return err
		},
		"passkey": func(h *storeHarness, user storage.User) error {
			return h.AddPasskey(t.Context(), user, storage.Passkey{RPID: "example.com", CredentialID: []byte("1")}, identity.Self(user.ID))
		},
		"another app": func(h *storeHarness, user storage.User) error {
			_, err := h.AttachToUser(t.Context(), login("wxsim2", "o2", ""), user, identity.MethodSession)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newStoreHarness(t)
			id := h.profiled("wxsim1", "o1")
			if err := add(h, h.user(id)); err != nil {
				t.Fatal(err)
			}
			epoch := h.user(id).Epoch
			if result := h.deregister(h.event("wxsim1", "o1")); !result.DeletesAt.IsZero() {
				t.Errorf("got %+v", result)
			}
			got := h.user(id)
			if got.Status != storage.UserActive || got.Epoch != epoch || got.ClientEpoch("mini") == 0 || got.Phone != "" {
				t.Errorf("got %+v", got)
			}
			for _, link := range h.links() {
				if link.Namespace == "wxsim1" && link.ExpiresAt.IsZero() {
					t.Error("the OpenID is still linked")
				}
			}
			if _, err := h.Deregister(t.Context(), h.event("wxsim1", "o1"), []string{"mini"}, storage.Directory{ID: directory}); !errors.Is(err, identity.ErrUnknownUser) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

func TestDeregister_LateEventLeavesALaterUser(t *testing.T) {
	h := newStoreHarness(t)
	late := h.event("wxsim1", "o1")
	h.clock.Advance(2 * time.Second)
	h.profiled("wxsim1", "o1")
	if _, err := h.Deregister(t.Context(), late, []string{"mini"}, storage.Directory{ID: directory}); !errors.Is(err, identity.ErrUnknownUser) {
		t.Errorf("err = %v", err)
	}
}

// A crash between any two writes is repaired by the repetition.
func TestDeregister_CompletesAfterACrash(t *testing.T) {
	for fails := 1; ; fails++ {
		h := newStoreHarness(t)
		id := h.profiled("wxsim1", "o1")
		event := h.event("wxsim1", "o1")
		writes, failed := 0, false
		h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
			if operation.Write() {
				if writes++; writes == fails {
					failed = true
					return errDown()
				}
			}
			return nil
		}
		_, err := h.Deregister(t.Context(), event, []string{"mini"}, storage.Directory{ID: directory})
		h.removeHooks()
		if failed && err == nil {
			t.Fatalf("write %d failed without an error", fails)
		}
		h.deregister(event)
		h.clock.Advance(storage.Policy{}.DeletionGrace())
		h.deleteDue()
		if h.user(id).Status != storage.UserDeleted || h.linked(storage.IdentityPhone) {
			t.Errorf("after a crash at write %d: %+v", fails, h.user(id))
		}
		if !failed {
			return
		}
	}
}
