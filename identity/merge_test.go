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

// pair is an older and a younger user with a WeChat login, a number and a nickname each; the younger has a password.
type pair struct {
	older, younger         string
	olderLogin, youngLogin identity.Login
}

func (w *world) pair() pair {
	w.t.Helper()
	p := pair{olderLogin: login("wxsim1", "o1", ""), youngLogin: login("wxsim2", "o2", "u1")}
	p.older = w.sub(p.olderLogin)
	w.clock.advance(time.Hour)
	p.younger = w.account("alice", password)
	if err := w.attach(p.youngLogin, p.younger); err != nil {
		w.t.Fatal(err)
	}
	if err := w.link(p.younger, number); err != nil {
		w.t.Fatal(err)
	}
	for user, raw := range map[string]string{
		p.older: `{"nickname":"older"}`, p.younger: `{"nickname":"younger","locale":"zh-CN"}`,
	} {
		if _, err := w.UpdateProfile(w.t.Context(), directory, user, profileUpdate(w.t, raw), identity.System); err != nil {
			w.t.Fatal(err)
		}
	}
	return p
}

func (w *world) merge(one, other string) (*identity.Merged, error) {
	w.t.Helper()
	return w.Merge(w.t.Context(), directory, one, other, identity.Operator("ann"))
}

// merged asserts that the pair is one user.
func (w *world) merged(p pair) {
	w.t.Helper()
	if w.sub(p.olderLogin) != p.older || w.sub(p.youngLogin) != p.older {
		w.t.Error("not both logins lead to the older user")
	}
	if got, err := w.verify("alice", password); got != p.older || err != nil {
		w.t.Errorf("the password signs in %q, %v", got, err)
	}
	survivor, alias := w.user(p.older), w.user(p.younger)
	if alias.Status != storage.UserAlias || alias.AliasOf != p.older || !slices.Equal(survivor.Aliases, []string{p.younger}) {
		w.t.Errorf("alias %+v of %+v", alias, survivor)
	}
	if survivor.Phone != number || survivor.Profile.Nickname != "older" || survivor.Profile.Locale != "zh-CN" {
		w.t.Errorf("the survivor is %+v", survivor)
	}
	if user, err := w.User(w.t.Context(), directory, p.younger); err != nil || user.Record.ID != p.older {
		w.t.Errorf("the younger ID resolves to %v, %v", user, err)
	}
	w.healthy()
}

// apart asserts that the pair is two users, each as it was.
func (w *world) apart(p pair) {
	w.t.Helper()
	if w.sub(p.olderLogin) != p.older || w.sub(p.youngLogin) != p.younger {
		w.t.Error("a login leads to the wrong user")
	}
	if got, err := w.verify("alice", password); got != p.younger || err != nil {
		w.t.Errorf("the password signs in %q, %v", got, err)
	}
	older, younger := w.user(p.older), w.user(p.younger)
	if older.Phone != "" || older.Username != "" || older.Password != "" || older.Profile != (storage.Profile{Nickname: "older"}) ||
		len(older.Aliases) != 0 {
		w.t.Errorf("the older user is %+v", older)
	}
	if younger.Phone != number || younger.Profile != (storage.Profile{Nickname: "younger", Locale: "zh-CN"}) {
		w.t.Errorf("the younger user is %+v", younger)
	}
	for _, link := range w.links() {
		if len(link.MergedFrom) != 0 {
			w.t.Error("a link still remembers the merge")
		}
	}
	w.healthy()
}

func TestTheOlderSubSurvivesAMergeAndTheOtherStillResolves(t *testing.T) {
	for _, reversed := range []bool{false, true} {
		w := newWorld(t)
		p := w.pair()
		one, other := p.older, p.younger
		if reversed {
			one, other = other, one
		}
		got, err := w.merge(one, other)
		if err != nil || got.Survivor != p.older || got.Alias != p.younger {
			t.Fatalf("got %+v, %v", got, err)
		}
		w.merged(p)
		if reads, writes := w.counted(func() { w.sub(p.youngLogin) }); reads != 2 || writes != 0 {
			t.Errorf("a login after the merge makes %d reads and %d writes, want 2 and 0", reads, writes)
		}
	}
}

func TestAMergeEndsTheAliasesGrantsAndNotTheSurvivors(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	older, younger := w.user(p.older), w.user(p.younger)
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if !dead(younger, w.user(p.younger), "c") || dead(older, w.user(p.older), "c") {
		t.Error("the wrong grants ended")
	}
	during := w.user(p.older)
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if !dead(younger, w.user(p.younger), "c") || !dead(during, w.user(p.older), "c") {
		t.Error("undoing revived a grant, or left one that the other may have made")
	}
}

func TestAMergeCandidateIsMergedAndClosed(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	p.olderLogin.OpenPlatform, p.olderLogin.UnionID = "op", "u1"
	candidate := w.resolve(p.olderLogin).Candidate
	got, err := w.AcceptCandidate(t.Context(), directory, candidate, identity.Operator("ann"))
	if err != nil || got.Survivor != p.older {
		t.Fatalf("got %+v, %v", got, err)
	}
	w.merged(p)
	if state := w.candidates()[0].State; state != identity.CandidateMerged {
		t.Errorf("the candidate is %s", state)
	}
	_, err = w.AcceptCandidate(t.Context(), directory, "nothing", identity.Operator("ann"))
	wantError(t, err, identity.ErrUnknownMerge)
	wantError(t, w.DismissCandidate(t.Context(), directory, "nothing", identity.Operator("ann")), identity.ErrUnknownMerge)
}

func TestAMergeAndItsUndoingAreRecorded(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("bob")); err != nil {
			t.Fatal(err)
		}
	}
	actors := map[string]string{}
	for _, entry := range w.audit() {
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
	w.apart(p)
}

func TestAMergeRepeatedAndUndoneAndRepeated(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	for range 3 {
		first, err := w.merge(p.older, p.younger)
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.merge(p.younger, p.older)
		if err != nil || *again != *first {
			t.Fatalf("the repetition got %+v, %v", again, err)
		}
		w.merged(p)
		if err := w.Unmerge(t.Context(), directory, first.Audit, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
		w.apart(p)
	}
}

func TestWhoCannotBeMerged(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	disabled, deleted := w.account("disabled", ""), w.account("deleted", "")
	if err := w.Disable(t.Context(), directory, disabled, identity.System); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), directory, deleted, identity.System); err != nil {
		t.Fatal(err)
	}
	for other, want := range map[string]error{
		p.older: identity.ErrSameUser, disabled: identity.ErrUserDisabled, deleted: identity.ErrUnknownUser, "nobody": identity.ErrUnknownUser,
	} {
		_, err := w.merge(p.older, other)
		wantError(t, err, want)
	}
	wantError(t, w.Unmerge(t.Context(), directory, "nothing", identity.Operator("ann")), identity.ErrUnknownMerge)
}

func TestAnAliasOfAFirstLoginIsTheSameUserAndNoMerge(t *testing.T) {
	w := newWorld(t)
	a := w.sub(login("wxsim1", "o1", ""))
	w.insertLink(storage.Identity{
		Directory: directory, Type: storage.IdentityUnionID, Namespace: "op", Value: "u1", User: "unwritten",
	})
	w.sub(login("wxsim1", "o1", "u1"))
	_, err := w.merge(a, "unwritten")
	wantError(t, err, identity.ErrSameUser)
}

func TestASurvivorThatWasMergedFurtherIsUndoneInReverse(t *testing.T) {
	w := newWorld(t)
	oldest := w.sub(login("wxsim3", "o3", ""))
	w.clock.advance(time.Hour)
	p := w.pair()
	first, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.merge(p.younger, oldest)
	if err != nil || second.Survivor != oldest || second.Alias != p.older {
		t.Fatalf("got %+v, %v", second, err)
	}
	for _, l := range []identity.Login{p.olderLogin, p.youngLogin} {
		if w.sub(l) != oldest {
			t.Error("a login does not lead to the oldest user")
		}
	}
	wantError(t, w.Unmerge(t.Context(), directory, first.Audit, identity.Operator("ann")), identity.ErrMergedFurther)
	for _, merged := range []*identity.Merged{second, first} {
		if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
			t.Fatal(err)
		}
	}
	w.apart(p)
}

func TestUndoingLeavesWhatHasBecomeSomebodyElses(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.link(p.older, number2); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	other := w.account("other", "")
	if err := w.link(other, number); err != nil {
		t.Fatal(err)
	}
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if w.user(p.older).Phone != number2 || w.user(p.younger).Phone != "" || w.user(other).Phone != number {
		t.Error("the undoing took a number away from whom it belongs to")
	}
	w.healthy()
}

func TestUndoingGivesBackANameThatTheSurvivorNoLongerUses(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.SetUsername(t.Context(), directory, p.older, "bob", identity.Self(p.older)); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	_, err = w.verify("alice", password)
	wantError(t, err, identity.ErrWrongPassword)
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"alice": p.younger, "bob": p.older} {
		if got, err := w.verify(name, password); got != want || err != nil {
			t.Errorf("%s signs in %q, %v", name, got, err)
		}
	}
	w.healthy()
}

// mergeStopped merges the pair, and stops after the write that turns the younger user into an alias.
func (w *world) mergeStopped(p pair) {
	w.t.Helper()
	stops()["the process dies before its write"](w, 3)
	_, err := w.merge(p.older, p.younger)
	wantError(w.t, err, storage.ErrUnavailable)
	w.unhooked()
	if w.user(p.younger).Status != storage.UserAlias || len(w.user(p.older).Aliases) != 0 {
		w.t.Fatal("it stopped elsewhere")
	}
}

func TestWhatTheSurvivorDoesWhileAMergeIsUnfinishedIsKept(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	w.mergeStopped(p)
	if err := w.link(p.older, number); err != nil {
		t.Fatalf("the survivor cannot prove the number: %v", err)
	}
	if _, err := w.UpdateProfile(t.Context(), directory, p.older, profileUpdate(t, `{"locale":"en"}`), identity.System); err != nil {
		t.Fatal(err)
	}
	merged, err := w.merge(p.older, p.younger)
	if err != nil || w.user(p.older).Profile.Locale != "en" {
		t.Fatalf("got %+v, %v, %+v", merged, err, w.user(p.older).Profile)
	}
	w.direct()
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if w.user(p.older).Profile.Locale != "en" || w.user(p.younger).Phone != number || w.user(p.older).Phone != "" {
		t.Errorf("apart they are %+v and %+v", w.user(p.older), w.user(p.younger))
	}
	w.healthy()
}

func TestDeletingByTheIDOfAnAliasReachesItWhenItsMergeIsUnfinished(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	w.mergeStopped(p)
	if err := w.Delete(t.Context(), directory, p.younger, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	for _, user := range w.users() {
		if user.Status != storage.UserDeleted || user.Phone != "" || user.Password != "" {
			t.Errorf("got %+v", user)
		}
	}
}

func TestAMemberThatTheAliasGotAfterThePlanIsNotTheSurvivors(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	stops()["the process dies before its write"](w, 2)
	_, err := w.merge(p.older, p.younger)
	wantError(t, err, storage.ErrUnavailable)
	w.unhooked()
	if _, err := w.UpdateProfile(t.Context(), directory, p.younger, profileUpdate(t, `{"gender":"female"}`), identity.System); err != nil {
		t.Fatal(err)
	}
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if w.user(p.older).Profile.Gender != "" || w.user(p.younger).Profile.Gender != "female" {
		t.Error("the undoing left a member with the wrong user")
	}
}

func TestALinkThatALoginMovedOnGoesBackWhenTheMergeIsUndone(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	w.mergeStopped(p)
	rebound := p.youngLogin
	rebound.OpenPlatform = "another op"
	if w.sub(rebound) != p.older {
		t.Error("the login does not lead to the survivor")
	}
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if w.sub(p.youngLogin) != p.younger || w.sub(p.olderLogin) != p.older {
		t.Error("a login leads to the wrong user")
	}
}

func TestALoginDuringTheUndoingOfAMergeKeepsNoLink(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	rebound := p.youngLogin
	rebound.OpenPlatform = "another op"
	w.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() && operation.Kind == storage.KindUser {
			w.unhooked()
			w.sub(rebound)
		}
		return nil
	}
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if w.sub(p.youngLogin) != p.younger || w.sub(p.olderLogin) != p.older {
		t.Error("a login leads to the wrong user")
	}
}

func TestASurvivorDeletedDuringTheMergeTakesTheAliasAlong(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	writes := 0
	w.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Write() {
			writes++
		}
		if writes == 3 {
			w.unhooked()
			if err := w.Delete(t.Context(), directory, p.older, identity.Operator("bob")); err != nil {
				t.Fatal(err)
			}
		}
		return nil
	}
	_, err := w.merge(p.older, p.younger)
	wantError(t, err, identity.ErrUnknownUser)
	for _, user := range w.users() {
		if user.Status != storage.UserDeleted || user.Phone != "" || user.Password != "" {
			t.Errorf("got %+v", user)
		}
	}
	w.clock.advance(time.Hour)
	if len(w.links()) != 0 {
		t.Error("links are left")
	}
}

func TestASurvivorsOwnNamesAndNumbersStay(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	if _, err := w.SetUsername(t.Context(), directory, p.older, "bob", identity.System); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SetPassword(t.Context(), directory, p.older, "older's password", identity.System); err != nil {
		t.Fatal(err)
	}
	if err := w.link(p.older, number2); err != nil {
		t.Fatal(err)
	}
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.user(p.older); got.Username != "bob" || got.Phone != number2 {
		t.Errorf("got %+v", got)
	}
	if got, err := w.verify("bob", "older's password"); got != p.older || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, secret := range []string{password, "older's password"} {
		_, err := w.verify("alice", secret)
		wantError(t, err, identity.ErrWrongPassword)
	}
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if got, err := w.verify("alice", password); got != p.younger || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	w.healthy()
}

func TestDeletingASurvivorDeletesWhoWasMergedIntoIt(t *testing.T) {
	w := newWorld(t)
	p := w.pair()
	merged, err := w.merge(p.older, p.younger)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), directory, p.younger, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	for _, user := range w.users() {
		if user.Status != storage.UserDeleted || user.Phone != "" || user.Username != "" || user.Profile != (storage.Profile{}) {
			t.Errorf("got %+v", user)
		}
	}
	w.clock.advance(time.Hour)
	if len(w.links()) != 0 {
		t.Error("links are left")
	}
	wantError(t, w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")), identity.ErrUnknownUser)
}

func TestAMergeStoppedAnywhereIsCompletedByItsRepetition(t *testing.T) {
	for _, undone := range []bool{false, true} {
		var p pair
		writes := stopEverywhere(func() *world { return newWorld(t) },
			func(w *world) { p = w.pair() },
			func(w *world) error {
				_, err := w.merge(p.older, p.younger)
				return err
			},
			func(w *world, _ int) {
				if one := w.sub(p.olderLogin) == w.sub(p.youngLogin); one != (w.user(p.younger).Status == storage.UserAlias) {
					t.Error("the logins and the alias disagree")
				}
				w.healthy()
				merged, err := w.merge(p.older, p.younger)
				if err != nil {
					t.Fatal(err)
				}
				w.merged(p)
				if !undone {
					return
				}
				if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
					t.Fatal(err)
				}
				w.apart(p)
			})
		if writes < 6 {
			t.Errorf("it was stopped around %d writes only", writes)
		}
	}
}

func TestAnUndoingStoppedAnywhereIsCompletedByItsRepetition(t *testing.T) {
	var p pair
	var audit string
	undo := func(w *world) error { return w.Unmerge(t.Context(), directory, audit, identity.Operator("ann")) }
	stopEverywhere(func() *world { return newWorld(t) },
		func(w *world) {
			p = w.pair()
			merged, err := w.merge(p.older, p.younger)
			if err != nil {
				t.Fatal(err)
			}
			audit = merged.Audit
		}, undo,
		func(w *world, _ int) {
			if one := w.sub(p.olderLogin) == w.sub(p.youngLogin); one != (w.user(p.younger).Status == storage.UserAlias) {
				t.Error("the logins and the alias disagree")
			}
			w.healthy()
			if err := undo(w); err != nil {
				t.Fatal(err)
			}
			w.apart(p)
		})
}

func TestAnUnfinishedMergeCanBeUndone(t *testing.T) {
	var p pair
	stopEverywhere(func() *world { return newWorld(t) },
		func(w *world) { p = w.pair() },
		func(w *world) error {
			_, err := w.merge(p.older, p.younger)
			return err
		},
		func(w *world, _ int) {
			for _, entry := range w.audit() {
				if entry.Action != identity.ActionMerge {
					continue
				}
				if err := w.Unmerge(t.Context(), directory, entry.ID, identity.Operator("ann")); err != nil {
					t.Fatal(err)
				}
			}
			w.apart(p)
		})
}

func TestLoginsDuringAMergeAreOneOfTheTwo(t *testing.T) {
	for seed := range uint64(2 * rounds) {
		w := newWorld(t)
		p := w.pair()
		tasks := []func(context.Context){func(ctx context.Context) {
			if _, err := w.Merge(ctx, directory, p.older, p.younger, identity.Operator("ann")); err != nil {
				t.Errorf("merge: %v", err)
			}
		}}
		for i := range 6 {
			l := []identity.Login{p.olderLogin, p.youngLogin, login("wxsim1", "o9", "u1")}[i%3]
			tasks = append(tasks, func(ctx context.Context) {
				got, err := w.Resolve(ctx, l, true)
				if err != nil || got.User.Record.ID != p.older && got.User.Record.ID != p.younger {
					t.Errorf("login: %+v, %v", got, err)
				}
			})
		}
		w.interleave(seeded(seed), 0, tasks...)
		w.merged(p)
		if w.sub(login("wxsim1", "o9", "u1")) != p.older {
			t.Error("a link that was made meanwhile does not lead to the survivor")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestRacingMergesMakeOneUserAndNoCircle(t *testing.T) {
	for seed := range uint64(2 * rounds) {
		w := newWorld(t)
		var subs []string
		for i := range 4 {
			subs = append(subs, w.sub(login("wxsim1", fmt.Sprint(i), "")))
			w.clock.advance(time.Duration(i%2) * time.Hour)
		}
		merge := func(one, other int) func(context.Context) {
			return func(ctx context.Context) {
				_, err := w.Merge(ctx, directory, subs[one], subs[other], identity.Operator("ann"))
				if err != nil && !errors.Is(err, identity.ErrSameUser) {
					t.Errorf("merge: %v", err)
				}
			}
		}
		w.interleave(seeded(seed), 0, merge(0, 1), merge(1, 2), merge(2, 3), merge(3, 0), merge(1, 3), merge(2, 0))
		if active := w.active(); len(active) != 1 {
			t.Errorf("%d active users, want 1", len(active))
		}
		w.healthy()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
