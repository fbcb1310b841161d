package identity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func (h *storeHarness) requestDeletion(id, actor string) storage.User {
	h.t.Helper()
	user, err := h.RequestDeletion(h.t.Context(), directory, id, actor)
	if err != nil {
		h.t.Fatal(err)
	}
	return user.Record
}

func (h *storeHarness) deleteDue() {
	h.t.Helper()
	if err := (identity.Deletions{Service: h.Service}).DeleteDue(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// notified does what the back-channel logout does with a user whose sessions are due.
func (h *storeHarness) notified(id string) {
	h.t.Helper()
	user, err := storage.Get[storage.User](h.t.Context(), h.memory, storage.Key(directory, id))
	if err != nil {
		h.t.Fatal(err)
	}
	next := user.Record
	next.SessionsDueAt = time.Time{}
	if _, err := user.Replace(h.t.Context(), h.memory, next); err != nil {
		h.t.Fatal(err)
	}
}

func TestRequestDeletion_BlocksSignInsUntilRestored(t *testing.T) {
	h := newStoreHarness(t)
	h.directory.Policy.DeletionDelay = 86400
	id := h.sub(login("wxsim1", "o1", ""))
	for range 2 {
		h.requestDeletion(id, identity.Self(id))
	}
	got := h.user(id)
	if got.Status != storage.UserDeletionPending || got.Epoch != 1 || got.DeletionDueAt.Sub(got.DeletionRequestedAt) != 24*time.Hour {
		t.Errorf("got %+v", got)
	}
	_, err := h.Resolve(t.Context(), login("wxsim1", "o1", ""), true)
	pending, ok := errors.AsType[*identity.DeletionPendingError](err)
	if !ok || !errors.Is(err, identity.ErrDeletionPending) || pending.User.ID != id {
		t.Errorf("err = %v", err)
	}
	if h.user(id).Status != storage.UserDeletionPending {
		t.Error("a login cancels the deletion")
	}
	wantError(t, h.SignOutEverywhereAs(id), nil)
	for range 2 {
		if _, err := h.RestoreDeleted(t.Context(), directory, id, identity.Self(id)); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.user(id); got.Status != storage.UserActive || !got.DeletionDueAt.IsZero() || !got.DeletionRequestedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	if h.sub(login("wxsim1", "o1", "")) != id {
		t.Error("another user signs in")
	}
	h.clock.Advance(48 * time.Hour)
	h.deleteDue()
	if h.user(id).Status != storage.UserActive {
		t.Error("a restored user was deleted")
	}
	if got, want := h.actions(), []string{identity.ActionDeleteCancel, identity.ActionDeleteRequest, identity.ActionSignOut}; !slices.Equal(got, want) {
		t.Errorf("audit entries %v, want %v", got, want)
	}
}

// SignOutEverywhereAs is an operator's act, which a user who waits for deletion does not prevent.
func (h *storeHarness) SignOutEverywhereAs(id string) error {
	return h.SignOutEverywhere(h.t.Context(), directory, id, identity.Operator("ann"))
}

func TestRequestDeletion_DisabledUserStaysDisabled(t *testing.T) {
	h := newStoreHarness(t)
	id := h.sub(login("wxsim1", "o1", ""))
	ann := identity.Operator("ann")
	wantError(t, h.Disable(t.Context(), directory, id, ann), nil)
	_, err := h.RequestDeletion(t.Context(), directory, id, identity.Self(id))
	wantError(t, err, identity.ErrUserDisabled)
	h.requestDeletion(id, ann)
	if h.user(id).Status != storage.UserDisabled {
		t.Errorf("got %+v", h.user(id))
	}
	_, err = h.RestoreDeleted(t.Context(), directory, id, identity.Self(id))
	wantError(t, err, identity.ErrUserDisabled)
	wantError(t, h.Enable(t.Context(), directory, id, ann), nil)
	if h.user(id).Status != storage.UserDeletionPending {
		t.Errorf("enabling cancels the deletion: %+v", h.user(id))
	}
}

func TestRequestDeletion_PasswordProvesTheUser(t *testing.T) {
	h := newStoreHarness(t)
	user, err := h.Create(t.Context(), directory, identity.Account{Username: "liwei", Password: "correct horse battery"}, identity.Operator("ann"))
	if err != nil {
		t.Fatal(err)
	}
	h.requestDeletion(user.Record.ID, identity.Self(user.Record.ID))
	_, err = h.VerifyPassword(t.Context(), directory, "liwei", "another horse battery")
	wantError(t, err, identity.ErrWrongPassword)
	_, err = h.VerifyPassword(t.Context(), directory, "liwei", "correct horse battery")
	wantError(t, err, identity.ErrDeletionPending)
	_, err = h.SetPassword(t.Context(), directory, user.Record.ID, "another horse battery", identity.Self(user.Record.ID))
	wantError(t, err, identity.ErrDeletionPending)
}

// withRecords creates a user with one record of each kind, and a merged one. It returns both IDs.
func (h *storeHarness) withRecords() (id, alias string) {
	h.t.Helper()
	id = h.profiled("wxsim1", "o1")
	h.clock.Advance(time.Minute)
	alias = h.sub(login("wxsim2", "o2", ""))
	other := h.sub(login("wxsim3", "o3", ""))
	if _, err := h.Merge(h.t.Context(), directory, id, alias, identity.Operator("ann")); err != nil {
		h.t.Fatal(err)
	}
	if err := h.AddPasskey(h.t.Context(), h.user(id), storage.Passkey{RPID: "example.com", CredentialID: []byte("1")}, identity.Self(id)); err != nil {
		h.t.Fatal(err)
	}
	for _, user := range []string{id, alias, other} {
		insertRecord(h, storage.Grant{Directory: directory, ID: "grant " + user, User: user, State: storage.GrantActive})
		insertRecord(h, storage.Session{Directory: directory, ID: "session " + user, User: user})
		insertRecord(h, storage.Consent{Directory: directory, Client: "spa", User: user})
		insertRecord(h, storage.TOTP{Directory: directory, User: user})
		insertRecord(h, storage.UserSignIns{Directory: directory, User: user, SignIns: []json.RawMessage{[]byte("{}")}})
	}
	insertRecord(h, storage.MergeCandidate{Directory: directory, ID: "pair", Users: [2]string{other, id}, State: identity.CandidateOpen})
	insertRecord(h, storage.MergeCandidate{Directory: directory, ID: "others", Users: [2]string{other, "x"}, State: identity.CandidateOpen})
	return id, alias
}

func insertRecord[R storage.Record](h *storeHarness, record R) {
	h.t.Helper()
	if _, err := storage.Insert(h.t.Context(), h.memory, record); err != nil {
		h.t.Fatal(err)
	}
}

// wantGone asserts that nothing but tombstones is left of users, and that the records of others stay.
func (h *storeHarness) wantGone(ids ...string) {
	h.t.Helper()
	for _, id := range ids {
		if got := h.user(id); got.Status != storage.UserDeleted || !got.DeletionDueAt.IsZero() {
			h.t.Errorf("got %+v", got)
		}
	}
	h.clock.Advance(2 * time.Minute) // Released links expire.
	for kind := range storage.Kinds() {
		page, err := h.memory.List(h.t.Context(), storage.Query{Kind: kind, Order: storage.ByID, Limit: storage.MaxPage})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, doc := range page.Documents {
			for _, id := range ids {
				if kind != storage.KindAuditEntry && kind != storage.KindUser && bytes.Contains(doc.Body, []byte(id)) {
					h.t.Errorf("%s still has %s", kind, doc.Body)
				}
			}
		}
	}
	if got := len(all[storage.Grant](h)) + len(all[storage.Session](h)) + len(all[storage.Consent](h)) + len(all[storage.MergeCandidate](h)); got != 4 {
		h.t.Errorf("%d records of others, want 4", got)
	}
}

func TestDeletions_LeaveNothingOfTheUser(t *testing.T) {
	h := newStoreHarness(t)
	id, alias := h.withRecords()
	h.requestDeletion(id, identity.Self(id))
	h.clock.Advance(storage.Policy{}.DeletionGrace() - time.Millisecond)
	h.deleteDue()
	if h.user(id).Status != storage.UserDeletionPending {
		t.Error("deleted too early")
	}
	h.clock.Advance(time.Millisecond)
	h.deleteDue()
	if len(all[storage.Grant](h)) != 3 {
		t.Error("the grants are gone before their clients are notified")
	}
	for range 2 {
		for _, each := range []string{id, alias} {
			h.notified(each)
		}
		h.deleteDue()
		h.clock.Advance(time.Hour)
	}
	h.wantGone(id, alias)
}

// A session whose clients are not notified yet stays until they are.
func TestDeletions_WaitForLogoutTokens(t *testing.T) {
	h := newStoreHarness(t)
	id := h.sub(login("wxsim1", "o1", ""))
	insertRecord(h, storage.Session{Directory: directory, ID: "s", User: id, DeliverAt: h.clock.Now(), ExpiresAt: h.clock.Now().Add(20 * time.Minute)})
	wantError(t, h.Delete(t.Context(), directory, id, identity.Operator("ann")), nil)
	h.notified(id)
	for range 3 {
		h.deleteDue()
		if h.user(id).DeletionDueAt.IsZero() != (len(all[storage.Session](h)) == 0) {
			t.Errorf("%d sessions, %+v", len(all[storage.Session](h)), h.user(id))
		}
		h.clock.Advance(15 * time.Minute)
	}
	if len(all[storage.Session](h)) != 0 {
		t.Error("the session is still there")
	}
}

// A process that ends between any two writes leaves nothing that the next search does not complete. Two instances search at once.
func TestDeletions_CompleteAfterACrash(t *testing.T) {
	for fails := 1; ; fails++ {
		h := newStoreHarness(t)
		id, alias := h.withRecords()
		h.requestDeletion(id, identity.Self(id))
		writes, failed := 0, false
		h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
			if operation.Write() {
				if writes++; writes >= fails {
					failed = true
					return errDown()
				}
			}
			return nil
		}
		h.clock.Advance(storage.Policy{}.DeletionGrace())
		for range 3 {
			_ = identity.Deletions{Service: h.Service}.DeleteDue(t.Context())
			for _, each := range []string{id, alias} {
				h.notified(each)
			}
			h.clock.Advance(time.Hour)
		}
		h.removeHooks()
		for range 4 {
			h.deleteDue()
			for _, each := range []string{id, alias} {
				h.notified(each)
			}
			h.clock.Advance(time.Hour)
		}
		h.wantGone(id, alias)
		if t.Failed() {
			t.Fatalf("after a crash at write %d", fails)
		}
		if !failed {
			return
		}
	}
}

// A restore and the deletion that is due race: the user is either restored or deleted, never a mixture.
func TestDeletions_RaceWithRestore(t *testing.T) {
	for seed := range uint64(30) {
		h := newStoreHarness(t)
		id := h.profiled("wxsim1", "o1")
		h.requestDeletion(id, identity.Self(id))
		h.clock.Advance(storage.Policy{}.DeletionGrace())
		restored := false
		deletes := func(ctx context.Context) { _ = identity.Deletions{Service: h.Service}.DeleteDue(ctx) }
		h.interleave(seeded(seed), 0, deletes, deletes, func(ctx context.Context) {
			_, err := h.RestoreDeleted(ctx, directory, id, identity.Self(id))
			restored = err == nil
		})
		got := h.user(id)
		if restored != (got.Status == storage.UserActive) || restored != (got.Phone != "") || restored != h.linked(storage.IdentityPhone) {
			t.Fatalf("seed %d: restored %t, %+v", seed, restored, got)
		}
	}
}
