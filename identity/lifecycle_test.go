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

func TestDisablingRaisesTheEpochAndEnablingDoesNotLowerIt(t *testing.T) {
	w := newWorld(t)
	sub := w.sub(login("wxsim1", "o1", ""))
	for range 2 {
		if err := w.Disable(t.Context(), directory, sub, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.user(sub); got.Status != storage.UserDisabled || got.Epoch != 1 {
		t.Errorf("got %+v", got)
	}
	for range 2 {
		if err := w.Enable(t.Context(), directory, sub, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.user(sub); got.Status != storage.UserActive || got.Epoch != 1 {
		t.Errorf("got %+v", got)
	}
	if got, want := w.actions(), []string{identity.ActionDisable, identity.ActionEnable}; !slices.Equal(got, want) {
		t.Errorf("audit entries %v, want %v: repeats change nothing", got, want)
	}
	entry := w.audit()[0]
	if entry.Actor != "operator:ann" || entry.Target != "user:"+sub || entry.CreatedAt.IsZero() {
		t.Errorf("got %+v", entry)
	}
}

func TestDisablingIsOneReadAndOneWriteAndItsAuditEntry(t *testing.T) {
	w := newWorld(t)
	for actor, want := range map[string]int{identity.System: 1, identity.Operator("ann"): 2} {
		sub := w.sub(login("wxsim1", actor, ""))
		reads, writes := w.counted(func() { _ = w.Disable(t.Context(), directory, sub, actor) })
		if reads != 1 || writes != want {
			t.Errorf("%s: %d reads and %d writes, want 1 and %d", actor, reads, writes, want)
		}
	}
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	w := newWorld(t)
	sub := w.sub(login("wxsim1", "o1", ""))
	w.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Kind == storage.KindAuditEntry {
			return errDown()
		}
		return nil
	}
	wantError(t, w.Disable(t.Context(), directory, sub, identity.Operator("ann")), storage.ErrUnavailable)
	if w.user(sub).Status != storage.UserActive {
		t.Error("it happened unrecorded")
	}
	wantInvalid(t, w.Disable(t.Context(), directory, sub, ""), "actor")
}

func TestSigningOutEverywhereRaisesTheEpoch(t *testing.T) {
	w := newWorld(t)
	sub := w.sub(login("wxsim1", "o1", ""))
	for range 2 {
		if err := w.SignOutEverywhere(t.Context(), directory, sub, identity.Self(sub)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.user(sub); got.Epoch != 2 || got.Status != storage.UserActive {
		t.Errorf("got %+v", got)
	}
}

func TestRemovingAnAppRaisesThatClientsEpochAlone(t *testing.T) {
	w := newWorld(t)
	sub := w.sub(login("wxsim1", "o1", ""))
	for _, client := range []string{"a", "b", "a"} {
		if err := w.RemoveClient(t.Context(), directory, sub, client, identity.Self(sub)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.user(sub); got.Epoch != 0 || got.ClientEpochs["a"] != 2 || got.ClientEpochs["b"] != 1 {
		t.Errorf("got %+v", got)
	}
}

// dead reports whether a grant from the time of before is no longer valid.
func dead(before, now storage.User, client string) bool {
	return now.Status != storage.UserActive || now.Epoch != before.Epoch || now.ClientEpoch(client) != before.ClientEpoch(client)
}

func TestRemovingManyAppsEndsTheGrantsAndConsentsOfEachAndNeverRevivesOne(t *testing.T) {
	for name, clientName := range map[string]func(int) string{
		"short names": func(i int) string { return fmt.Sprintf("client-%d", i) },
		"long names":  func(i int) string { return fmt.Sprintf("%d-%s", i, strings.Repeat("x", 300)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sub := w.sub(login("wxsim1", "o1", ""))
			history := []storage.User{w.user(sub)}
			type removal struct {
				client string
				epoch  int64
			}
			var removed []removal
			for i := range 200 {
				client := clientName(i % 150)
				if err := w.RemoveClient(t.Context(), directory, sub, client, identity.System); err != nil {
					t.Fatal(err)
				}
				now := w.user(sub)
				for _, before := range history {
					if !dead(before, now, client) {
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

func TestADeletedUserIsATombstoneWithoutPersonalData(t *testing.T) {
	w := newWorld(t)
	user := w.account("alice", password)
	if err := w.attach(login("wxsim1", "o1", "u1"), user); err != nil {
		t.Fatal(err)
	}
	if err := w.link(user, number); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SetEmail(t.Context(), directory, user, "alice@example.com", identity.System); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UpdateProfile(t.Context(), directory, user, profileUpdate(t, `{"nickname":"Ali"}`), identity.System); err != nil {
		t.Fatal(err)
	}
	created := w.user(user).CreatedAt
	for range 2 {
		if err := w.Delete(t.Context(), directory, user, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	want := storage.User{
		Directory: directory, ID: user, Status: storage.UserDeleted, Epoch: 1, SessionsDueAt: w.clock.Now(),
		CreatedAt: created, UpdatedAt: w.clock.Now(),
	}
	if got := w.user(user); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("the tombstone is %+v", got)
	}
	w.clock.advance(time.Hour)
	if links := w.links(); len(links) != 0 {
		t.Errorf("links are left: %d", len(links))
	}
	_, err := w.User(t.Context(), directory, user)
	wantError(t, err, identity.ErrUnknownUser)
	wantError(t, w.Disable(t.Context(), directory, user, identity.System), identity.ErrUnknownUser)
	wantError(t, w.Delete(t.Context(), directory, "nobody", identity.System), identity.ErrUnknownUser)
	w.account("alice", "")
}

func TestADeletionStoppedAnywhereIsCompletedByItsRepetition(t *testing.T) {
	var user string
	remove := func(w *world) error { return w.Delete(t.Context(), directory, user, identity.Operator("ann")) }
	stopEverywhere(func() *world { return newWorld(t) },
		func(w *world) {
			user = w.sub(login("wxsim1", "o1", "u1"))
			if err := w.link(user, number); err != nil {
				t.Fatal(err)
			}
		}, remove,
		func(w *world, _ int) {
			if next := w.sub(login("wxsim1", "o1", "u1")); (next == user) != (w.user(user).Status == storage.UserActive) {
				t.Error("the next login neither is the user, nor a new one after a tombstone")
			}
			w.healthy()
			if err := remove(w); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(time.Hour)
			for _, link := range w.links() {
				if link.User == user {
					t.Errorf("a link of type %s still names the tombstone", link.Type)
				}
			}
		})
}

func TestADeletionDoesNotTakeALinkThatHasMovedOn(t *testing.T) {
	w := newWorld(t)
	a := login("wxsim1", "o1", "")
	user := w.sub(a)
	var next string
	w.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Method == "List" {
			w.unhooked()
			next = w.sub(a)
		}
		return err
	}
	if err := w.Delete(t.Context(), directory, user, identity.System); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	if next == user || w.sub(a) != next {
		t.Error("the deletion took the link of the new user")
	}
	w.healthy()
}

func TestALoginInFlightDuringDisableCarriesAnEpochThatIsDead(t *testing.T) {
	w := newWorld(t)
	a := login("wxsim1", "o1", "")
	sub := w.sub(a)
	w.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Kind == storage.KindUser {
			w.unhooked()
			if err := w.Disable(t.Context(), directory, sub, identity.System); err != nil {
				t.Fatal(err)
			}
			if err := w.Enable(t.Context(), directory, sub, identity.System); err != nil {
				t.Fatal(err)
			}
		}
		return err
	}
	held := w.resolve(a).User.Record
	if !dead(held, w.user(sub), "client") {
		t.Error("the login in flight gives a grant that lives")
	}
}

func TestConcurrentChangesOfOneUserAreAllKept(t *testing.T) {
	for seed := range uint64(rounds) {
		w := newWorld(t)
		sub := w.sub(login("wxsim1", "o1", ""))
		nickname, name := profileUpdate(t, `{"nickname":"a"}`), profileUpdate(t, `{"name":"b"}`)
		w.interleave(seeded(seed), 0,
			func(ctx context.Context) { _, _ = w.UpdateProfile(ctx, directory, sub, nickname, identity.System) },
			func(ctx context.Context) { _, _ = w.UpdateProfile(ctx, directory, sub, name, identity.System) },
			func(ctx context.Context) { _ = w.SignOutEverywhere(ctx, directory, sub, identity.System) },
			func(ctx context.Context) { _ = w.RemoveClient(ctx, directory, sub, "c", identity.System) },
			func(ctx context.Context) { _, _ = w.ReplacePhone(ctx, directory, sub, number) },
		)
		got := w.user(sub)
		if got.Profile.Nickname != "a" || got.Profile.Name != "b" || got.Epoch != 1 || got.ClientEpochs["c"] != 1 || got.Phone != number {
			t.Fatalf("seed %d: got %+v", seed, got)
		}
	}
}

func TestManyChangesOfOneUserAtOnceAllSucceed(t *testing.T) {
	w := newWorld(t)
	sub := w.sub(login("wxsim1", "o1", ""))
	var tasks []func(context.Context)
	for range 64 {
		tasks = append(tasks, func(ctx context.Context) {
			if err := w.SignOutEverywhere(ctx, directory, sub, identity.Self(sub)); err != nil {
				t.Errorf("sign out: %v", err)
			}
		})
	}
	w.interleave(seeded(1), 0, tasks...)
	if epoch := w.user(sub).Epoch; epoch != 64 {
		t.Errorf("the epoch is %d", epoch)
	}
	if entries := len(w.audit()); entries != 64 {
		t.Errorf("%d audit entries", entries)
	}
}
