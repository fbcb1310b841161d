package admin

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

func (h *serviceHarness) user(t *testing.T, name string) storage.User {
	t.Helper()
	h.at = h.at.Add(time.Second)
	user, err := h.CreateUser(t.Context(), "default", identity.Account{Username: name, Profile: storage.Profile{Name: "The " + name}})
	must(t, err)
	return user
}

func TestUsers_CreateChangeFind(t *testing.T) {
	h := newServiceHarness(t)
	alice := h.user(t, "Alice")
	h.user(t, "bob")
	name, email, phone := "Alicia", "Alice@Example.com", "+8613800138000"
	changed, err := h.UpdateUser(t.Context(), "default", alice.ID, UserUpdate{
		Username: &name, Email: &email, Phone: &phone,
		Profile:    func(p *storage.Profile) { p.Nickname, p.GivenName, p.Address.Country = "Al", "Alice", "CN" },
		Membership: func(m *identity.Membership) { m.Groups = []string{"staff"} },
	})
	must(t, err)
	want := storage.Profile{Name: "The Alice", Nickname: "Al", GivenName: "Alice", Address: changed.Profile.Address}
	if changed.Username != "Alicia" || !changed.EmailVerified || changed.Phone != phone || changed.PhoneVerifiedAt.IsZero() ||
		len(changed.Groups) != 1 || changed.Profile != want || *changed.Profile.Address != (storage.Address{Country: "CN"}) {
		t.Errorf("got %+v", changed)
	}
	h.at = h.at.Add(time.Hour) // the link of the former name has expired
	person, err := h.User(t.Context(), "default", alice.ID)
	must(t, err)
	if person.User.ID != alice.ID || len(person.Identities) != 3 {
		t.Errorf("%d links of %+v", len(person.Identities), person.User)
	}
	found, _, err := h.Users(t.Context(), "default", "THE A", Page{})
	must(t, err)
	if len(found) != 1 || found[0].ID != alice.ID {
		t.Errorf("found %v", found)
	}
	all, _, err := h.Users(t.Context(), "default", "", Page{})
	must(t, err)
	if len(all) != 2 || all[0].ID != alice.ID {
		t.Errorf("listed %v", all)
	}
}

func TestUsers_ErrorsNameProblem(t *testing.T) {
	h := newServiceHarness(t)
	alice := h.user(t, "alice")
	h.user(t, "bob")
	name := "BOB"
	if _, err := h.CreateUser(t.Context(), "default", identity.Account{Username: "Alice"}); !errors.Is(err, ErrExists) {
		t.Errorf("taken: error %v", err)
	}
	if _, err := h.UpdateUser(t.Context(), "default", alice.ID, UserUpdate{Username: &name}); !errors.Is(err, ErrExists) {
		t.Errorf("taken by another: error %v", err)
	}
	_, err := h.UpdateUser(t.Context(), "default", alice.ID, UserUpdate{Profile: func(p *storage.Profile) { p.Picture = "ftp://x" }})
	wantInvalid(t, err, "picture")
	wantInvalid(t, h.SetUserPassword(t.Context(), "default", alice.ID, "short"), "password")
	if _, err := h.User(t.Context(), "default", "nobody"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("unknown: error %v", err)
	}
	if _, err := h.CreateUser(t.Context(), "nowhere", identity.Account{Username: "x"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no directory: error %v", err)
	}
	if _, _, err := h.Users(t.Context(), "nowhere", "", Page{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("list of no directory: error %v", err)
	}
}

func TestUsers_EndOfSessionsRaisesEpoch(t *testing.T) {
	h := newServiceHarness(t)
	id := h.user(t, "alice").ID
	epoch := func() (int64, storage.UserStatus) {
		t.Helper()
		person, err := h.User(t.Context(), "default", id)
		must(t, err)
		return person.User.Epoch, person.User.Status
	}
	steps := []struct {
		name   string
		do     func() error
		raises int64
		status storage.UserStatus
	}{
		{"sign out", func() error { return h.SignOutUser(t.Context(), "default", id) }, 1, storage.UserActive},
		{"password", func() error { return h.SetUserPassword(t.Context(), "default", id, "correct horse battery") }, 1, storage.UserActive},
		{"disable", func() error { return h.DisableUser(t.Context(), "default", id) }, 1, storage.UserDisabled},
		{"enable", func() error { return h.EnableUser(t.Context(), "default", id) }, 0, storage.UserActive},
	}
	for _, step := range steps {
		before, _ := epoch()
		must(t, step.do())
		if after, status := epoch(); after != before+step.raises || status != step.status {
			t.Errorf("%s: epoch %d to %d, status %s", step.name, before, after, status)
		}
	}
	must(t, h.DeleteUser(t.Context(), "default", id))
	if _, err := h.User(t.Context(), "default", id); !errors.Is(err, ErrNotFound) {
		t.Errorf("after delete: error %v", err)
	}
}

func TestUsers_MergeAndUndo(t *testing.T) {
	h := newServiceHarness(t)
	alice, twin := h.user(t, "alice"), h.user(t, "twin")
	done, err := h.MergeUsers(t.Context(), "default", twin.ID, alice.ID)
	must(t, err)
	if done.Survivor != alice.ID || done.Alias != twin.ID || done.Audit == "" {
		t.Errorf("merged %+v", done)
	}
	person, err := h.User(t.Context(), "default", twin.ID)
	must(t, err)
	if person.User.ID != alice.ID {
		t.Errorf("the alias resolves to %s", person.User.ID)
	}
	if _, err := h.MergeUsers(t.Context(), "default", alice.ID, alice.ID); !errors.Is(err, ErrRefused) {
		t.Errorf("with itself: error %v", err)
	}
	must(t, h.UndoMerge(t.Context(), "default", done.Alias)) // or done.Audit
	person, err = h.User(t.Context(), "default", twin.ID)
	must(t, err)
	if person.User.ID != twin.ID {
		t.Errorf("after undo it resolves to %s", person.User.ID)
	}
	if err := h.UndoMerge(t.Context(), "default", "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown merge: error %v", err)
	}
}

func TestMergeCandidates_AreDecided(t *testing.T) {
	h := newServiceHarness(t)
	alice, twin, other := h.user(t, "alice"), h.user(t, "twin"), h.user(t, "other")
	for id, pair := range map[string][2]string{"one": {alice.ID, twin.ID}, "two": {alice.ID, other.ID}} {
		_, err := storage.Insert(t.Context(), h.engine, storage.MergeCandidate{
			Directory: "default", ID: id, Users: pair, Reason: identity.ReasonPhone, State: identity.CandidateOpen, CreatedAt: h.at,
		})
		must(t, err)
	}
	done, err := h.AcceptMerge(t.Context(), "default", "one")
	must(t, err)
	if done.Survivor != alice.ID {
		t.Errorf("merged %+v", done)
	}
	must(t, h.DismissMerge(t.Context(), "default", "two"))
	candidates, _, err := h.MergeCandidates(t.Context(), "default", Page{})
	must(t, err)
	states := []string{}
	for _, candidate := range candidates {
		states = append(states, candidate.ID+" "+candidate.State)
	}
	slices.Sort(states)
	if !slices.Contains(states, "two dismissed") || slices.Contains(states, "one open") {
		t.Errorf("candidates %v", states)
	}
	if err := h.DismissMerge(t.Context(), "default", "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown: error %v", err)
	}
}

func TestUserMethods_AreShownWithoutSecretsAndRemoved(t *testing.T) {
	h := newServiceHarness(t)
	alice := h.user(t, "alice")
	passkey := storage.Passkey{RPID: "id.example", CredentialID: []byte("credential"), PublicKey: []byte("key"), Name: "phone"}
	must(t, h.config.Identity.AddPasskey(t.Context(), alice, passkey, identity.Self(alice.ID)))
	must(t, h.config.Identity.SetTOTP(t.Context(), alice, storage.TOTP{Secret: "sealed", RecoveryCodes: []string{"one", "two"}}, identity.Self(alice.ID)))
	methods, err := h.UserMethods(t.Context(), "default", alice.ID)
	must(t, err)
	if len(methods.Passkeys) != 1 || methods.Passkeys[0].Name != "phone" || methods.Passkeys[0].Host != "id.example" || methods.TOTP == nil || methods.TOTP.RecoveryCodes != 2 {
		t.Fatalf("got %+v", methods)
	}
	must(t, h.RemoveUserPasskey(t.Context(), "default", alice.ID, methods.Passkeys[0].ID))
	must(t, h.RemoveUserTOTP(t.Context(), "default", alice.ID))
	for name, err := range map[string]error{
		"passkey": h.RemoveUserPasskey(t.Context(), "default", alice.ID, methods.Passkeys[0].ID), "app": h.RemoveUserTOTP(t.Context(), "default", alice.ID),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s again: error %v", name, err)
		}
	}
	if methods, err = h.UserMethods(t.Context(), "default", alice.ID); err != nil || len(methods.Passkeys) != 0 || methods.TOTP != nil {
		t.Errorf("left %+v, error %v", methods, err)
	}
}
