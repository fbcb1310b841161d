package identity_test

import (
	"context"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const (
	number  = "+8613800000001"
	number2 = "+8613800000002"
)

func (w *world) link(user, number string) error {
	w.t.Helper()
	_, err := w.ReplacePhone(w.t.Context(), directory, user, number)
	return err
}

func (w *world) attachByPhone(l identity.Login, number string, policy storage.Policy) (string, error) {
	w.t.Helper()
	got, err := w.AttachByPhone(w.t.Context(), l, number, policy, true)
	if err != nil {
		return "", err
	}
	return got.User.Record.ID, nil
}

func allow() storage.Policy { return storage.Policy{AttachByPhone: true} }

func TestAFreeNumberIsLinked(t *testing.T) {
	w := newWorld(t)
	user := w.sub(login("wxsim1", "o1", ""))
	for range 2 {
		if err := w.link(user, number); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.user(user); got.Phone != number || got.PhoneVerifiedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	w.healthy()
}

func TestANumberThatSomebodyHoldsIsNeverMoved(t *testing.T) {
	w := newWorld(t)
	holder, user := w.sub(login("wxsim1", "o1", "")), w.sub(login("wxsim1", "o2", ""))
	if err := w.link(holder, number); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantError(t, w.link(user, number), identity.ErrAccountConflict)
	}
	if w.user(user).Phone != "" || w.user(holder).Phone != number {
		t.Error("the number moved")
	}
	if candidates := w.candidates(); len(candidates) != 1 || candidates[0].Users != [2]string{user, holder} ||
		candidates[0].Reason != identity.ReasonPhone {
		t.Errorf("got %+v", candidates)
	}
	w.healthy()
}

func TestAnOperatorVouchesForANumberThatNobodyHolds(t *testing.T) {
	w := newWorld(t)
	holder, user := w.sub(login("wxsim1", "o1", "")), w.sub(login("wxsim1", "o2", ""))
	set := func(user, number string) error {
		_, err := w.SetPhone(t.Context(), directory, user, number, identity.Operator("ann"))
		return err
	}
	wantError(t, set(holder, number), nil)
	if got := w.user(holder); got.Phone != number || got.PhoneVerifiedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	wantError(t, set(user, number), identity.ErrTaken)
	wantError(t, set(user, number2), nil)
	wantInvalid(t, set(user, "13800000001"), "phone_number")
	if len(w.candidates()) != 0 {
		t.Error("an operator's mistake is not a merge candidate")
	}
	w.healthy()
}

func TestANewNumberReplacesTheFormerOneWhichIsFreeThen(t *testing.T) {
	w := newWorld(t)
	user, other := w.sub(login("wxsim1", "o1", "")), w.sub(login("wxsim1", "o2", ""))
	for _, proven := range []string{number, number2} {
		if err := w.link(user, proven); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.link(other, number); err != nil {
		t.Errorf("the former number is not free: %v", err)
	}
	w.clock.advance(time.Hour)
	if w.user(user).Phone != number2 || w.user(other).Phone != number {
		t.Error("wrong numbers")
	}
	w.healthy()
}

func TestANumberCanComeBack(t *testing.T) {
	w := newWorld(t)
	user := w.sub(login("wxsim1", "o1", ""))
	for _, proven := range []string{number, number2, number} {
		if err := w.link(user, proven); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.advance(time.Hour)
	w.healthy()
}

func TestTheNumberOfADeletedUserIsFree(t *testing.T) {
	w := newWorld(t)
	old := w.sub(login("wxsim1", "o1", ""))
	if err := w.link(old, number); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), directory, old, identity.System); err != nil {
		t.Fatal(err)
	}
	if err := w.link(w.sub(login("wxsim1", "o2", "")), number); err != nil {
		t.Errorf("link: %v", err)
	}
}

func TestAWrongNumberIsRefused(t *testing.T) {
	w := newWorld(t)
	user := w.sub(login("wxsim1", "o1", ""))
	wantInvalid(t, w.link(user, "13800000001"), "phone_number")
	_, err := w.attachByPhone(login("wxsim1", "o2", ""), "0", allow())
	wantInvalid(t, err, "phone_number")
}

func TestByPhoneAFreeNumberMakesOrCompletesAnAccount(t *testing.T) {
	w := newWorld(t)
	newcomer, err := w.attachByPhone(login("wxsim1", "o1", "u1"), number, storage.Policy{})
	if err != nil || w.user(newcomer).Phone != number || w.sub(login("wxsim1", "o1", "u1")) != newcomer {
		t.Errorf("a new person: %q, %v", newcomer, err)
	}
	known := w.sub(login("wxsim1", "o2", ""))
	if got, err := w.attachByPhone(login("wxsim1", "o2", ""), number2, storage.Policy{}); err != nil || got != known {
		t.Errorf("a known person: %q, %v", got, err)
	}
	if again, err := w.attachByPhone(login("wxsim1", "o2", ""), number2, storage.Policy{}); err != nil || again != known {
		t.Errorf("the repeat: %q, %v", again, err)
	}
	w.healthy()
}

func TestByPhoneAWeChatUserIsAttachedOnlyUnderAllConditions(t *testing.T) {
	asker := login("wxsim1", "new", "")
	for _, test := range []struct {
		name   string
		policy storage.Policy
		holder identity.Login
		change func(w *world, holder string)
		want   error
	}{
		{name: "all hold", policy: allow()},
		{name: "the policy forbids it", want: identity.ErrAccountConflict},
		{
			name: "the proof is 181 days old", policy: allow(), want: identity.ErrAccountConflict,
			change: func(w *world, _ string) { w.clock.advance(181 * 24 * time.Hour) },
		},
		{
			name: "the proof is 179 days old", policy: allow(),
			change: func(w *world, _ string) { w.clock.advance(179 * 24 * time.Hour) },
		},
		{
			name: "the proof is older than the policy says", policy: storage.Policy{AttachByPhone: true, PhoneFresh: 60},
			want:   identity.ErrAccountConflict,
			change: func(w *world, _ string) { w.clock.advance(61 * time.Second) },
		},
		{
			name: "the proof was renewed", policy: storage.Policy{AttachByPhone: true, PhoneFresh: 60},
			change: func(w *world, holder string) {
				w.clock.advance(time.Hour)
				if err := w.link(holder, number); err != nil {
					w.t.Fatal(err)
				}
			},
		},
		{
			name: "the holder has a password", policy: allow(), want: identity.ErrAccountConflict,
			change: func(w *world, holder string) {
				if _, err := w.SetPassword(w.t.Context(), directory, holder, "correct horse", identity.System); err != nil {
					w.t.Fatal(err)
				}
			},
		},
		{
			name: "the holder has an OpenID of this app", policy: allow(), want: identity.ErrAccountConflict,
			holder: login("wxsim1", "o1", ""),
		},
		{
			name: "the holder is disabled", policy: allow(), want: identity.ErrAccountConflict,
			change: func(w *world, holder string) { _ = w.Disable(w.t.Context(), directory, holder, identity.System) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if test.holder == (identity.Login{}) {
				test.holder = login("wxsim2", "o2", "")
			}
			holder := w.sub(test.holder)
			if err := w.link(holder, number); err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(w, holder)
			}
			got, err := w.attachByPhone(asker, number, test.policy)
			wantError(t, err, test.want)
			if test.want == nil {
				if got != holder || w.sub(asker) != holder || len(w.candidates()) != 0 {
					t.Error("it was not attached to the holder")
				}
				return
			}
			_, err = w.attachByPhone(asker, number, test.policy)
			wantError(t, err, test.want)
			if candidates := w.candidates(); len(candidates) != 1 || candidates[0].Users[1] != holder || candidates[0].Identity == "" {
				t.Errorf("candidates %+v", candidates)
			}
			if len(w.users()) != 1 {
				t.Error("a refused attachment made a user")
			}
		})
	}
}

func TestByPhoneAKnownWeChatUserIsNeverMovedToTheHolder(t *testing.T) {
	w := newWorld(t)
	holder, known := w.sub(login("wxsim2", "o2", "")), w.sub(login("wxsim1", "o1", ""))
	if err := w.link(holder, number); err != nil {
		t.Fatal(err)
	}
	_, err := w.attachByPhone(login("wxsim1", "o1", ""), number, allow())
	wantError(t, err, identity.ErrAccountConflict)
	if candidates := w.candidates(); len(candidates) != 1 || candidates[0].Users != [2]string{known, holder} {
		t.Errorf("candidates %+v", candidates)
	}
	if w.sub(login("wxsim1", "o1", "")) != known {
		t.Error("it moved")
	}
}

func TestAConflictOfAPersonWithoutAccountCanBeMergedOnceThereIsOne(t *testing.T) {
	w := newWorld(t)
	holder := w.sub(login("wxsim2", "o2", ""))
	if err := w.link(holder, number); err != nil {
		t.Fatal(err)
	}
	_, err := w.attachByPhone(login("wxsim1", "o1", ""), number, storage.Policy{})
	wantError(t, err, identity.ErrAccountConflict)
	candidate := w.candidates()[0].ID
	_, err = w.AcceptCandidate(t.Context(), directory, candidate, identity.Operator("ann"))
	wantError(t, err, identity.ErrUnknownUser)
	w.clock.advance(time.Minute)
	w.sub(login("wxsim1", "o1", ""))
	merged, err := w.AcceptCandidate(t.Context(), directory, candidate, identity.Operator("ann"))
	if err != nil || merged.Survivor != holder || w.sub(login("wxsim1", "o1", "")) != holder {
		t.Errorf("got %+v, %v", merged, err)
	}
	if state := w.candidates()[0].State; state != identity.CandidateMerged {
		t.Errorf("the candidate is %s", state)
	}
	if err := w.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if state := w.candidates()[0].State; state != identity.CandidateUndone {
		t.Errorf("the candidate is %s", state)
	}
	w.healthy()
}

func TestALinkThatACrashLeftBehindDoesNotHoldTheNumber(t *testing.T) {
	w := newWorld(t)
	user := w.sub(login("wxsim1", "o1", ""))
	if err := w.link(user, number); err != nil {
		t.Fatal(err)
	}
	stops()["the process dies before its write"](w, 4) // audit entry, new link, user; then the former link
	wantError(t, w.link(user, number2), storage.ErrUnavailable)
	w.unhooked()
	w.clock.advance(time.Hour)
	other := w.sub(login("wxsim1", "o2", ""))
	if err := w.link(other, number); err != nil || w.user(user).Phone != number2 {
		t.Errorf("link: %v", err)
	}
	w.healthy()
}

func TestALinkWhoseUserIsNotYetChangedHoldsTheNumber(t *testing.T) {
	w := newWorld(t)
	user, other := w.sub(login("wxsim1", "o1", "")), w.sub(login("wxsim1", "o2", ""))
	if err := w.link(user, number2); err != nil {
		t.Fatal(err)
	}
	stops()["the process dies before its write"](w, 3)
	wantError(t, w.link(user, number), storage.ErrUnavailable)
	w.unhooked()
	wantError(t, w.link(other, number), identity.ErrAccountConflict)
	_, err := w.attachByPhone(login("wxsim2", "o3", ""), number, allow())
	wantError(t, err, identity.ErrAccountConflict)
	if err := w.link(user, number); err != nil {
		t.Errorf("its owner cannot complete it: %v", err)
	}
	w.healthy()
}

func TestByPhoneStoppedAnywhereIsHealed(t *testing.T) {
	asker := login("wxsim1", "o1", "u1")
	for _, held := range []bool{false, true} {
		stopEverywhere(func() *world { return newWorld(t) },
			func(w *world) {
				if held {
					if err := w.link(w.sub(login("wxsim2", "o2", "")), number); err != nil {
						t.Fatal(err)
					}
				}
			},
			func(w *world) error {
				_, err := w.attachByPhone(asker, number, allow())
				return err
			},
			func(w *world, _ int) {
				got, err := w.attachByPhone(asker, number, allow())
				if err != nil || got != w.sub(asker) || w.user(got).Phone != number {
					t.Errorf("the repetition got %q, %v", got, err)
				}
				if len(w.active()) != 1 || len(w.candidates()) != 0 {
					t.Errorf("%d active users, %d candidates", len(w.active()), len(w.candidates()))
				}
				w.healthy()
			})
	}
}

func TestRacingProofsOfOneNumberHaveOneWinner(t *testing.T) {
	for seed := range uint64(rounds) {
		w := newWorld(t)
		results := map[string]error{}
		var tasks []func(context.Context)
		for _, openID := range []string{"o1", "o2", "o3", "o4"} {
			tasks = append(tasks, func(ctx context.Context) {
				_, results[openID] = w.AttachByPhone(ctx, login("wxsim1", openID, ""), number, storage.Policy{}, true)
			})
		}
		w.interleave(seeded(seed), 0, tasks...)
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else {
				wantError(t, err, identity.ErrAccountConflict)
			}
		}
		carriers := 0
		for _, user := range w.users() {
			if user.Phone == number {
				carriers++
			}
		}
		if won != 1 || carriers != 1 {
			t.Errorf("%d won, %d carry the number", won, carriers)
		}
		w.healthy()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestNumbersThatChangeHandsInEveryOrderHaveOneHolderEach(t *testing.T) {
	for seed := range uint64(4 * rounds) {
		w := newWorld(t)
		a, b := w.sub(login("wxsim1", "o1", "")), w.sub(login("wxsim1", "o2", ""))
		if err := w.link(a, number); err != nil {
			t.Fatal(err)
		}
		prove := func(user, number string) func(context.Context) {
			return func(ctx context.Context) { _, _ = w.ReplacePhone(ctx, directory, user, number) }
		}
		w.interleave(seeded(seed), 0.05,
			prove(a, number2), prove(a, number), prove(b, number), prove(b, number2), prove(a, number2), prove(b, number))
		w.clock.advance(time.Hour)
		carried := map[string]int{}
		for _, user := range w.active() {
			carried[user.Phone]++
		}
		if carried[number] > 1 || carried[number2] > 1 {
			t.Errorf("two users carry one number: %v", carried)
		}
		w.healthy()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestALoginByPhoneDiesWithWhatEndedMeanwhile ends the grants of a user after the login has read the user and before the number
// is linked: the login must not come back with the epoch of after.
func TestALoginByPhoneDiesWithWhatEndedMeanwhile(t *testing.T) {
	w := newWorld(t)
	l := login("wxsim1", "o1", "")
	user := w.sub(l)
	reads := 0
	w.hooks.After = func(ctx context.Context, op storagetest.Operation, err error) error {
		if !op.Write() && op.Kind == storage.KindUser {
			if reads++; reads == 1 {
				if err := w.SignOutEverywhere(context.WithoutCancel(ctx), directory, user, identity.Self(user)); err != nil {
					t.Errorf("sign out: %v", err)
				}
			}
		}
		return err
	}
	_, err := w.AttachByPhone(t.Context(), l, number, storage.Policy{}, true)
	wantError(t, err, identity.ErrChanged)
	w.hooks.After = nil
	if _, err := w.AttachByPhone(t.Context(), l, number, storage.Policy{}, true); err != nil {
		t.Errorf("again: %v", err)
	}
}
