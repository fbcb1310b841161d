package identity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// newUnionIDHarness is a harness whose directory merges by UnionID.
func newUnionIDHarness(t testing.TB) *storeHarness {
	t.Helper()
	h := newStoreHarness(t)
	h.directory.Policy.MergeByUnionID = true
	return h
}

// unionPair is an older and a younger user of one WeChat user. meeting is the login that finds both.
type unionPair struct {
	older, younger    string
	meeting, youngers identity.Login
}

func (h *storeHarness) addUnionPair() unionPair {
	h.t.Helper()
	p := unionPair{meeting: login("wxsim1", "o1", "u1"), youngers: login("wxsim2", "o2", "u1")}
	p.older = h.sub(login("wxsim1", "o1", ""))
	h.clock.Advance(time.Hour)
	p.younger = h.sub(p.youngers)
	return p
}

// wantUnited asserts that the pair is one user whose candidate is merged, and that further logins change nothing.
func (h *storeHarness) wantUnited(p unionPair) {
	h.t.Helper()
	for range 2 {
		for _, l := range []identity.Login{p.meeting, p.youngers} {
			if got := h.sub(l); got != p.older {
				h.t.Errorf("a login leads to %s, want the older user", got)
			}
		}
	}
	alias := h.user(p.younger)
	if alias.Status != storage.UserAlias || alias.AliasOf != p.older || alias.Epoch == 0 {
		h.t.Errorf("the younger user is %+v", alias)
	}
	if all := h.candidates(); len(all) != 1 || all[0].State != identity.CandidateMerged || all[0].Merge != alias.MergePlan {
		h.t.Errorf("candidates %+v", all)
	}
	h.wantDirectLinks()
	h.wantConsistent()
}

func TestMergeByUnionID_LoginMergesTwoUsers(t *testing.T) {
	h := newUnionIDHarness(t)
	p := h.addUnionPair()
	got := h.resolve(p.meeting)
	if got.User.Record.ID != p.older || got.User.Record.Aliases[0] != p.younger || got.Candidate == "" || got.Created {
		t.Errorf("got %+v", got)
	}
	h.wantUnited(p)
	entries := h.audit()
	if len(entries) != 1 || entries[0].Action != identity.ActionMerge || entries[0].Actor != identity.Self(p.older) ||
		entries[0].Details["proof"] != identity.MethodUnionID {
		t.Errorf("audit entries %+v", entries)
	}
}

func TestMergeByUnionID_YoungerUserSignsInAsSurvivor(t *testing.T) {
	h := newUnionIDHarness(t)
	older := h.sub(login("wxsim2", "o2", "u1"))
	h.clock.Advance(time.Hour)
	younger := h.sub(login("wxsim1", "o1", ""))
	got := h.resolve(login("wxsim1", "o1", "u1"))
	if got.User.Record.ID != older || got.User.Record.Status != storage.UserActive {
		t.Errorf("got %+v", got.User.Record)
	}
	h.wantUnited(unionPair{older, younger, login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")})
}

func TestMergeByUnionID_KnownUserCostsNoMore(t *testing.T) {
	for _, merges := range []bool{false, true} {
		h := newStoreHarness(t)
		h.directory.Policy.MergeByUnionID = merges
		p := h.addUnionPair()
		h.resolve(p.meeting)
		for _, l := range []identity.Login{p.meeting, p.youngers} {
			if reads, writes := h.counted(func() { h.resolve(l) }); reads != 2 || writes != 0 {
				t.Errorf("policy %t: a login costs %d reads and %d writes, want 2 and 0", merges, reads, writes)
			}
		}
	}
}

func TestMergeByUnionID_LeavesCandidateToOperator(t *testing.T) {
	for name, prepare := range map[string]func(h *storeHarness, user string) error{
		"policy off": func(h *storeHarness, _ string) error {
			h.directory.Policy.MergeByUnionID = false
			return nil
		},
		"password": func(h *storeHarness, user string) error {
			if _, err := h.SetUsername(h.t.Context(), directory, user, "alice", identity.System); err != nil {
				return err
			}
			return second(h.SetPassword(h.t.Context(), directory, user, password, identity.System))
		},
		"verified phone number": func(h *storeHarness, user string) error { return h.link(user, number) },
		"verified e-mail address": func(h *storeHarness, user string) error {
			return second(h.SetEmail(h.t.Context(), directory, user, "ann@example.com", identity.System))
		},
		"passkey": func(h *storeHarness, user string) error {
			h.addPasskey(user, "key")
			return nil
		},
	} {
		for i, side := range []string{"older", "younger"} {
			t.Run(name+" of the "+side, func(t *testing.T) {
				h := newUnionIDHarness(t)
				p := h.addUnionPair()
				if err := prepare(h, []string{p.older, p.younger}[i]); err != nil {
					t.Fatal(err)
				}
				got := h.resolve(p.meeting)
				if got.User.Record.ID != p.older || h.sub(p.youngers) != p.younger {
					t.Error("two users became one")
				}
				all := h.candidates()
				if len(all) != 1 || all[0].State != identity.CandidateOpen || all[0].ID != got.Candidate {
					t.Fatalf("candidates %+v", all)
				}
				if _, err := h.AcceptCandidate(t.Context(), directory, got.Candidate, "", identity.Operator("ann")); err != nil {
					t.Errorf("the operator cannot merge: %v", err)
				}
				h.wantUnited(p)
			})
		}
	}
}

func TestMergeByUnionID_SnapshotUserIsRejected(t *testing.T) {
	h := newUnionIDHarness(t)
	p := h.addUnionPair()
	p.meeting.Snapshot = true
	_, err := h.Resolve(t.Context(), p.meeting, true)
	wantError(t, err, identity.ErrSnapshotUser)
	if len(h.candidates()) != 0 || len(h.active()) != 2 {
		t.Error("a snapshot user proves a UnionID")
	}
}

func TestMergeByUnionID_DisabledUserStaysDisabled(t *testing.T) {
	h := newUnionIDHarness(t)
	p := h.addUnionPair()
	if err := h.Disable(t.Context(), directory, p.younger, identity.System); err != nil {
		t.Fatal(err)
	}
	if h.sub(p.meeting) != p.older || h.user(p.younger).Status != storage.UserDisabled {
		t.Error("a merge lifts a ban, or gives it to another user")
	}
}

func TestMergeByUnionID_UndoneAndDismissedPairsStaySeparate(t *testing.T) {
	for name, decide := range map[string]func(h *storeHarness, p unionPair) error{
		"undone": func(h *storeHarness, p unionPair) error {
			h.resolve(p.meeting)
			return h.Unmerge(h.t.Context(), directory, h.user(p.younger).MergePlan, identity.Operator("ann"))
		},
		"dismissed": func(h *storeHarness, p unionPair) error {
			h.directory.Policy.MergeByUnionID = false
			candidate := h.resolve(p.meeting).Candidate
			h.directory.Policy.MergeByUnionID = true
			return h.DismissCandidate(h.t.Context(), directory, candidate, identity.Operator("ann"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newUnionIDHarness(t)
			p := h.addUnionPair()
			if err := decide(h, p); err != nil {
				t.Fatal(err)
			}
			// Another Open Platform account and back: the UnionID counts as new.
			other := p.meeting
			other.OpenPlatform = "op2"
			h.resolve(other)
			for range 2 {
				if h.sub(p.meeting) != p.older || h.sub(p.youngers) != p.younger {
					t.Error("the pair was merged again")
				}
			}
			h.wantConsistent()
		})
	}
}

// Two Open Platform accounts know two users the other way round: each login finds the other user by its UnionID.
func TestMergeByUnionID_OppositeLoginsAtOnceMergeOnce(t *testing.T) {
	for name, faults := range map[string]float64{"all goes well": 0, "the store fails now and then": 0.02} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(rounds) {
				h := newUnionIDHarness(t)
				older := h.sub(crossLogin("wxsim1", "o1", "op2"))
				h.clock.Advance(time.Hour)
				younger := h.sub(crossLogin("wxsim2", "o2", "op"))
				logins := []identity.Login{crossLogin("wxsim1", "o1", "op"), crossLogin("wxsim2", "o2", "op2")}
				var tasks []func(context.Context)
				for i := range 6 {
					tasks = append(tasks, func(ctx context.Context) {
						if _, err := h.Resolve(ctx, logins[i%2], true); err != nil && (faults == 0 || !errors.Is(err, storage.ErrUnavailable)) {
							t.Errorf("login: %v", err)
						}
					})
				}
				h.interleave(seeded(seed), faults, tasks...)
				h.resolve(logins[0])
				h.resolve(logins[1])
				h.wantUnited(unionPair{older, younger, logins[0], logins[1]})
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func crossLogin(app, openID, openPlatform string) identity.Login {
	return identity.Login{Directory: directory, AppID: app, OpenID: openID, OpenPlatform: openPlatform, UnionID: "u1"}
}

func TestMergeByUnionID_InterruptedIsRepairedByNextLogin(t *testing.T) {
	var p unionPair
	writes := interruptAtEveryWrite(func() *storeHarness { return newUnionIDHarness(t) },
		func(h *storeHarness) { p = h.addUnionPair() },
		func(h *storeHarness) error {
			_, err := h.Resolve(t.Context(), p.meeting, true)
			return err
		},
		func(h *storeHarness, _ int) {
			h.resolve(p.meeting)
			h.wantUnited(p)
			if survivor := h.user(p.older); len(survivor.Aliases) != 1 {
				t.Errorf("the survivor has the aliases %v", survivor.Aliases)
			}
		})
	if writes < 7 {
		t.Errorf("it was stopped around %d writes", writes)
	}
}
