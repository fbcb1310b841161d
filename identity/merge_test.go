package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// mergePair is an older and a younger user with a WeChat login, a number and a nickname each; the younger has a password.
type mergePair struct {
	older, younger         string
	olderLogin, youngLogin identity.Login
}

func (h *storeHarness) addMergePair() mergePair {
	h.t.Helper()
	p := mergePair{olderLogin: login("wxsim1", "o1", ""), youngLogin: login("wxsim2", "o2", "u1")}
	p.older = h.sub(p.olderLogin)
	h.clock.Advance(time.Hour)
	p.younger = h.account("alice", password)
	if err := h.attach(p.youngLogin, p.younger); err != nil {
		h.t.Fatal(err)
	}
	if err := h.link(p.younger, number); err != nil {
		h.t.Fatal(err)
	}
	for user, raw := range map[string]string{
		p.older: `{"nickname":"older"}`, p.younger: `{"nickname":"younger","locale":"zh-CN"}`,
	} {
		if _, err := h.UpdateProfile(h.t.Context(), directory, user, profileUpdate(h.t, raw), identity.System); err != nil {
			h.t.Fatal(err)
		}
	}
	return p
}

func (h *storeHarness) merge(one, other string) (*identity.Merged, error) {
	h.t.Helper()
	return h.Merge(h.t.Context(), directory, one, other, identity.Operator("ann"))
}

// wantMerged asserts that the pair is one user.
func (h *storeHarness) wantMerged(p mergePair) {
	h.t.Helper()
	if h.sub(p.olderLogin) != p.older || h.sub(p.youngLogin) != p.older {
		h.t.Error("not both logins lead to the older user")
	}
	if got, err := h.verify("alice", password); got != p.older || err != nil {
		h.t.Errorf("the password signs in %q, %v", got, err)
	}
	survivor, alias := h.user(p.older), h.user(p.younger)
	if alias.Status != storage.UserAlias || alias.AliasOf != p.older || !slices.Equal(survivor.Aliases, []string{p.younger}) {
		h.t.Errorf("alias %+v of %+v", alias, survivor)
	}
	if survivor.Phone != number || survivor.Profile.Nickname != "older" || survivor.Profile.Locale != "zh-CN" {
		h.t.Errorf("the survivor is %+v", survivor)
	}
	if user, err := h.User(h.t.Context(), directory, p.younger); err != nil || user.Record.ID != p.older {
		h.t.Errorf("the younger ID resolves to %v, %v", user, err)
	}
	h.wantConsistent()
}

// wantSeparate asserts that the pair is two users, each as it was.
func (h *storeHarness) wantSeparate(p mergePair) {
	h.t.Helper()
	if h.sub(p.olderLogin) != p.older || h.sub(p.youngLogin) != p.younger {
		h.t.Error("a login leads to the wrong user")
	}
	if got, err := h.verify("alice", password); got != p.younger || err != nil {
		h.t.Errorf("the password signs in %q, %v", got, err)
	}
	older, younger := h.user(p.older), h.user(p.younger)
	if older.Phone != "" || older.Username != "" || older.Password != "" || older.Profile != (storage.Profile{Nickname: "older"}) ||
		len(older.Aliases) != 0 {
		h.t.Errorf("the older user is %+v", older)
	}
	if younger.Phone != number || younger.Profile != (storage.Profile{Nickname: "younger", Locale: "zh-CN"}) {
		h.t.Errorf("the younger user is %+v", younger)
	}
	for _, link := range h.links() {
		if len(link.MergedFrom) != 0 {
			h.t.Error("a link still remembers the merge")
		}
	}
	h.wantConsistent()
}

func TestMerge_OlderSubSurvivesAndOtherResolves(t *testing.T) {
	for _, reversed := range []bool{false, true} {
		h := newStoreHarness(t)
		p := h.addMergePair()
		one, other := p.older, p.younger
		if reversed {
			one, other = other, one
		}
		got, err := h.merge(one, other)
		if err != nil || got.Survivor != p.older || got.Alias != p.younger {
			t.Fatalf("got %+v, %v", got, err)
		}
		h.wantMerged(p)
		if reads, writes := h.counted(func() { h.sub(p.youngLogin) }); reads != 2 || writes != 0 {
			t.Errorf("a login after the merge causes %d reads and %d writes, want 2 and 0", reads, writes)
		}
	}
}

func TestMerge_EndsGrantsOfAliasOnly(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	older, younger := h.user(p.older), h.user(p.younger)
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if !grantEnded(younger, h.user(p.younger), "c") || grantEnded(older, h.user(p.older), "c") {
		t.Error("the wrong grants ended")
	}
	during := h.user(p.older)
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if !grantEnded(younger, h.user(p.younger), "c") || !grantEnded(during, h.user(p.older), "c") {
		t.Error("undoing restored a grant, or left one of the other user")
	}
}

func TestMerge_ClosesCandidate(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	p.olderLogin.OpenPlatform, p.olderLogin.UnionID = "op", "u1"
	candidate := h.resolve(p.olderLogin).Candidate
	got, err := h.AcceptCandidate(t.Context(), directory, candidate, "", identity.Operator("ann"))
	if err != nil || got.Survivor != p.older {
		t.Fatalf("got %+v, %v", got, err)
	}
	h.wantMerged(p)
	if state := h.candidates()[0].State; state != identity.CandidateMerged {
		t.Errorf("the candidate is %s", state)
	}
	_, err = h.AcceptCandidate(t.Context(), directory, "nothing", "", identity.Operator("ann"))
	wantError(t, err, identity.ErrUnknownMerge)
	wantError(t, h.DismissCandidate(t.Context(), directory, "nothing", identity.Operator("ann")), identity.ErrUnknownMerge)
}

func TestMerge_AndUndoAreRecorded(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("bob")); err != nil {
			t.Fatal(err)
		}
	}
	actors := map[string]string{}
	for _, entry := range h.audit() {
		actors[entry.Action] = entry.Actor
		for name, value := range entry.Details {
			if value == number || value == "alice" || value == "younger" {
				t.Errorf("detail %s quotes personal data", name)
			}
		}
	}
	if actors[identity.ActionMerge] != "operator:ann" || actors[identity.ActionUnmerge] != "operator:bob" {
		t.Errorf("got %v", actors)
	}
	h.wantSeparate(p)
}

func TestMerge_RepeatsAndUndoes(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	for range 3 {
		first, err := h.merge(p.older, p.younger)
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.merge(p.younger, p.older)
		if err != nil || *again != *first {
			t.Fatalf("the repetition got %+v, %v", again, err)
		}
		h.wantMerged(p)
		if err := h.Unmerge(t.Context(), directory, first.Audit, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
		h.wantSeparate(p)
	}
}

func TestMerge_RejectsInvalidUsers(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	disabled, deleted := h.account("disabled", ""), h.account("deleted", "")
	if err := h.Disable(t.Context(), directory, disabled, identity.System); err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(t.Context(), directory, deleted, identity.System); err != nil {
		t.Fatal(err)
	}
	for other, want := range map[string]error{
		p.older: identity.ErrSameUser, disabled: identity.ErrUserDisabled, deleted: identity.ErrUnknownUser, "nobody": identity.ErrUnknownUser,
	} {
		_, err := h.merge(p.older, other)
		wantError(t, err, want)
	}
	wantError(t, h.Unmerge(t.Context(), directory, "nothing", identity.Operator("ann")), identity.ErrUnknownMerge)
}

func TestMerge_AliasOfFirstLoginIsSameUser(t *testing.T) {
	h := newStoreHarness(t)
	a := h.sub(login("wxsim1", "o1", ""))
	h.insertLink(storage.Identity{
		Directory: directory, Type: storage.IdentityUnionID, Namespace: "op", Value: "u1", User: "unwritten",
	})
	h.sub(login("wxsim1", "o1", "u1"))
	_, err := h.merge(a, "unwritten")
	wantError(t, err, identity.ErrSameUser)
}

func TestUndoMerge_OfChainGoesInReverse(t *testing.T) {
	h := newStoreHarness(t)
	oldest := h.sub(login("wxsim3", "o3", ""))
	h.clock.Advance(time.Hour)
	p := h.addMergePair()
	first, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.merge(p.younger, oldest)
	if err != nil || second.Survivor != oldest || second.Alias != p.older {
		t.Fatalf("got %+v, %v", second, err)
	}
	for _, l := range []identity.Login{p.olderLogin, p.youngLogin} {
		if h.sub(l) != oldest {
			t.Error("a login does not lead to the oldest user")
		}
	}
	wantError(t, h.Unmerge(t.Context(), directory, first.Audit, identity.Operator("ann")), identity.ErrMergedFurther)
	for _, merged := range []*identity.Merged{second, first} {
		if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	h.wantSeparate(p)
}

func TestUndoMerge_LeavesReassignedIdentifiers(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.link(p.older, number2); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(time.Hour)
	other := h.account("other", "")
	if err := h.link(other, number); err != nil {
		t.Fatal(err)
	}
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if h.user(p.older).Phone != number2 || h.user(p.younger).Phone != "" || h.user(other).Phone != number {
		t.Error("the undoing removed a number of another user")
	}
	h.wantConsistent()
}

func TestUndoMerge_RestoresUnusedUsername(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetUsername(t.Context(), directory, p.older, "bob", identity.Self(p.older)); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(time.Hour)
	_, err = h.verify("alice", password)
	wantError(t, err, identity.ErrWrongPassword)
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"alice": p.younger, "bob": p.older} {
		if got, err := h.verify(name, password); got != want || err != nil {
			t.Errorf("%s signs in %q, %v", name, got, err)
		}
	}
	h.wantConsistent()
}

// mergeInterrupted merges the pair, and stops after the write that turns the younger user into an alias.
func (h *storeHarness) mergeInterrupted(p mergePair) {
	h.t.Helper()
	interruptions()["the process crashes before its write"](h, 3)
	_, err := h.merge(p.older, p.younger)
	wantError(h.t, err, storage.ErrUnavailable)
	h.removeHooks()
	if h.user(p.younger).Status != storage.UserAlias || len(h.user(p.older).Aliases) != 0 {
		h.t.Fatal("it stopped elsewhere")
	}
}

func TestMerge_UnfinishedPreservesSurvivorsChanges(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	h.mergeInterrupted(p)
	if err := h.link(p.older, number); err != nil {
		t.Fatalf("the survivor cannot prove the number: %v", err)
	}
	if _, err := h.UpdateProfile(t.Context(), directory, p.older, profileUpdate(t, `{"locale":"en"}`), identity.System); err != nil {
		t.Fatal(err)
	}
	merged, err := h.merge(p.older, p.younger)
	if err != nil || h.user(p.older).Profile.Locale != "en" {
		t.Fatalf("got %+v, %v, %+v", merged, err, h.user(p.older).Profile)
	}
	h.wantDirectLinks()
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if h.user(p.older).Profile.Locale != "en" || h.user(p.younger).Phone != number || h.user(p.older).Phone != "" {
		t.Errorf("apart they are %+v and %+v", h.user(p.older), h.user(p.younger))
	}
	h.wantConsistent()
}

func TestDelete_ByAliasOfUnfinishedMerge(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	h.mergeInterrupted(p)
	if err := h.Delete(t.Context(), directory, p.younger, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	for _, user := range h.users() {
		if user.Status != storage.UserDeleted || user.Phone != "" || user.Password != "" {
			t.Errorf("got %+v", user)
		}
	}
}

func TestMerge_LaterChangeOfAliasIsNotMoved(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	interruptions()["the process crashes before its write"](h, 2)
	_, err := h.merge(p.older, p.younger)
	wantError(t, err, storage.ErrUnavailable)
	h.removeHooks()
	if _, err := h.UpdateProfile(t.Context(), directory, p.younger, profileUpdate(t, `{"gender":"female"}`), identity.System); err != nil {
		t.Fatal(err)
	}
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if h.user(p.older).Profile.Gender != "" || h.user(p.younger).Profile.Gender != "female" {
		t.Error("the undoing left a member with the wrong user")
	}
}

func TestUndoMerge_RestoresLinkMovedByLogin(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	h.mergeInterrupted(p)
	rebound := p.youngLogin
	rebound.OpenPlatform = "another op"
	if h.sub(rebound) != p.older {
		t.Error("the login does not lead to the survivor")
	}
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if h.sub(p.youngLogin) != p.younger || h.sub(p.olderLogin) != p.older {
		t.Error("a login leads to the wrong user")
	}
}

func TestUndoMerge_ConcurrentLoginHasNoLink(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	rebound := p.youngLogin
	rebound.OpenPlatform = "another op"
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() && operation.Kind == storage.KindUser {
			h.removeHooks()
			h.sub(rebound)
		}
		return nil
	}
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if h.sub(p.youngLogin) != p.younger || h.sub(p.olderLogin) != p.older {
		t.Error("a login leads to the wrong user")
	}
}

func TestMerge_SurvivorDeletedMeanwhileDeletesAlias(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	writes := 0
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() {
			writes++
		}
		if writes == 3 {
			h.removeHooks()
			if err := h.Delete(t.Context(), directory, p.older, identity.Operator("bob")); err != nil {
				t.Fatal(err)
			}
		}
		return nil
	}
	_, err := h.merge(p.older, p.younger)
	wantError(t, err, identity.ErrUnknownUser)
	for _, user := range h.users() {
		if user.Status != storage.UserDeleted || user.Phone != "" || user.Password != "" {
			t.Errorf("got %+v", user)
		}
	}
	h.clock.Advance(time.Hour)
	if len(h.links()) != 0 {
		t.Error("links are left")
	}
}

func TestMerge_PreservesSurvivorsIdentifiers(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	if _, err := h.SetUsername(t.Context(), directory, p.older, "bob", identity.System); err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetPassword(t.Context(), directory, p.older, "older's password", identity.System); err != nil {
		t.Fatal(err)
	}
	if err := h.link(p.older, number2); err != nil {
		t.Fatal(err)
	}
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.user(p.older); got.Username != "bob" || got.Phone != number2 {
		t.Errorf("got %+v", got)
	}
	if got, err := h.verify("bob", "older's password"); got != p.older || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, secret := range []string{password, "older's password"} {
		_, err := h.verify("alice", secret)
		wantError(t, err, identity.ErrWrongPassword)
	}
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if got, err := h.verify("alice", password); got != p.younger || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	h.wantConsistent()
}

func TestDelete_SurvivorDeletesAliases(t *testing.T) {
	h := newStoreHarness(t)
	p := h.addMergePair()
	merged, err := h.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(t.Context(), directory, p.younger, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	for _, user := range h.users() {
		if user.Status != storage.UserDeleted || user.Phone != "" || user.Username != "" || user.Profile != (storage.Profile{}) {
			t.Errorf("got %+v", user)
		}
	}
	h.clock.Advance(time.Hour)
	if len(h.links()) != 0 {
		t.Error("links are left")
	}
	wantError(t, h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")), identity.ErrUnknownUser)
}

func TestMerge_InterruptedIsCompletedByRepeat(t *testing.T) {
	for _, undone := range []bool{false, true} {
		var p mergePair
		writes := interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
			func(h *storeHarness) { p = h.addMergePair() },
			func(h *storeHarness) error {
				_, err := h.merge(p.older, p.younger)
				return err
			},
			func(h *storeHarness, _ int) {
				if one := h.sub(p.olderLogin) == h.sub(p.youngLogin); one != (h.user(p.younger).Status == storage.UserAlias) {
					t.Error("the logins and the alias disagree")
				}
				h.wantConsistent()
				merged, err := h.merge(p.older, p.younger)
				if err != nil {
					t.Fatal(err)
				}
				h.wantMerged(p)
				if !undone {
					return
				}
				if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
					t.Fatal(err)
				}
				h.wantSeparate(p)
			})
		if writes < 6 {
			t.Errorf("it was stopped around %d writes only", writes)
		}
	}
}

func TestUndoMerge_InterruptedIsCompletedByRepeat(t *testing.T) {
	var p mergePair
	var audit string
	undo := func(h *storeHarness) error { return h.Unmerge(t.Context(), directory, audit, identity.Operator("ann")) }
	interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
		func(h *storeHarness) {
			p = h.addMergePair()
			merged, err := h.merge(p.older, p.younger)
			if err != nil {
				t.Fatal(err)
			}
			audit = merged.Audit
		}, undo,
		func(h *storeHarness, _ int) {
			if one := h.sub(p.olderLogin) == h.sub(p.youngLogin); one != (h.user(p.younger).Status == storage.UserAlias) {
				t.Error("the logins and the alias disagree")
			}
			h.wantConsistent()
			if err := undo(h); err != nil {
				t.Fatal(err)
			}
			h.wantSeparate(p)
		})
}

func TestUndoMerge_WorksForUnfinishedMerge(t *testing.T) {
	var p mergePair
	interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
		func(h *storeHarness) { p = h.addMergePair() },
		func(h *storeHarness) error {
			_, err := h.merge(p.older, p.younger)
			return err
		},
		func(h *storeHarness, _ int) {
			for _, entry := range h.audit() {
				if entry.Action != identity.ActionMerge {
					continue
				}
				if err := h.Unmerge(t.Context(), directory, entry.ID, identity.Operator("ann")); err != nil {
					t.Fatal(err)
				}
			}
			h.wantSeparate(p)
		})
}

func TestMerge_ConcurrentLoginIsOneOfBothUsers(t *testing.T) {
	for seed := range uint64(2 * rounds) {
		h := newStoreHarness(t)
		p := h.addMergePair()
		tasks := []func(context.Context){func(ctx context.Context) {
			if _, err := h.Merge(ctx, directory, p.older, p.younger, identity.Operator("ann")); err != nil {
				t.Errorf("merge: %v", err)
			}
		}}
		for i := range 6 {
			l := []identity.Login{p.olderLogin, p.youngLogin, login("wxsim1", "o9", "u1")}[i%3]
			tasks = append(tasks, func(ctx context.Context) {
				got, err := h.Resolve(ctx, l, true)
				if err != nil || got.User.Record.ID != p.older && got.User.Record.ID != p.younger {
					t.Errorf("login: %+v, %v", got, err)
				}
			})
		}
		h.interleave(seeded(seed), 0, tasks...)
		h.wantMerged(p)
		if h.sub(login("wxsim1", "o9", "u1")) != p.older {
			t.Error("a link that was created meanwhile does not lead to the survivor")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestMerge_ConcurrentMergesCreateNoCircle(t *testing.T) {
	for seed := range uint64(2 * rounds) {
		h := newStoreHarness(t)
		var subs []string
		for i := range 4 {
			subs = append(subs, h.sub(login("wxsim1", fmt.Sprint(i), "")))
			h.clock.Advance(time.Duration(i%2) * time.Hour)
		}
		merge := func(one, other int) func(context.Context) {
			return func(ctx context.Context) {
				_, err := h.Merge(ctx, directory, subs[one], subs[other], identity.Operator("ann"))
				if err != nil && !errors.Is(err, identity.ErrSameUser) {
					t.Errorf("merge: %v", err)
				}
			}
		}
		h.interleave(seeded(seed), 0, merge(0, 1), merge(1, 2), merge(2, 3), merge(3, 0), merge(1, 3), merge(2, 0))
		if active := h.active(); len(active) != 1 {
			t.Errorf("%d active users, want 1", len(active))
		}
		h.wantConsistent()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
