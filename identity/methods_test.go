package identity_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// addPasskey adds a passkey to a user and returns its ID.
func (h *storeHarness) addPasskey(user, credential string) string {
	h.t.Helper()
	passkey := storage.Passkey{RPID: "id.example", CredentialID: []byte(credential), PublicKey: []byte("key"), Name: credential}
	if err := h.AddPasskey(h.t.Context(), h.user(user), passkey, identity.Self(user)); err != nil {
		h.t.Fatal(err)
	}
	passkey.Directory = directory
	return passkey.ID()
}

func (h *storeHarness) setTOTP(user string) {
	h.t.Helper()
	totp := storage.TOTP{Secret: "sealed for " + user, RecoveryCodes: []string{"one", "two"}}
	if err := h.SetTOTP(h.t.Context(), h.user(user), totp, identity.Self(user)); err != nil {
		h.t.Fatal(err)
	}
}

// methods returns the names of a user's passkeys, and the secret of the app.
func (h *storeHarness) methods(user string) string {
	h.t.Helper()
	found, err := h.Methods(h.t.Context(), h.user(user))
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, passkey := range found.Passkeys {
		names = append(names, passkey.Record.Name)
	}
	if found.TOTP != nil {
		names = append(names, found.TOTP.Record.Secret)
	}
	return strings.Join(names, ", ")
}

func TestMethods_FollowMergesAndTheirReversal(t *testing.T) {
	h := newStoreHarness(t)
	older := h.account("older", "")
	h.clock.Advance(time.Second)
	younger := h.account("younger", "")
	h.addPasskey(older, "older key")
	h.addPasskey(younger, "younger key")
	h.setTOTP(younger)
	merged, err := h.Merge(t.Context(), directory, older, younger, identity.Operator("ann"))
	if err != nil {
		t.Fatal(err)
	}
	if got := h.methods(older); got != "older key, younger key, sealed for "+younger {
		t.Errorf("after the merge: %s", got)
	}
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if a, b := h.methods(older), h.methods(younger); a != "older key" || b != "younger key, sealed for "+younger {
		t.Errorf("after its reversal: %q and %q", a, b)
	}
}

func TestMethods_AreDeletedWithUserAndThoseMergedIntoIt(t *testing.T) {
	h := newStoreHarness(t)
	older := h.account("older", "")
	h.clock.Advance(time.Second)
	younger := h.account("younger", "")
	h.addPasskey(older, "older key")
	h.addPasskey(younger, "younger key")
	h.setTOTP(younger)
	if _, err := h.Merge(t.Context(), directory, older, younger, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(t.Context(), directory, older, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if left := len(all[storage.Passkey](h)) + len(all[storage.TOTP](h)); left != 0 {
		t.Errorf("%d records are left", left)
	}
}

// TestMethods_AddedDuringDeletionAreDeleted deletes the user before the insert of a method.
func TestMethods_AddedDuringDeletionAreDeleted(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.account("alice", "")
	user := h.user(sub)
	h.hooks.Before = func(ctx context.Context, operation storagetest.Operation) error {
		if operation.Write() && operation.Kind == storage.KindPasskey {
			h.removeHooks()
			return h.Delete(ctx, directory, sub, identity.System)
		}
		return nil
	}
	err := h.AddPasskey(t.Context(), user, storage.Passkey{RPID: "id.example", CredentialID: []byte("late")}, identity.Self(sub))
	if !errors.Is(err, identity.ErrUnknownUser) || len(all[storage.Passkey](h)) != 0 {
		t.Errorf("error %v, left %v", err, all[storage.Passkey](h))
	}
}

func TestMethods_OfAnEarlierDirectoryAreNotFound(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.account("alice", "")
	h.addPasskey(sub, "key")
	h.setTOTP(sub)
	later := h.user(sub)
	later.DirectoryIncarnation = "later"
	found, err := h.Methods(t.Context(), later)
	if err != nil || len(found.Passkeys) != 0 || found.TOTP != nil {
		t.Errorf("found %+v, error %v", found, err)
	}
}

func TestRemoveMethod_RejectsTheLastWayToSignIn(t *testing.T) {
	twoFactors := storage.Directory{Policy: storage.Policy{TwoFactor: storage.TwoFactorRequired}}
	optional, required := identity.Removal{Actor: "user:x"}, identity.Removal{Actor: "user:x", Directory: twoFactors}
	forced := identity.Removal{Actor: identity.Operator("ann"), Forced: true, Directory: twoFactors}
	for name, test := range map[string]struct {
		password      string
		keys          []string
		totp, linked  bool
		passkey, code error // the errors of the removal of the first passkey, and of the app
		how           identity.Removal
	}{
		"a passkey alone":                      {keys: []string{"a"}, passkey: identity.ErrLastMethod, how: optional, code: identity.ErrUnknownMethod},
		"one of two passkeys":                  {keys: []string{"a", "b"}, how: required, code: identity.ErrUnknownMethod},
		"a passkey beside a password":          {password: "correct horse", keys: []string{"a"}, how: optional, code: identity.ErrUnknownMethod},
		"a passkey beside a required password": {password: "correct horse", keys: []string{"a"}, passkey: identity.ErrLastMethod, how: required, code: identity.ErrUnknownMethod},
		"an app beside a password":             {password: "correct horse", totp: true, passkey: identity.ErrUnknownMethod, how: optional},
		"an app that is required":              {password: "correct horse", totp: true, passkey: identity.ErrUnknownMethod, how: required, code: identity.ErrLastMethod},
		"a passkey beside WeChat":              {linked: true, keys: []string{"a"}, how: optional, code: identity.ErrUnknownMethod},
		"by an operator":                       {keys: []string{"a"}, totp: true, how: forced},
	} {
		t.Run(name, func(t *testing.T) {
			h := newStoreHarness(t)
			var sub string
			if test.linked {
				sub = h.sub(login("wxsim1", "o1", ""))
			} else {
				sub = h.account("alice", test.password)
			}
			key := "none"
			for _, credential := range test.keys {
				key = h.addPasskey(sub, credential)
			}
			if test.totp {
				h.setTOTP(sub)
			}
			user := h.user(sub)
			if err := h.RemovePasskey(t.Context(), user, key, test.how); !errors.Is(err, test.passkey) {
				t.Errorf("passkey: got %v, want %v", err, test.passkey)
			}
			if err := h.RemoveTOTP(t.Context(), user, test.how); !errors.Is(err, test.code) {
				t.Errorf("app: got %v, want %v", err, test.code)
			}
		})
	}
}

func TestAddPasskey_IsBoundedAndUnique(t *testing.T) {
	h := newStoreHarness(t)
	alice, bob := h.account("alice", ""), h.account("bobby", "")
	for i := range identity.MaxPasskeys {
		h.addPasskey(alice, strings.Repeat("k", i+1))
	}
	add := func(sub, credential string) error {
		return h.AddPasskey(t.Context(), h.user(sub), storage.Passkey{RPID: "id.example", CredentialID: []byte(credential)}, identity.Self(sub))
	}
	if err := add(alice, "one more"); !errors.Is(err, identity.ErrMethodLimit) {
		t.Errorf("one more: %v", err)
	}
	if err := add(bob, "k"); !errors.Is(err, identity.ErrTaken) {
		t.Errorf("the credential of another user: %v", err)
	}
	if got := slices.Compact(slices.Sorted(slices.Values(h.actions()))); !slices.Contains(got, identity.ActionPasskeyAdd) {
		t.Errorf("audit entries %v", got)
	}
}
