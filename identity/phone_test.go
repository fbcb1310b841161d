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

func (h *storeHarness) link(user, number string) error {
	h.t.Helper()
	_, err := h.ReplacePhone(h.t.Context(), directory, user, number, "wxsim1")
	return err
}

func (h *storeHarness) attachByPhone(l identity.Login, number string, policy storage.Policy) (string, error) {
	h.t.Helper()
	got, err := h.AttachByPhone(h.t.Context(), l, number, policy, true)
	if err != nil {
		return "", err
	}
	return got.User.Record.ID, nil
}

func attachByPhonePolicy() storage.Policy { return storage.Policy{AttachByPhone: true} }

func TestLinkPhone_FreeNumber(t *testing.T) {
	h := newStoreHarness(t)
	user := h.sub(login("wxsim1", "o1", ""))
	for range 2 {
		if err := h.link(user, number); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.user(user); got.Phone != number || got.PhoneVerifiedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	h.wantConsistent()
}

func TestLinkPhone_HeldNumberIsNotMoved(t *testing.T) {
	h := newStoreHarness(t)
	holder, user := h.sub(login("wxsim1", "o1", "")), h.sub(login("wxsim1", "o2", ""))
	if err := h.link(holder, number); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantError(t, h.link(user, number), identity.ErrAccountConflict)
	}
	if h.user(user).Phone != "" || h.user(holder).Phone != number {
		t.Error("the number moved")
	}
	if candidates := h.candidates(); len(candidates) != 1 || candidates[0].Users != [2]string{user, holder} ||
		candidates[0].Reason != identity.ReasonPhone {
		t.Errorf("got %+v", candidates)
	}
	h.wantConsistent()
}

func TestSetPhone_OperatorConfirmsFreeNumber(t *testing.T) {
	h := newStoreHarness(t)
	holder, user := h.sub(login("wxsim1", "o1", "")), h.sub(login("wxsim1", "o2", ""))
	set := func(user, number string) error {
		_, err := h.SetPhone(t.Context(), directory, user, number, identity.Operator("ann"))
		return err
	}
	wantError(t, set(holder, number), nil)
	if got := h.user(holder); got.Phone != number || got.PhoneVerifiedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	wantError(t, set(user, number), identity.ErrTaken)
	wantError(t, set(user, number2), nil)
	wantInvalid(t, set(user, "13800000001"), "phone_number")
	if len(h.candidates()) != 0 {
		t.Error("an operator's mistake is not a merge candidate")
	}
	h.wantConsistent()
}

func TestLinkPhone_ReplacesAndFreesFormerNumber(t *testing.T) {
	h := newStoreHarness(t)
	user, other := h.sub(login("wxsim1", "o1", "")), h.sub(login("wxsim1", "o2", ""))
	for _, proven := range []string{number, number2} {
		if err := h.link(user, proven); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.link(other, number); err != nil {
		t.Errorf("the former number is not free: %v", err)
	}
	h.clock.Advance(time.Hour)
	if h.user(user).Phone != number2 || h.user(other).Phone != number {
		t.Error("wrong numbers")
	}
	h.wantConsistent()
}

func TestLinkPhone_FormerNumberCanReturn(t *testing.T) {
	h := newStoreHarness(t)
	user := h.sub(login("wxsim1", "o1", ""))
	for _, proven := range []string{number, number2, number} {
		if err := h.link(user, proven); err != nil {
			t.Fatal(err)
		}
	}
	h.clock.Advance(time.Hour)
	h.wantConsistent()
}

func TestLinkPhone_NumberOfDeletedUserIsFree(t *testing.T) {
	h := newStoreHarness(t)
	old := h.sub(login("wxsim1", "o1", ""))
	if err := h.link(old, number); err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(t.Context(), directory, old, identity.System); err != nil {
		t.Fatal(err)
	}
	if err := h.link(h.sub(login("wxsim1", "o2", "")), number); err != nil {
		t.Errorf("link: %v", err)
	}
}

func TestLinkPhone_RejectsInvalidNumber(t *testing.T) {
	h := newStoreHarness(t)
	user := h.sub(login("wxsim1", "o1", ""))
	wantInvalid(t, h.link(user, "13800000001"), "phone_number")
	_, err := h.attachByPhone(login("wxsim1", "o2", ""), "0", attachByPhonePolicy())
	wantInvalid(t, err, "phone_number")
}

func TestAttachByPhone_FreeNumberCreatesOrCompletesAccount(t *testing.T) {
	h := newStoreHarness(t)
	created, err := h.attachByPhone(login("wxsim1", "o1", "u1"), number, storage.Policy{})
	if err != nil || h.user(created).Phone != number || h.sub(login("wxsim1", "o1", "u1")) != created {
		t.Errorf("a new user: %q, %v", created, err)
	}
	known := h.sub(login("wxsim1", "o2", ""))
	if got, err := h.attachByPhone(login("wxsim1", "o2", ""), number2, storage.Policy{}); err != nil || got != known {
		t.Errorf("a known user: %q, %v", got, err)
	}
	if again, err := h.attachByPhone(login("wxsim1", "o2", ""), number2, storage.Policy{}); err != nil || again != known {
		t.Errorf("the repeat: %q, %v", again, err)
	}
	h.wantConsistent()
}

func TestAttachByPhone_RequiresAllConditions(t *testing.T) {
	asker := login("wxsim1", "new", "")
	for _, test := range []struct {
		name   string
		policy storage.Policy
		holder identity.Login
		change func(h *storeHarness, holder string)
		want   error
	}{
		{name: "all hold", policy: attachByPhonePolicy()},
		{name: "the policy forbids it", want: identity.ErrAccountConflict},
		{
			name: "the proof is 91 days old", policy: attachByPhonePolicy(), want: identity.ErrAccountConflict,
			change: func(h *storeHarness, _ string) { h.clock.Advance(91 * 24 * time.Hour) },
		},
		{
			name: "the proof is 89 days old", policy: attachByPhonePolicy(),
			change: func(h *storeHarness, _ string) { h.clock.Advance(89 * 24 * time.Hour) },
		},
		{
			name: "the proof is older than the policy says", policy: storage.Policy{AttachByPhone: true, PhoneFresh: 60},
			want:   identity.ErrAccountConflict,
			change: func(h *storeHarness, _ string) { h.clock.Advance(61 * time.Second) },
		},
		{
			name: "the proof was renewed", policy: storage.Policy{AttachByPhone: true, PhoneFresh: 60},
			change: func(h *storeHarness, holder string) {
				h.clock.Advance(time.Hour)
				if err := h.link(holder, number); err != nil {
					h.t.Fatal(err)
				}
			},
		},
		{
			name: "the holder has a password", policy: attachByPhonePolicy(), want: identity.ErrAccountConflict,
			change: func(h *storeHarness, holder string) {
				if _, err := h.SetPassword(h.t.Context(), directory, holder, "correct horse", identity.System); err != nil {
					h.t.Fatal(err)
				}
			},
		},
		{
			name: "the holder has an OpenID of this app", policy: attachByPhonePolicy(), want: identity.ErrAccountConflict,
			holder: login("wxsim1", "o1", ""),
		},
		{
			name: "the holder is disabled", policy: attachByPhonePolicy(), want: identity.ErrAccountConflict,
			change: func(h *storeHarness, holder string) { _ = h.Disable(h.t.Context(), directory, holder, identity.System) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newStoreHarness(t)
			if test.holder == (identity.Login{}) {
				test.holder = login("wxsim2", "o2", "")
			}
			holder := h.sub(test.holder)
			if err := h.link(holder, number); err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(h, holder)
			}
			got, err := h.attachByPhone(asker, number, test.policy)
			wantError(t, err, test.want)
			if test.want == nil {
				if got != holder || h.sub(asker) != holder || len(h.candidates()) != 0 {
					t.Error("it was not attached to the holder")
				}
				return
			}
			_, err = h.attachByPhone(asker, number, test.policy)
			wantError(t, err, test.want)
			if candidates := h.candidates(); len(candidates) != 1 || candidates[0].Users[1] != holder || candidates[0].Identity == "" {
				t.Errorf("candidates %+v", candidates)
			}
			if len(h.users()) != 1 {
				t.Error("a rejected attachment created a user")
			}
		})
	}
}

func TestAttachByPhone_KnownWeChatUserIsNotMoved(t *testing.T) {
	h := newStoreHarness(t)
	holder, known := h.sub(login("wxsim2", "o2", "")), h.sub(login("wxsim1", "o1", ""))
	if err := h.link(holder, number); err != nil {
		t.Fatal(err)
	}
	_, err := h.attachByPhone(login("wxsim1", "o1", ""), number, attachByPhonePolicy())
	wantError(t, err, identity.ErrAccountConflict)
	if candidates := h.candidates(); len(candidates) != 1 || candidates[0].Users != [2]string{known, holder} {
		t.Errorf("candidates %+v", candidates)
	}
	if h.sub(login("wxsim1", "o1", "")) != known {
		t.Error("it moved")
	}
}

func TestAttachByPhone_ConflictIsMergeableLater(t *testing.T) {
	h := newStoreHarness(t)
	holder := h.sub(login("wxsim2", "o2", ""))
	if err := h.link(holder, number); err != nil {
		t.Fatal(err)
	}
	_, err := h.attachByPhone(login("wxsim1", "o1", ""), number, storage.Policy{})
	wantError(t, err, identity.ErrAccountConflict)
	candidate := h.candidates()[0].ID
	_, err = h.AcceptCandidate(t.Context(), directory, candidate, "", identity.Operator("ann"))
	wantError(t, err, identity.ErrUnknownUser)
	h.clock.Advance(time.Minute)
	h.sub(login("wxsim1", "o1", ""))
	merged, err := h.AcceptCandidate(t.Context(), directory, candidate, "", identity.Operator("ann"))
	if err != nil || merged.Survivor != holder || h.sub(login("wxsim1", "o1", "")) != holder {
		t.Errorf("got %+v, %v", merged, err)
	}
	if state := h.candidates()[0].State; state != identity.CandidateMerged {
		t.Errorf("the candidate is %s", state)
	}
	if err := h.Unmerge(t.Context(), directory, merged.Audit, identity.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if state := h.candidates()[0].State; state != identity.CandidateUndone {
		t.Errorf("the candidate is %s", state)
	}
	h.wantConsistent()
}

func TestLinkPhone_CrashedLinkDoesNotHoldNumber(t *testing.T) {
	h := newStoreHarness(t)
	user := h.sub(login("wxsim1", "o1", ""))
	if err := h.link(user, number); err != nil {
		t.Fatal(err)
	}
	interruptions()["the process crashes before its write"](h, 4) // audit entry, new link, user; then the former link
	wantError(t, h.link(user, number2), storage.ErrUnavailable)
	h.removeHooks()
	h.clock.Advance(time.Hour)
	other := h.sub(login("wxsim1", "o2", ""))
	if err := h.link(other, number); err != nil || h.user(user).Phone != number2 {
		t.Errorf("link: %v", err)
	}
	h.wantConsistent()
}

func TestLinkPhone_UnfinishedLinkHoldsNumber(t *testing.T) {
	h := newStoreHarness(t)
	user, other := h.sub(login("wxsim1", "o1", "")), h.sub(login("wxsim1", "o2", ""))
	if err := h.link(user, number2); err != nil {
		t.Fatal(err)
	}
	interruptions()["the process crashes before its write"](h, 3)
	wantError(t, h.link(user, number), storage.ErrUnavailable)
	h.removeHooks()
	wantError(t, h.link(other, number), identity.ErrAccountConflict)
	_, err := h.attachByPhone(login("wxsim2", "o3", ""), number, attachByPhonePolicy())
	wantError(t, err, identity.ErrAccountConflict)
	if err := h.link(user, number); err != nil {
		t.Errorf("its owner cannot complete it: %v", err)
	}
	h.wantConsistent()
}

func TestAttachByPhone_InterruptedIsRepaired(t *testing.T) {
	asker := login("wxsim1", "o1", "u1")
	for _, held := range []bool{false, true} {
		interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
			func(h *storeHarness) {
				if held {
					if err := h.link(h.sub(login("wxsim2", "o2", "")), number); err != nil {
						t.Fatal(err)
					}
				}
			},
			func(h *storeHarness) error {
				_, err := h.attachByPhone(asker, number, attachByPhonePolicy())
				return err
			},
			func(h *storeHarness, _ int) {
				got, err := h.attachByPhone(asker, number, attachByPhonePolicy())
				if err != nil || got != h.sub(asker) || h.user(got).Phone != number {
					t.Errorf("the repetition got %q, %v", got, err)
				}
				if len(h.active()) != 1 || len(h.candidates()) != 0 {
					t.Errorf("%d active users, %d candidates", len(h.active()), len(h.candidates()))
				}
				h.wantConsistent()
			})
	}
}

func TestLinkPhone_ConcurrentProofsHaveOneWinner(t *testing.T) {
	for seed := range uint64(rounds) {
		h := newStoreHarness(t)
		results := map[string]error{}
		var tasks []func(context.Context)
		for _, openID := range []string{"o1", "o2", "o3", "o4"} {
			tasks = append(tasks, func(ctx context.Context) {
				_, results[openID] = h.AttachByPhone(ctx, login("wxsim1", openID, ""), number, storage.Policy{}, true)
			})
		}
		h.interleave(seeded(seed), 0, tasks...)
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else {
				wantError(t, err, identity.ErrAccountConflict)
			}
		}
		carriers := 0
		for _, user := range h.users() {
			if user.Phone == number {
				carriers++
			}
		}
		if won != 1 || carriers != 1 {
			t.Errorf("%d won, %d carry the number", won, carriers)
		}
		h.wantConsistent()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestLinkPhone_ReassignedNumbersHaveOneHolder(t *testing.T) {
	for seed := range uint64(4 * rounds) {
		h := newStoreHarness(t)
		a, b := h.sub(login("wxsim1", "o1", "")), h.sub(login("wxsim1", "o2", ""))
		if err := h.link(a, number); err != nil {
			t.Fatal(err)
		}
		prove := func(user, number string) func(context.Context) {
			return func(ctx context.Context) { _, _ = h.ReplacePhone(ctx, directory, user, number, "wxsim1") }
		}
		h.interleave(seeded(seed), 0.05,
			prove(a, number2), prove(a, number), prove(b, number), prove(b, number2), prove(a, number2), prove(b, number))
		h.clock.Advance(time.Hour)
		carried := map[string]int{}
		for _, user := range h.active() {
			carried[user.Phone]++
		}
		if carried[number] > 1 || carried[number2] > 1 {
			t.Errorf("two users carry one number: %v", carried)
		}
		h.wantConsistent()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestAttachByPhone_FailsForEndedUser ends the grants of a user after the login has read the user and before the number is
// linked: the login must not return the later epoch.
func TestAttachByPhone_FailsForEndedUser(t *testing.T) {
	h := newStoreHarness(t)
	l := login("wxsim1", "o1", "")
	user := h.sub(l)
	reads := 0
	h.hooks.After = func(ctx context.Context, op storagetest.Operation, err error) error {
		if !op.Write() && op.Kind == storage.KindUser {
			if reads++; reads == 1 {
				if err := h.SignOutEverywhere(context.WithoutCancel(ctx), directory, user, identity.Self(user)); err != nil {
					t.Errorf("sign out: %v", err)
				}
			}
		}
		return err
	}
	_, err := h.AttachByPhone(t.Context(), l, number, storage.Policy{}, true)
	wantError(t, err, identity.ErrChanged)
	h.hooks.After = nil
	if _, err := h.AttachByPhone(t.Context(), l, number, storage.Policy{}, true); err != nil {
		t.Errorf("again: %v", err)
	}
}
