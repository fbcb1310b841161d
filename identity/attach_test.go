package identity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// account creates a user with a username, and a password if there is one.
func (w *world) account(username, password string) string {
	w.t.Helper()
	account := identity.Account{Username: username, Password: password}
	user, err := w.Create(w.t.Context(), directory, account, identity.System)
	if err != nil {
		w.t.Fatalf("create: %v", err)
	}
	return user.Record.ID
}

// seen is an account at the time when its owner proves to be its owner.
func (w *world) seen(id string) storage.User {
	w.t.Helper()
	user, err := w.User(w.t.Context(), directory, id)
	if errors.Is(err, identity.ErrUnknownUser) {
		return storage.User{Directory: directory, ID: id}
	}
	if err != nil {
		w.t.Fatalf("user: %v", err)
	}
	return user.Record
}

func (w *world) attach(l identity.Login, user string) error {
	w.t.Helper()
	got, err := w.AttachToUser(w.t.Context(), l, w.seen(user), identity.MethodPassword)
	if err == nil && got.User.Record.ID != user {
		w.t.Errorf("attached to %s, want %s", got.User.Record.ID, user)
	}
	return err
}

func TestANewWeChatUserIsAttachedToAnAccount(t *testing.T) {
	w := newWorld(t)
	user := w.account("alice", "")
	for range 2 {
		if err := w.attach(login("wxsim1", "o1", "u1"), user); err != nil {
			t.Fatalf("attach: %v", err)
		}
	}
	for _, known := range []identity.Login{login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")} {
		if w.sub(known) != user {
			t.Error("the WeChat user does not sign in as the account")
		}
	}
	entries := w.audit()
	if len(entries) != 1 || entries[0].Action != identity.ActionAttach || entries[0].Actor != identity.Self(user) ||
		entries[0].Details["method"] != identity.MethodPassword {
		t.Errorf("audit entries %+v, want one of the attachment: the repeat changed nothing", entries)
	}
	w.healthy()
}

func TestAnOpenIDOfAnotherAccountIsAlreadyBound(t *testing.T) {
	for _, unionID := range []string{"", "u1"} {
		w := newWorld(t)
		other := w.sub(login("wxsim1", "o1", unionID))
		user := w.account("alice", "")
		wantError(t, w.attach(login("wxsim1", "o1", unionID), user), identity.ErrAlreadyBound)
		if w.sub(login("wxsim1", "o1", unionID)) != other {
			t.Error("the WeChat user moved")
		}
		w.healthy()
	}
}

func TestANewOpenIDWhoseUnionIDIsAnotherAccountsIsAlreadyBoundAndACandidate(t *testing.T) {
	w := newWorld(t)
	other := w.sub(login("wxsim2", "o2", "u1"))
	user := w.account("alice", "")
	for range 2 {
		wantError(t, w.attach(login("wxsim1", "o1", "u1"), user), identity.ErrAlreadyBound)
	}
	if candidates := w.candidates(); len(candidates) != 1 || candidates[0].Users != [2]string{user, other} {
		t.Errorf("got %+v", candidates)
	}
	if w.sub(login("wxsim1", "o1", "u1")) != other {
		t.Error("a refused attachment left a link")
	}
	w.healthy()
}

func TestAWeChatUserWhoseAccountWasDeletedCanBeAttached(t *testing.T) {
	w := newWorld(t)
	old := w.sub(login("wxsim1", "o1", "u1"))
	if err := w.Delete(t.Context(), directory, old, identity.System); err != nil {
		t.Fatal(err)
	}
	user := w.account("alice", "")
	if err := w.attach(login("wxsim1", "o1", "u1"), user); err != nil {
		t.Fatalf("attach: %v", err)
	}
	if w.sub(login("wxsim2", "o2", "u1")) != user {
		t.Error("the UnionID was not attached")
	}
	w.healthy()
}

func TestAttachingTakesOverAFirstLoginThatCrashed(t *testing.T) {
	for _, written := range []int{1, 2} {
		w := newWorld(t)
		user := w.account("alice", "")
		stops()["the process dies before its write"](w, written+1)
		_, err := w.Resolve(t.Context(), login("wxsim1", "o1", "u1"), true)
		wantError(t, err, storage.ErrUnavailable)
		w.unhooked()
		if err := w.attach(login("wxsim1", "o1", "u1"), user); err != nil {
			t.Fatalf("attach: %v", err)
		}
		if w.sub(login("wxsim1", "o1", "u1")) != user || w.sub(login("wxsim2", "o2", "u1")) != user {
			t.Error("the WeChat user does not sign in as the account")
		}
		if active := w.active(); len(active) != 1 {
			t.Errorf("%d active users, want 1", len(active))
		}
		w.direct()
		w.healthy()
	}
}

func TestNobodyIsAttachedToAnAccountThatMayNotSignIn(t *testing.T) {
	w := newWorld(t)
	disabled, deleted := w.account("alice", ""), w.account("bob", "")
	if err := w.Disable(t.Context(), directory, disabled, identity.System); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), directory, deleted, identity.System); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.attach(login("wxsim1", "o1", "u1"), disabled), identity.ErrUserDisabled)
	wantError(t, w.attach(login("wxsim1", "o1", "u1"), deleted), identity.ErrUnknownUser)
	wantError(t, w.attach(login("wxsim1", "o1", "u1"), "nobody"), identity.ErrUnknownUser)
	virtual := login("wxsim1", "o1", "u1")
	virtual.Snapshot = true
	wantError(t, w.attach(virtual, disabled), identity.ErrSnapshotUser)
}

func TestAnAttachmentStoppedAnywhereIsHealed(t *testing.T) {
	a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
	again := func(w *world, user string) { _ = w.attach(a, user) }
	nextLogin := func(w *world, _ string) { w.sub(a) }
	for name, heal := range map[string]func(*world, string){"by its repetition": again, "by the next login": nextLogin} {
		t.Run(name, func(t *testing.T) {
			var user string
			stopEverywhere(func() *world { return newWorld(t) },
				func(w *world) { user = w.account("alice", "") },
				func(w *world) error { return w.attach(a, user) },
				func(w *world, stopped int) {
					heal(w, user)
					if w.sub(a) != w.sub(b) {
						t.Error("one person has two subs")
					}
					if stopped > 2 && w.sub(a) != user {
						t.Error("a link was written, and leads elsewhere")
					}
					if len(w.candidates()) != 0 {
						t.Error("a merge candidate was recorded")
					}
					w.healthy()
				})
		})
	}
}

func TestAttachingRacesWithFirstLoginsAndEveryoneAgrees(t *testing.T) {
	attached := 0
	for seed := range uint64(4 * rounds) {
		w := newWorld(t)
		a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
		user := w.account("alice", "")
		seen := w.seen(user)
		var result error
		w.interleave(seeded(seed), 0,
			func(ctx context.Context) { _, result = w.AttachToUser(ctx, a, seen, identity.MethodPassword) },
			func(ctx context.Context) { _, _ = w.Resolve(ctx, a, true) },
			func(ctx context.Context) { _, _ = w.Resolve(ctx, b, true) },
		)
		if result == nil {
			attached++
			if w.sub(a) != user {
				t.Error("it was attached, and signs in as somebody else")
			}
		} else {
			wantError(t, result, identity.ErrAlreadyBound)
			if w.sub(a) == user {
				t.Error("it was refused, and is attached")
			}
		}
		w.sub(b)
		w.healthy()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if attached == 0 || attached == 4*rounds {
		t.Errorf("%d of %d were attached: it is no race", attached, 4*rounds)
	}
}

func TestAProofThatEndedMeanwhileAttachesNothing(t *testing.T) {
	for name, end := range map[string]func(w *world, user string) error{
		"the account signed out everywhere": func(w *world, user string) error {
			return w.SignOutEverywhere(w.t.Context(), directory, user, identity.Self(user))
		},
		"the account was disabled and enabled again": func(w *world, user string) error {
			if err := w.Disable(w.t.Context(), directory, user, identity.System); err != nil {
				return err
			}
			return w.Enable(w.t.Context(), directory, user, identity.System)
		},
		"the account has another password": func(w *world, user string) error {
			return second(w.SetPassword(w.t.Context(), directory, user, "another good password", identity.System))
		},
		"the account was merged into an older one": func(w *world, user string) error {
			w.clock.advance(-time.Hour)
			older := w.account("older", "")
			w.clock.advance(time.Hour)
			return second(w.Merge(w.t.Context(), directory, older, user, identity.System))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			user := w.account("alice", "a good password")
			seen := w.seen(user)
			if err := end(w, user); err != nil {
				t.Fatalf("end: %v", err)
			}
			_, err := w.AttachToUser(t.Context(), login("wxsim1", "o1", "u1"), seen, identity.MethodSession)
			wantError(t, err, identity.ErrChanged)
			if _, err := w.Resolve(t.Context(), login("wxsim1", "o1", "u1"), false); !errors.Is(err, identity.ErrUnknownUser) {
				t.Errorf("the WeChat user is known: %v", err)
			}
		})
	}
}
