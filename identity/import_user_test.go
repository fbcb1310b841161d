package identity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// failWrite fails every write after n of them, as a crash does; a negative n lets all pass.
func (h *storeHarness) failWrite(n int) {
	done := 0
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if n < 0 || !operation.Write() {
			return nil
		}
		if done++; done > n {
			return storage.ErrUnavailable
		}
		return nil
	}
}

// importOne imports a user, expects a result, and returns the user's ID.
func (w *storeHarness) importOne(t *testing.T, user identity.Import, want identity.Imported, update ...bool) string {
	t.Helper()
	canonical, err := user.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	options := identity.ImportOptions{Actor: identity.Operator("root"), Update: len(update) > 0}
	dry := options
	dry.DryRun = true
	if got, err := w.ImportUser(t.Context(), directory, canonical, dry); err != nil || got != want {
		t.Fatalf("a dry run says %d, %v; want %d", got, err, want)
	}
	got, err := w.ImportUser(t.Context(), directory, canonical, options)
	if err != nil || got != want {
		t.Fatalf("got %d, %v; want %d", got, err, want)
	}
	if user.Sub != "" {
		return user.Sub
	}
	found, err := w.Named(t.Context(), directory, user.Username)
	if err != nil {
		t.Fatal(err)
	}
	return found.Record.ID
}

func (w *storeHarness) conflict(t *testing.T, user identity.Import, member string) {
	t.Helper()
	canonical, err := user.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		_, err = w.ImportUser(t.Context(), directory, canonical, identity.ImportOptions{Actor: identity.Operator("root"), DryRun: dry, Update: true})
		if conflict, ok := errors.AsType[*identity.ImportConflict](err); !ok || conflict.Member != member {
			t.Errorf("got %v, want a conflict about %s", err, member)
		}
	}
}

func fullImport() identity.Import {
	return identity.Import{
		Sub: "4711", ExternalID: "old-4711", Username: "alice", Email: "alice@example.com", Phone: number,
		Profile:    storage.Profile{Name: "Alice Wang", Nickname: "Al"},
		Membership: identity.Membership{Groups: []string{"staff"}, Attributes: map[string][]string{"role": {"editor"}}, GuardianConsent: "case-1"},
		CreatedAt:  time.Date(2020, 1, 31, 8, 0, 0, 0, time.UTC),
		WeChat:     []identity.WeChatIdentity{{AppID: "wxsim1", OpenID: "o1"}, {OpenPlatform: "group", UnionID: "u1"}},
	}
}

func TestImportUser_TakesOverTheSubAndSignsInByWeChat(t *testing.T) {
	w := newStoreHarness(t)
	w.importOne(t, fullImport(), identity.ImportCreated)
	w.importOne(t, fullImport(), identity.ImportUnchanged)
	for _, known := range []identity.Login{
		{Directory: directory, AppID: "wxsim1", OpenID: "o1"},
		{Directory: directory, AppID: "wxsim2", OpenID: "o2", OpenPlatform: "group", UnionID: "u1"},
	} {
		got, err := w.Resolve(t.Context(), known, false)
		if err != nil || got.User.Record.ID != "4711" {
			t.Errorf("got %v, %v", got, err)
		}
	}
	for _, name := range []string{"4711", "ALICE", "alice@example.com", number} {
		if got, err := w.Named(t.Context(), directory, name); err != nil || got.Record.ID != "4711" {
			t.Errorf("%s: %v", name, err)
		}
	}
	user := w.user("4711")
	if user.Shadow || !user.EmailVerified || user.PhoneVerifiedAt.Year() != 2020 || user.CreatedAt.Year() != 2026 || user.Profile.Name != "Alice Wang" || user.Groups[0] != "staff" || user.GuardianConsent != "case-1" || user.GuardianConsentAt.IsZero() || user.ExternalID != "old-4711" {
		t.Errorf("got %+v", user)
	}
}

// TestImportUser_CompletesUsersWhoSignedInBefore: a shadow user of the same OpenID gets the values that it lacks.
func TestImportUser_CompletesUsersWhoSignedInBefore(t *testing.T) {
	w := newStoreHarness(t)
	sub := w.sub(login("wxsim1", "o1", ""))
	if _, err := w.UpdateProfile(t.Context(), directory, sub, profileUpdate(t, `{"nickname":"My name"}`), identity.System); err != nil {
		t.Fatal(err)
	}
	row := fullImport()
	row.Sub = ""
	if got := w.importOne(t, row, identity.ImportCompleted); got != sub {
		t.Errorf("alice is %s, want %s", got, sub)
	}
	user := w.user(sub)
	if user.Profile.Nickname != "My name" || user.Profile.Name != "Alice Wang" || user.Username != "alice" || user.Shadow || user.Email == "" || user.Phone == "" {
		t.Errorf("got %+v", user)
	}
	w.importOne(t, row, identity.ImportUnchanged)
	other := fullImport()
	w.conflict(t, other, "wechat") // The user has another sub.
}

func TestImportUser_ConflictsChangeNothing(t *testing.T) {
	w := newStoreHarness(t)
	w.account("alice", password)
	bob := w.sub(login("wxsim1", "bob", "u2"))
	w.importOne(t, identity.Import{ExternalID: "1", Username: "carol"}, identity.ImportCreated)
	for member, row := range map[string]identity.Import{
		"username":    {ExternalID: "7", Username: "Alice"},
		"external_id": {ExternalID: "1", WeChat: []identity.WeChatIdentity{{AppID: "wxsim1", OpenID: "bob"}}},
	} {
		w.conflict(t, row, member)
	}
	// carol's row without the external ID may be another person's.
	w.conflict(t, identity.Import{Username: "carol", Email: "carol@example.com"}, "username")
	if _, err := w.Named(t.Context(), directory, "carol@example.com"); !errors.Is(err, identity.ErrUnknownUser) {
		t.Errorf("a conflict left a link: %v", err)
	}
	if err := w.Delete(t.Context(), directory, bob, identity.System); err != nil {
		t.Fatal(err)
	}
	w.conflict(t, identity.Import{Sub: bob, Username: "bob"}, "sub")
}

func TestImportUser_UpdatesOnlyOnRequest(t *testing.T) {
	w := newStoreHarness(t)
	w.importOne(t, fullImport(), identity.ImportCreated)
	row := fullImport()
	row.Username, row.Groups, row.Profile.Name = "alicia", []string{"buyers"}, "Alice Li"
	w.importOne(t, row, identity.ImportDiffers)
	if w.user("4711").Username != "alice" {
		t.Error("changed without the option")
	}
	w.importOne(t, row, identity.ImportUpdated, true)
	user := w.user("4711")
	if user.Username != "alicia" || user.Groups[0] != "buyers" || user.Profile.Name != "Alice Li" || user.Profile.Nickname != "Al" {
		t.Errorf("got %+v", user)
	}
	w.importOne(t, row, identity.ImportUnchanged)
}

// TestImportUser_CompletesAfterACrash stops the import after each write, and repeats it.
func TestImportUser_CompletesAfterACrash(t *testing.T) {
	canonical, err := fullImport().Canonical()
	if err != nil {
		t.Fatal(err)
	}
	options := identity.ImportOptions{Actor: identity.Operator("root")}
	for crash := range 8 {
		w := newStoreHarness(t)
		w.failWrite(crash)
		_, failed := w.ImportUser(t.Context(), directory, canonical, options)
		w.failWrite(-1)
		if _, err := w.ImportUser(t.Context(), directory, canonical, options); err != nil {
			t.Fatalf("after %d writes (%v): %v", crash, failed, err)
		}
		if got, err := w.ImportUser(t.Context(), directory, canonical, options); err != nil || got != identity.ImportUnchanged {
			t.Errorf("after %d writes: %d, %v", crash, got, err)
		}
		if user, err := w.Named(t.Context(), directory, "alice"); err != nil || user.Record.ID != "4711" || user.Record.Groups[0] != "staff" {
			t.Errorf("after %d writes: %v", crash, err)
		}
	}
}

func TestImport_SubIsNoWeChatID(t *testing.T) {
	for name, row := range map[string]identity.Import{
		"the OpenID of the row":  {Sub: "abc", WeChat: []identity.WeChatIdentity{{AppID: "wxsim1", OpenID: "abc"}}},
		"a part of the row's ID": {Sub: "wx-abc", WeChat: []identity.WeChatIdentity{{OpenPlatform: "p", UnionID: "abc"}}},
		"an OpenID by its form":  {Sub: "oGZUI0egBJY1zhBYw2KhdUfwVJJE"},
	} {
		_, err := row.Canonical()
		if refused, ok := errors.AsType[*identity.InvalidError](err); !ok || refused.Reason != identity.InvalidSubOfWeChat {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, row := range map[string]identity.Import{
		"a sub with a space": {Sub: "a b"}, "a sub like a flag": {Sub: "-a"}, "nothing that identifies": {Profile: storage.Profile{Name: "Alice"}},
		"an OpenID without AppID": {WeChat: []identity.WeChatIdentity{{OpenID: "o1"}}}, "a username": {Username: "a b"},
		"both kinds in one": {WeChat: []identity.WeChatIdentity{{AppID: "a", OpenID: "o", OpenPlatform: "p", UnionID: "u"}}},
	} {
		if _, err := row.Canonical(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
