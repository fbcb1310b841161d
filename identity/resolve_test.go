package identity_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestResolve_UnknownUserBecomesShadowUser(t *testing.T) {
	h := newStoreHarness(t)
	first := h.resolve(login("wxsim1", "o1", "u1"))
	user := first.User.Record
	if !first.Created || !user.Shadow || user.Status != storage.UserActive || len(user.ID) != 26 {
		t.Errorf("got %+v", first)
	}
	again := h.resolve(login("wxsim1", "o1", "u1"))
	if again.Created || again.User.Record.ID != user.ID {
		t.Errorf("the second login got %+v", again)
	}
	h.wantConsistent()
}

func TestResolve_RecordsTheLinksOfALoginOnce(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", "u1"))
	h.sub(login("wxsim1", "o1", "u1"))
	h.sub(login("wxsim2", "o2", "u1")) // Another mini-program of the same user.
	user := storage.Key(login("wxsim1", "o1", "").Directory, sub)
	if want := []string{user + " wechat_unionid", user + " wechat_openid", user + " wechat_openid"}; !slices.Equal(h.loginLinks, want) {
		t.Errorf("links %q", h.loginLinks)
	}
}

func TestResolve_UnknownUserUnderPolicyBindIsNotCreated(t *testing.T) {
	for _, unionID := range []string{"", "u1"} {
		h := newStoreHarness(t)
		var err error
		_, writes := h.counted(func() { _, err = h.Resolve(t.Context(), login("wxsim1", "o1", unionID), false) })
		wantError(t, err, identity.ErrUnknownUser)
		if writes != 0 {
			t.Errorf("%d writes without a user", writes)
		}
	}
}

func TestResolve_KnownUserUnderPolicyBind(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", "u1"))
	for _, known := range []identity.Login{login("wxsim1", "o1", "u1"), login("wxsim1", "o1", ""), login("wxsim2", "o2", "u1")} {
		got, err := h.Resolve(t.Context(), known, false)
		if err != nil || got.User.Record.ID != sub {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

func TestResolve_OpenIDIsScopedToApp(t *testing.T) {
	h := newStoreHarness(t)
	if h.sub(login("wxsim1", "o1", "")) == h.sub(login("wxsim2", "o1", "")) {
		t.Error("users of two apps are the same")
	}
}

func TestResolve_OpenIDIsScopedToDirectory(t *testing.T) {
	h := newStoreHarness(t)
	there := login("wxsim1", "o1", "u1")
	there.Directory = "other"
	if h.sub(login("wxsim1", "o1", "u1")) == h.sub(there) {
		t.Error("users of two directories are the same")
	}
}

func TestResolve_OneOpenPlatformAccountGivesOneSub(t *testing.T) {
	h := newStoreHarness(t)
	if h.sub(login("wxsim1", "o1", "u1")) != h.sub(login("wxsim2", "o2", "u1")) {
		t.Error("one WeChat user got two subs")
	}
	if users := h.users(); len(users) != 1 {
		t.Errorf("%d users", len(users))
	}
}

func TestResolve_TwoOpenPlatformAccountsGiveTwoSubs(t *testing.T) {
	h := newStoreHarness(t)
	other := login("wxsim2", "o2", "u1")
	other.OpenPlatform = "another op"
	if h.sub(login("wxsim1", "o1", "u1")) == h.sub(other) {
		t.Error("UnionIDs of two Open Platform accounts gave one user")
	}
}

func TestResolve_IgnoresUnionIDWithoutOpenPlatformAccount(t *testing.T) {
	h := newStoreHarness(t)
	a := identity.Login{Directory: directory, AppID: "wxsim1", OpenID: "o1", UnionID: "u1"}
	b := identity.Login{Directory: directory, AppID: "wxsim2", OpenID: "o2", UnionID: "u1"}
	if h.sub(a) == h.sub(b) {
		t.Error("a UnionID of no account linked two users")
	}
}

func TestResolve_NewUnionIDIsLinkedToOpenIDsUser(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	if late := h.resolve(login("wxsim1", "o1", "u1")); late.User.Record.ID != sub || late.Created || late.Candidate != "" {
		t.Errorf("got %+v", late)
	}
	if got := h.sub(login("wxsim2", "o2", "u1")); got != sub {
		t.Error("the UnionID that came late does not lead to the user")
	}
	h.wantConsistent()
}

func TestResolve_NewOpenIDOfKnownUnionID(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", "u1"))
	second := h.resolve(login("wxsim2", "o2", "u1"))
	if second.Created || second.User.Record.ID != sub {
		t.Errorf("got %+v", second)
	}
	if got := h.sub(login("wxsim2", "o2", "")); got != sub {
		t.Error("the new OpenID does not lead to the user directly")
	}
}

func TestResolve_ConflictSignsInOpenIDsUserAndRecordsCandidate(t *testing.T) {
	h := newStoreHarness(t)
	a := h.sub(login("wxsim1", "o1", ""))
	b := h.sub(login("wxsim2", "o2", "u1"))
	meeting := h.resolve(login("wxsim1", "o1", "u1"))
	if meeting.User.Record.ID != a {
		t.Error("the OpenID's user did not sign in")
	}
	candidates := h.candidates()
	if len(candidates) != 1 || candidates[0].Users != [2]string{a, b} || candidates[0].ID != meeting.Candidate ||
		candidates[0].State != identity.CandidateOpen || candidates[0].Reason != identity.ReasonUnionID {
		t.Fatalf("got %+v", candidates)
	}
	for range 2 {
		if again := h.resolve(login("wxsim1", "o1", "u1")); again.Candidate != "" || again.User.Record.ID != a {
			t.Errorf("got %+v", again)
		}
	}
	if h.sub(login("wxsim2", "o2", "u1")) != b || len(h.candidates()) != 1 {
		t.Error("something merged silently, or the candidate was recorded twice")
	}
	h.wantConsistent()
}

func TestResolve_DismissedCandidateIsNotRecordedAgain(t *testing.T) {
	h := newStoreHarness(t)
	h.sub(login("wxsim1", "o1", ""))
	h.sub(login("wxsim2", "o2", "u1"))
	candidate := h.resolve(login("wxsim1", "o1", "u1")).Candidate
	for range 2 {
		if err := h.DismissCandidate(t.Context(), directory, candidate, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	h.sub(login("wxsim3", "o3", ""))
	h.sub(login("wxsim1", "o1", "u1"))
	if all := h.candidates(); len(all) != 1 || all[0].State != identity.CandidateDismissed {
		t.Errorf("got %+v", all)
	}
	if actions := h.actions(); len(actions) != 1 || actions[0] != identity.ActionDismiss {
		t.Errorf("audit entries %v", actions)
	}
}

func TestResolve_UnwrittenUserOfUnionIDBecomesAlias(t *testing.T) {
	h := newStoreHarness(t)
	a := h.sub(login("wxsim1", "o1", ""))
	h.insertLink(storage.Identity{
		Directory: directory, Type: storage.IdentityUnionID, Namespace: "op", Value: "u1", User: "unwritten",
	})
	if meeting := h.resolve(login("wxsim1", "o1", "u1")); meeting.User.Record.ID != a || meeting.Candidate != "" {
		t.Errorf("got %+v", meeting)
	}
	if b := h.user("unwritten"); b.Status != storage.UserAlias || b.AliasOf != a {
		t.Errorf("got %+v", b)
	}
	if h.sub(login("wxsim2", "o2", "u1")) != a {
		t.Error("the UnionID does not lead to the user")
	}
	h.wantDirectLinks()
	h.wantConsistent()
}

// wantDirectLinks asserts that every link names a user and none an alias, so that logins need no further read.
func (h *storeHarness) wantDirectLinks() {
	h.t.Helper()
	for _, link := range h.links() {
		if h.user(link.User).Status == storage.UserAlias {
			h.t.Errorf("a link of type %s names an alias", link.Type)
		}
	}
}

func (h *storeHarness) insertLink(link storage.Identity) {
	h.t.Helper()
	link.CreatedAt = h.clock.Now()
	if _, err := storage.Insert(h.t.Context(), h.memory, link); err != nil {
		h.t.Fatal(err)
	}
}

func TestResolve_LostAliasIsMergeCandidate(t *testing.T) {
	h := newStoreHarness(t)
	a := h.sub(login("wxsim1", "o1", ""))
	h.insertLink(storage.Identity{
		Directory: directory, Type: storage.IdentityUnionID, Namespace: "op", Value: "u1", User: "unwritten",
	})
	h.hooks.Before = func(ctx context.Context, operation storagetest.Operation) error {
		if operation.Method == "Insert" && operation.Kind == storage.KindUser {
			h.removeHooks()
			if h.sub(login("wxsim2", "o2", "u1")) != "unwritten" {
				t.Error("the other login did not write the user of the link")
			}
		}
		return nil
	}
	meeting := h.resolve(login("wxsim1", "o1", "u1"))
	if meeting.User.Record.ID != a || meeting.Candidate == "" {
		t.Errorf("got %+v", meeting)
	}
	h.wantConsistent()
}

func TestResolve_WritesMissingUserOfLink(t *testing.T) {
	for _, provision := range []bool{true, false} {
		for _, typ := range []storage.IdentityType{storage.IdentityOpenID, storage.IdentityUnionID} {
			t.Run(fmt.Sprintf("%s provision=%t", typ, provision), func(t *testing.T) {
				h := newStoreHarness(t)
				link := storage.Identity{Directory: directory, Type: typ, Namespace: "op", Value: "u1", User: "begun"}
				if typ == storage.IdentityOpenID {
					link.Namespace, link.Value = "wxsim1", "o1"
				}
				h.insertLink(link)
				got, err := h.Resolve(t.Context(), login("wxsim1", "o1", "u1"), provision)
				if err != nil || got.User.Record.ID != "begun" || !got.Created {
					t.Fatalf("got %+v, %v", got, err)
				}
				h.wantConsistent()
			})
		}
	}
}

func TestResolve_LinksOfDeletedUserMoveToNewUser(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Hour} {
		h := newStoreHarness(t)
		old := h.sub(login("wxsim1", "o1", "u1"))
		h.sub(login("wxsim2", "o2", "u1"))
		if err := h.Delete(t.Context(), directory, old, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
		_, err := h.Resolve(t.Context(), login("wxsim1", "o1", "u1"), false)
		wantError(t, err, identity.ErrUnknownUser)
		h.clock.Advance(wait)
		first, second := h.resolve(login("wxsim1", "o1", "u1")), h.resolve(login("wxsim2", "o2", "u1"))
		if first.User.Record.ID == old || !first.Created || second.User.Record.ID != first.User.Record.ID || second.Created {
			t.Errorf("got %+v and %+v", first, second)
		}
		if stone := h.user(old); stone.Status != storage.UserDeleted {
			t.Errorf("the tombstone is %+v", stone)
		}
		h.clock.Advance(time.Hour)
		if h.sub(login("wxsim1", "o1", "u1")) != first.User.Record.ID {
			t.Error("a link that moved to the new user expired with the old one")
		}
		h.wantConsistent()
	}
}

func TestResolve_RejectsDisabledUserByEveryLink(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", ""))
	if err := h.Disable(t.Context(), directory, sub, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	for _, refused := range []identity.Login{login("wxsim1", "o1", ""), login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")} {
		_, err := h.Resolve(t.Context(), refused, true)
		wantError(t, err, identity.ErrUserDisabled)
	}
	if err := h.Enable(t.Context(), directory, sub, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if h.sub(login("wxsim2", "o2", "u1")) != sub {
		t.Error("a disabled user got a second user")
	}
}

func TestResolve_RejectsSnapshotUser(t *testing.T) {
	h := newStoreHarness(t)
	virtual := login("wxsim1", "o1", "u1")
	virtual.Snapshot = true
	_, err := h.Resolve(t.Context(), virtual, true)
	wantError(t, err, identity.ErrSnapshotUser)
}

func TestResolve_RejectsLoginWithoutOpenID(t *testing.T) {
	h := newStoreHarness(t)
	long := make([]byte, 129)
	for name, bad := range map[string]identity.Login{
		"no directory":   {AppID: "wxsim1", OpenID: "o1"},
		"no OpenID":      {Directory: directory, AppID: "wxsim1"},
		"no AppID":       {Directory: directory, OpenID: "o1"},
		"endless OpenID": {Directory: directory, AppID: "wxsim1", OpenID: string(long)},
	} {
		if _, err := h.Resolve(t.Context(), bad, true); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if len(h.links()) != 0 {
		t.Error("something was written")
	}
}

func TestResolve_SecondUnionIDIsLinkedToo(t *testing.T) {
	h := newStoreHarness(t)
	sub := h.sub(login("wxsim1", "o1", "u1"))
	rebound := login("wxsim1", "o1", "u9")
	rebound.OpenPlatform = "new op"
	sibling := login("wxsim2", "o2", "u9")
	sibling.OpenPlatform = "new op"
	if h.sub(rebound) != sub || h.sub(sibling) != sub || h.sub(login("wxsim3", "o3", "u1")) != sub {
		t.Error("an app that moved to another Open Platform account lost its users")
	}
}

func TestRegister_StoresProfile(t *testing.T) {
	h := newStoreHarness(t)
	nickname := " 小明 "
	got, err := h.Register(t.Context(), login("wxsim1", "o1", "u1"), identity.ProfileUpdate{Nickname: &nickname})
	if err != nil || !got.Created || got.User.Record.Profile.Nickname != "小明" {
		t.Fatalf("got %+v, %v", got, err)
	}
	other := "other"
	again, err := h.Register(t.Context(), login("wxsim1", "o1", "u1"), identity.ProfileUpdate{Nickname: &other})
	if err != nil || again.Created || again.User.Record.Profile.Nickname != "小明" {
		t.Fatalf("the repeat got %+v, %v", again, err)
	}
	picture := "http://insecure.example/"
	_, err = h.Register(t.Context(), login("wxsim1", "o9", ""), identity.ProfileUpdate{Picture: &picture})
	wantInvalid(t, err, "picture")
	if len(h.users()) != 1 {
		t.Error("a rejected registration created a user")
	}
}

func TestResolve_StaysWithinStoreBudget(t *testing.T) {
	known, late, meeting := login("wxsim1", "o1", "u1"), login("wxsim1", "o3", "u3"), login("wxsim1", "o4", "u1")
	prepare := func(h *storeHarness) {
		h.sub(known)
		h.sub(login("wxsim1", "o3", ""))
		h.sub(login("wxsim1", "o4", ""))
	}
	for _, test := range []struct {
		name          string
		login         identity.Login
		provision     bool
		reads, writes int
	}{
		{"known user: OpenID link, user", known, true, 2, 0},
		{"known user without the UnionID", login("wxsim1", "o1", ""), true, 2, 0},
		{"first login, OpenID and UnionID new", login("wxsim1", "o2", "u2"), true, 2, 3},
		{"first login without UnionID", login("wxsim1", "o2", ""), true, 1, 2},
		{"registration required", login("wxsim1", "o2", "u2"), false, 2, 0},
		{"new OpenID of a known UnionID", login("wxsim2", "o2", "u1"), true, 3, 1},
		{"UnionID that comes late", late, true, 3, 2},
		{"OpenID and UnionID of two users", meeting, true, 4, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newStoreHarness(t)
			prepare(h)
			reads, writes := h.counted(func() { _, _ = h.Resolve(t.Context(), test.login, test.provision) })
			if reads != test.reads || writes != test.writes {
				t.Errorf("%d reads and %d writes, want %d and %d", reads, writes, test.reads, test.writes)
			}
			if !test.provision {
				return
			}
			if reads, writes := h.counted(func() { h.sub(test.login) }); reads != 2 || writes != 0 {
				t.Errorf("the next login causes %d reads and %d writes, want 2 and 0", reads, writes)
			}
		})
	}
}

func TestRegister_CostsNoMoreThanFirstLogin(t *testing.T) {
	h := newStoreHarness(t)
	name := "name"
	reads, writes := h.counted(func() {
		if _, err := h.Register(t.Context(), login("wxsim1", "o1", "u1"), identity.ProfileUpdate{Name: &name}); err != nil {
			t.Fatal(err)
		}
	})
	if reads != 2 || writes != 3 {
		t.Errorf("%d reads and %d writes, want 2 and 3", reads, writes)
	}
}

func TestResolve_UnknownOutcomeIsNotALoss(t *testing.T) {
	h := newStoreHarness(t)
	inserts := 0
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() {
			inserts++
			return errDown()
		}
		return nil
	}
	_, err := h.Resolve(t.Context(), login("wxsim1", "o1", "u1"), true)
	wantError(t, err, storage.ErrUnavailable)
	if inserts != 1 {
		t.Errorf("after an unknown outcome it went on: %d writes", inserts)
	}
}

func TestResolve_EndlessConflictsAreUnavailable(t *testing.T) {
	h := newStoreHarness(t)
	h.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Write() {
			return storage.ErrExists
		}
		return err
	}
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() {
			return storage.ErrExists
		}
		return nil
	}
	_, err := h.Resolve(t.Context(), login("wxsim1", "o1", ""), true)
	wantError(t, err, storage.ErrUnavailable)
}
