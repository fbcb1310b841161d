package identity_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestDisable_RaisesEpochForGood(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	for range 2 {
		if err := h.Disable(t.Context(), directory, sub, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.user(sub); got.Status != storage.UserDisabled || got.Epoch != 1 {
		t.Errorf("got %+v", got)
	}
	for range 2 {
		if err := h.Enable(t.Context(), directory, sub, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.user(sub); got.Status != storage.UserActive || got.Epoch != 1 {
		t.Errorf("got %+v", got)
	}
	if got, want := h.actions(), []string{identity.ActionDisable, identity.ActionEnable}; !slices.Equal(got, want) {
		t.Errorf("audit entries %v, want %v: repeats change nothing", got, want)
	}
	entry := h.audit()[0]
	if entry.Actor != "operator:ann" || entry.Target != "user:"+sub || entry.CreatedAt.IsZero() {
		t.Errorf("got %+v", entry)
	}
}

func TestDisable_CostsOneReadOneWriteAndAuditEntry(t *testing.T) {
	h := newStoreHarness(t)
	for actor, want := range map[string]int{identity.System: 1, identity.Operator("ann"): 2} {
		sub := h.sub(login("wxsim1", actor, ""))
		reads, writes := h.counted(func() { _ = h.Disable(t.Context(), directory, sub, actor) })
		if reads != 1 || writes != want {
			t.Errorf("%s: %d reads and %d writes, want 1 and %d", actor, reads, writes, want)
		}
	}
}

func TestAudit_FailureStopsChange(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindAuditEntry {
			return errDown()
		}
		return nil
	}
	wantError(t, h.Disable(t.Context(), directory, sub, identity.Operator("ann")), storage.ErrUnavailable)
	if h.user(sub).Status != storage.UserActive {
		t.Error("it happened unrecorded")
	}
	wantInvalid(t, h.Disable(t.Context(), directory, sub, ""), "actor")
}

func TestSignOutEverywhere_RaisesEpoch(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	for range 2 {
		if err := h.SignOutEverywhere(t.Context(), directory, sub, identity.Self(sub)); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.user(sub); got.Epoch != 2 || got.Status != storage.UserActive {
		t.Errorf("got %+v", got)
	}
}

func TestRemoveApp_RaisesEpochOfClientOnly(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	for _, client := range []string{"a", "b", "a"} {
		if err := h.RemoveClient(t.Context(), directory, sub, client, identity.Self(sub)); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.user(sub); got.Epoch != 0 || got.ClientEpochs["a"] != 2 || got.ClientEpochs["b"] != 1 {
		t.Errorf("got %+v", got)
	}
}

// grantEnded reports whether a grant from the time of before is no longer valid.
func grantEnded(before, now storage.User, client string) bool {
	return now.Status != storage.UserActive || now.Epoch != before.Epoch || now.ClientEpoch(client) != before.ClientEpoch(client)
}

func TestRemoveApp_ManyAppsStayRemoved(t *testing.T) {
	for name, clientName := range map[string]func(int) string{
		"short names": func(i int) string { return fmt.Sprintf("client-%d", i) },
		"long names":  func(i int) string { return fmt.Sprintf("%d-%s", i, strings.Repeat("x", 300)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newStoreHarness(t)
			sub := h.sub(login("wxsim1", "o1", ""))
			history := []storage.User{h.user(sub)}
			type removal struct {
				client string
				epoch  int64
			}
			var removed []removal
			for i := range 200 {
				client := clientName(i % 150)
				if err := h.RemoveClient(t.Context(), directory, sub, client, identity.System); err != nil {
					t.Fatal(err)
				}
				now := h.user(sub)
				for _, before := range history {
					if !grantEnded(before, now, client) {
						t.Fatalf("after removal %d, a grant of the removed client lives", i)
					}
					if before.ClientEpoch(client) == now.ClientEpoch(client) {
						t.Fatalf("after removal %d, a consent that the removed client had counts", i)
					}
				}
				for _, earlier := range removed {
					if earlier.epoch >= now.ClientEpoch(earlier.client) {
						t.Fatalf("after removal %d, a consent that %.20s had before it was removed counts again", i, earlier.client)
					}
				}
				removed = append(removed, removal{client, history[len(history)-1].ClientEpoch(client)})
				history = append(history, now)
				if len(now.ClientEpochs) > 64 {
					t.Fatalf("%d client epochs", len(now.ClientEpochs))
				}
			}
		})
	}
}

func TestDelete_LeavesTombstoneWithoutPersonalData(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", password)
	if err := h.attach(login("wxsim1", "o1", "u1"), user); err != nil {
		t.Fatal(err)
	}
	if err := h.link(user, number); err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetEmail(t.Context(), directory, user, "alice@example.com", identity.System); err != nil {
		t.Fatal(err)
	}
	if _, err := h.UpdateProfile(t.Context(), directory, user, profileUpdate(t, `{"nickname":"Ali"}`), identity.System); err != nil {
		t.Fatal(err)
	}
	created := h.user(user).CreatedAt
	for range 2 {
		if err := h.Delete(t.Context(), directory, user, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	want := storage.User{
		Directory: directory, ID: user, Status: storage.UserDeleted, Epoch: 1, SessionsDueAt: h.clock.Now(), DeletionDueAt: h.clock.Now(),
		CreatedAt: created, UpdatedAt: h.clock.Now(),
	}
	got := h.user(user)
	got.Events = nil // for the clients; without personal data
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("the tombstone is %+v", got)
	}
	h.clock.Advance(time.Hour)
	if links := h.links(); len(links) != 0 {
		t.Errorf("links are left: %d", len(links))
	}
	_, err := h.User(t.Context(), directory, user)
	wantError(t, err, identity.ErrUnknownUser)
	wantError(t, h.Disable(t.Context(), directory, user, identity.System), identity.ErrUnknownUser)
	wantError(t, h.Delete(t.Context(), directory, "nobody", identity.System), identity.ErrUnknownUser)
	h.account("alice", "")
}

func TestDelete_InterruptedIsCompletedByRepeat(t *testing.T) {
	var user string
	remove := func(h *storeHarness) error { return h.Delete(t.Context(), directory, user, identity.Operator("ann")) }
	interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
		func(h *storeHarness) {
			user = h.sub(login("wxsim1", "o1", "u1"))
			if err := h.link(user, number); err != nil {
				t.Fatal(err)
			}
		}, remove,
		func(h *storeHarness, _ int) {
			if next := h.sub(login("wxsim1", "o1", "u1")); (next == user) != (h.user(user).Status == storage.UserActive) {
				t.Error("the next login neither is the user, nor a new one after a tombstone")
			}
			h.wantConsistent()
			if err := remove(h); err != nil {
				t.Fatal(err)
			}
			h.clock.Advance(time.Hour)
			for _, link := range h.links() {
				if link.User == user {
					t.Errorf("a link of type %s still names the tombstone", link.Type)
				}
			}
		})
}

func TestDelete_LeavesMovedLink(t *testing.T) {
	h := newStoreHarness(t)
	a := login("wxsim1", "o1", "")
	user := h.sub(a)
	var next string
	h.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Method == "List" {
			h.removeHooks()
			next = h.sub(a)
		}
		return err
	}
	if err := h.Delete(t.Context(), directory, user, identity.System); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(time.Hour)
	if next == user || h.sub(a) != next {
		t.Error("the deletion removed the link of the new user")
	}
	h.wantConsistent()
}

func TestDisable_LoginInProgressHasEndedEpoch(t *testing.T) {
	h := newStoreHarness(t)
	a := login("wxsim1", "o1", "")
	sub := h.sub(a)
	h.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Kind == storage.KindUser {
			h.removeHooks()
			if err := h.Disable(t.Context(), directory, sub, identity.System); err != nil {
				t.Fatal(err)
			}
			if err := h.Enable(t.Context(), directory, sub, identity.System); err != nil {
				t.Fatal(err)
			}
		}
		return err
	}
	held := h.resolve(a).User.Record
	if !grantEnded(held, h.user(sub), "client") {
		t.Error("the login in flight gives a grant that lives")
	}
}

func TestUpdate_ConcurrentChangesAreAllStored(t *testing.T) {
	for seed := range uint64(rounds) {
		h := newStoreHarness(t)
		sub := h.sub(login("wxsim1", "o1", ""))
		nickname, name := profileUpdate(t, `{"nickname":"a"}`), profileUpdate(t, `{"name":"b"}`)
		h.interleave(seeded(seed), 0,
			func(ctx context.Context) { _, _ = h.UpdateProfile(ctx, directory, sub, nickname, identity.System) },
			func(ctx context.Context) { _, _ = h.UpdateProfile(ctx, directory, sub, name, identity.System) },
			func(ctx context.Context) { _ = h.SignOutEverywhere(ctx, directory, sub, identity.System) },
			func(ctx context.Context) { _ = h.RemoveClient(ctx, directory, sub, "c", identity.System) },
			func(ctx context.Context) { _, _ = h.ReplacePhone(ctx, directory, sub, number, "wxsim1") },
		)
		got := h.user(sub)
		if got.Profile.Nickname != "a" || got.Profile.Name != "b" || got.Epoch != 1 || got.ClientEpochs["c"] != 1 || got.Phone != number {
			t.Fatalf("seed %d: got %+v", seed, got)
		}
	}
}

func TestUpdate_ManyConcurrentChangesSucceed(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	var tasks []func(context.Context)
	for range 64 {
		tasks = append(tasks, func(ctx context.Context) {
			if err := h.SignOutEverywhere(ctx, directory, sub, identity.Self(sub)); err != nil {
				t.Errorf("sign out: %v", err)
			}
		})
	}
	h.interleave(seeded(1), 0, tasks...)
	if epoch := h.user(sub).Epoch; epoch != 64 {
		t.Errorf("the epoch is %d", epoch)
	}
	if entries := len(h.audit()); entries != 64 {
		t.Errorf("%d audit entries", entries)
	}
}

// The audit outlives a deleted user, so that it has no username and no name of a passkey.
func TestMaskName_ShowsNoWholeName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "", "alice": "a…", "王小明": "王…", "13800138000": "…8000", "alice@example.com": "a…@example.com",
	} {
		if got := identity.MaskName(name); got != want {
			t.Errorf("%q is shown as %q", name, got)
		}
	}
}
