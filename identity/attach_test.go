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
func (h *storeHarness) account(username, password string) string {
	h.t.Helper()
	account := identity.Account{Username: username, Password: password}
	user, err := h.Create(h.t.Context(), directory, account, identity.System)
	if err != nil {
		h.t.Fatalf("create: %v", err)
	}
	return user.Record.ID
}

// accountProof is the account at the time of its owner's proof.
func (h *storeHarness) accountProof(id string) storage.User {
	h.t.Helper()
	user, err := h.User(h.t.Context(), directory, id)
	if errors.Is(err, identity.ErrUnknownUser) {
		return storage.User{Directory: directory, ID: id}
	}
	if err != nil {
		h.t.Fatalf("user: %v", err)
	}
	return user.Record
}

func (h *storeHarness) attach(l identity.Login, user string) error {
	h.t.Helper()
	got, err := h.AttachToUser(h.t.Context(), l, h.accountProof(user), identity.MethodPassword)
	if err == nil && got.User.Record.ID != user {
		h.t.Errorf("attached to %s, want %s", got.User.Record.ID, user)
	}
	return err
}

func TestAttach_NewWeChatUser(t *testing.T) {
	h := newStoreHarness(t)
	user := h.account("alice", "")
	for range 2 {
		if err := h.attach(login("wxsim1", "o1", "u1"), user); err != nil {
			t.Fatalf("attach: %v", err)
		}
	}
	for _, known := range []identity.Login{login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")} {
		if h.sub(known) != user {
			t.Error("the WeChat user does not sign in as the account")
		}
	}
	entries := h.audit()
	if len(entries) != 1 || entries[0].Action != identity.ActionAttach || entries[0].Actor != identity.Self(user) ||
		entries[0].Details["method"] != identity.MethodPassword {
		t.Errorf("audit entries %+v, want one of the attachment: the repeat changed nothing", entries)
	}
	h.wantConsistent()
}

func TestAttach_OpenIDOfAnotherAccountIsBound(t *testing.T) {
	for _, unionID := range []string{"", "u1"} {
		h := newStoreHarness(t)
		other := h.sub(login("wxsim1", "o1", unionID))
		user := h.account("alice", "")
		wantError(t, h.attach(login("wxsim1", "o1", unionID), user), identity.ErrAlreadyBound)
		if h.sub(login("wxsim1", "o1", unionID)) != other {
			t.Error("the WeChat user moved")
		}
		h.wantConsistent()
	}
}

func TestAttach_UnionIDOfAnotherAccountIsBoundAndCandidate(t *testing.T) {
	h := newStoreHarness(t)
	other := h.sub(login("wxsim2", "o2", "u1"))
	user := h.account("alice", "")
	for range 2 {
		wantError(t, h.attach(login("wxsim1", "o1", "u1"), user), identity.ErrAlreadyBound)
	}
	if candidates := h.candidates(); len(candidates) != 1 || candidates[0].Users != [2]string{user, other} {
		t.Errorf("got %+v", candidates)
	}
	if h.sub(login("wxsim1", "o1", "u1")) != other {
		t.Error("a rejected attachment left a link")
	}
	h.wantConsistent()
}

func TestAttach_AfterDeletionOfFormerAccount(t *testing.T) {
	h := newStoreHarness(t)
	old := h.sub(login("wxsim1", "o1", "u1"))
	if err := h.Delete(t.Context(), directory, old, identity.System); err != nil {
		t.Fatal(err)
	}
	user := h.account("alice", "")
	if err := h.attach(login("wxsim1", "o1", "u1"), user); err != nil {
		t.Fatalf("attach: %v", err)
	}
	if h.sub(login("wxsim2", "o2", "u1")) != user {
		t.Error("the UnionID was not attached")
	}
	h.wantConsistent()
}

func TestAttach_TakesOverCrashedFirstLogin(t *testing.T) {
	for _, written := range []int{1, 2} {
		h := newStoreHarness(t)
		user := h.account("alice", "")
		interruptions()["the process crashes before its write"](h, written+1)
		_, err := h.Resolve(t.Context(), login("wxsim1", "o1", "u1"), true)
		wantError(t, err, storage.ErrUnavailable)
		h.removeHooks()
		if err := h.attach(login("wxsim1", "o1", "u1"), user); err != nil {
			t.Fatalf("attach: %v", err)
		}
		if h.sub(login("wxsim1", "o1", "u1")) != user || h.sub(login("wxsim2", "o2", "u1")) != user {
			t.Error("the WeChat user does not sign in as the account")
		}
		if active := h.active(); len(active) != 1 {
			t.Errorf("%d active users, want 1", len(active))
		}
		h.wantDirectLinks()
		h.wantConsistent()
	}
}

func TestAttach_RejectsAccountThatCannotSignIn(t *testing.T) {
	h := newStoreHarness(t)
	disabled, deleted := h.account("alice", ""), h.account("bob", "")
	if err := h.Disable(t.Context(), directory, disabled, identity.System); err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(t.Context(), directory, deleted, identity.System); err != nil {
		t.Fatal(err)
	}
	wantError(t, h.attach(login("wxsim1", "o1", "u1"), disabled), identity.ErrUserDisabled)
	wantError(t, h.attach(login("wxsim1", "o1", "u1"), deleted), identity.ErrUnknownUser)
	wantError(t, h.attach(login("wxsim1", "o1", "u1"), "nobody"), identity.ErrUnknownUser)
	virtual := login("wxsim1", "o1", "u1")
	virtual.Snapshot = true
	wantError(t, h.attach(virtual, disabled), identity.ErrSnapshotUser)
}

func TestAttach_InterruptedIsRepaired(t *testing.T) {
	a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
	again := func(h *storeHarness, user string) { _ = h.attach(a, user) }
	nextLogin := func(h *storeHarness, _ string) { h.sub(a) }
	for name, heal := range map[string]func(*storeHarness, string){"by its repetition": again, "by the next login": nextLogin} {
		t.Run(name, func(t *testing.T) {
			var user string
			interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
				func(h *storeHarness) { user = h.account("alice", "") },
				func(h *storeHarness) error { return h.attach(a, user) },
				func(h *storeHarness, stopped int) {
					heal(h, user)
					if h.sub(a) != h.sub(b) {
						t.Error("one WeChat user has two subs")
					}
					if stopped > 2 && h.sub(a) != user {
						t.Error("a link was written, and leads elsewhere")
					}
					if len(h.candidates()) != 0 {
						t.Error("a merge candidate was recorded")
					}
					h.wantConsistent()
				})
		})
	}
}

func TestAttach_RacesWithFirstLogins(t *testing.T) {
	attached := 0
	for seed := range uint64(4 * rounds) {
		h := newStoreHarness(t)
		a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
		user := h.account("alice", "")
		seen := h.accountProof(user)
		var result error
		h.interleave(seeded(seed), 0,
			func(ctx context.Context) { _, result = h.AttachToUser(ctx, a, seen, identity.MethodPassword) },
			func(ctx context.Context) { _, _ = h.Resolve(ctx, a, true) },
			func(ctx context.Context) { _, _ = h.Resolve(ctx, b, true) },
		)
		if result == nil {
			attached++
			if h.sub(a) != user {
				t.Error("it was attached, and signs in as another user")
			}
		} else {
			wantError(t, result, identity.ErrAlreadyBound)
			if h.sub(a) == user {
				t.Error("it was rejected, and is attached")
			}
		}
		h.sub(b)
		h.wantConsistent()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if attached == 0 || attached == 4*rounds {
		t.Errorf("%d of %d were attached: it is no race", attached, 4*rounds)
	}
}

func TestAttach_RejectsProofThatEnded(t *testing.T) {
	for name, end := range map[string]func(h *storeHarness, user string) error{
		"the account signed out everywhere": func(h *storeHarness, user string) error {
			return h.SignOutEverywhere(h.t.Context(), directory, user, identity.Self(user))
		},
		"the account was disabled and enabled again": func(h *storeHarness, user string) error {
			if err := h.Disable(h.t.Context(), directory, user, identity.System); err != nil {
				return err
			}
			return h.Enable(h.t.Context(), directory, user, identity.System)
		},
		"the account has another password": func(h *storeHarness, user string) error {
			return second(h.SetPassword(h.t.Context(), directory, user, "another good password", identity.Operator("root")))
		},
		"the account was merged into an older one": func(h *storeHarness, user string) error {
			h.clock.Advance(-time.Hour)
			older := h.account("older", "")
			h.clock.Advance(time.Hour)
			return second(h.Merge(h.t.Context(), directory, older, user, identity.Operator("root")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newStoreHarness(t)
			user := h.account("alice", "a good password")
			seen := h.accountProof(user)
			if err := end(h, user); err != nil {
				t.Fatalf("end: %v", err)
			}
			_, err := h.AttachToUser(t.Context(), login("wxsim1", "o1", "u1"), seen, identity.MethodSession)
			wantError(t, err, identity.ErrChanged)
			if _, err := h.Resolve(t.Context(), login("wxsim1", "o1", "u1"), false); !errors.Is(err, identity.ErrUnknownUser) {
				t.Errorf("the WeChat user is known: %v", err)
			}
		})
	}
}
