package identity_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

const (
	racers = 64
	rounds = 60
)

// oneUser asserts that the two logins are one user, that there is no other, and that there is no merge candidate.
func oneUser(h *storeHarness, a, b identity.Login) {
	h.t.Helper()
	if h.sub(a) != h.sub(b) {
		h.t.Error("one WeChat user has two subs")
	}
	if active := h.active(); len(active) != 1 {
		h.t.Errorf("%d active users, want 1", len(active))
	}
	if candidates := h.candidates(); len(candidates) != 0 {
		h.t.Errorf("%d merge candidates, want none", len(candidates))
	}
	h.wantConsistent()
}

func TestRace_FirstLoginsOfTwoMiniProgramsCreateOneUser(t *testing.T) {
	for name, faults := range map[string]float64{"all goes well": 0, "the store fails now and then": 0.02} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(rounds) {
				h := newStoreHarness(t)
				a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
				subs := map[string]bool{}
				tasks := make([]func(context.Context), racers)
				for i := range tasks {
					tasks[i] = func(ctx context.Context) {
						got, err := h.Resolve(ctx, []identity.Login{a, b}[i%2], true)
						if err == nil {
							subs[got.User.Record.ID] = true
						} else if faults == 0 || !errors.Is(err, storage.ErrUnavailable) {
							t.Errorf("login: %v", err)
						}
					}
				}
				h.interleave(seeded(seed), faults, tasks...)
				subs[h.sub(a)] = true
				if len(subs) != 1 {
					t.Errorf("%d subs were returned", len(subs))
				}
				oneUser(h, a, b)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func TestRace_LoginsAfterDeletionCreateOneUser(t *testing.T) {
	for seed := range uint64(rounds) {
		h := newStoreHarness(t)
		a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
		old := h.sub(a)
		h.sub(b)
		tasks := []func(context.Context){func(ctx context.Context) {
			if err := h.Delete(ctx, directory, old, identity.Operator("ann")); err != nil {
				t.Errorf("delete: %v", err)
			}
		}}
		for i := range 8 {
			tasks = append(tasks, func(ctx context.Context) {
				if _, err := h.Resolve(ctx, []identity.Login{a, b}[i%2], true); err != nil {
					t.Errorf("login: %v", err)
				}
			})
		}
		h.interleave(seeded(seed), 0, tasks...)
		oneUser(h, a, b)
		if h.sub(a) == old || t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// A mini-program that is being bound to its Open Platform account returns some logins without a UnionID.
func TestRace_LoginsWithAndWithoutUnionIDLeaveNoOrphan(t *testing.T) {
	aliases, candidates := 0, 0
	for seed := range uint64(4 * rounds) {
		h := newStoreHarness(t)
		logins := []identity.Login{login("wxsim1", "o1", ""), login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")}
		var tasks []func(context.Context)
		for i := range 9 {
			tasks = append(tasks, func(ctx context.Context) {
				if _, err := h.Resolve(ctx, logins[i%3], true); err != nil {
					t.Errorf("login: %v", err)
				}
			})
		}
		h.interleave(seeded(seed), 0, tasks...)
		one := h.sub(logins[0]) == h.sub(logins[2])
		if h.sub(logins[0]) != h.sub(logins[1]) {
			t.Error("an OpenID has two subs")
		}
		if one == (len(h.candidates()) == 1) {
			t.Errorf("one user: %t, and %d merge candidates", one, len(h.candidates()))
		}
		h.wantConsistent()
		aliases += len(h.users()) - len(h.active())
		candidates += len(h.candidates())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if aliases == 0 || candidates == 0 {
		t.Errorf("the races never came to an alias (%d) or a candidate (%d)", aliases, candidates)
	}
}

func TestRace_GoroutinesCreateOneUser(t *testing.T) {
	for range 20 {
		h := newStoreHarness(t)
		a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
		start := make(chan struct{})
		var group sync.WaitGroup
		for i := range racers {
			group.Go(func() {
				<-start
				if _, err := h.Resolve(t.Context(), []identity.Login{a, b}[i%2], true); err != nil {
					t.Errorf("login: %v", err)
				}
			})
		}
		close(start)
		group.Wait()
		oneUser(h, a, b)
	}
}

func TestInterrupted_FirstLoginIsRepairedByNext(t *testing.T) {
	a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
	bare := login("wxsim1", "o1", "")
	for _, test := range []struct {
		name    string
		prepare []identity.Login
		act     identity.Login
		writes  int
	}{
		{"first login", nil, a, 3},
		{"first login without UnionID", nil, bare, 2},
		{"second mini-program", []identity.Login{b}, a, 1},
		{"UnionID that comes late", []identity.Login{bare}, a, 2},
	} {
		for _, next := range [][]identity.Login{{a, b}, {b, a}, {a, a, b}} {
			t.Run(fmt.Sprintf("%s, next %s", test.name, next[0].AppID), func(t *testing.T) {
				writes := interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
					func(h *storeHarness) {
						for _, before := range test.prepare {
							h.sub(before)
						}
					},
					func(h *storeHarness) error {
						_, err := h.Resolve(t.Context(), test.act, true)
						return err
					},
					func(h *storeHarness, _ int) {
						if test.act == bare {
							h.sub(bare)
						}
						for _, healer := range next {
							h.sub(healer)
						}
						oneUserOrCandidate(h, a, b)
					})
				if writes != test.writes {
					t.Errorf("it was stopped around %d writes, want %d", writes, test.writes)
				}
			})
		}
	}
}

// oneUserOrCandidate is oneUser, but the other mini-program may have been first with the UnionID: then the OpenID has another
// user, and a merge candidate is recorded.
func oneUserOrCandidate(h *storeHarness, a, b identity.Login) {
	h.t.Helper()
	if h.sub(a) != h.sub(b) && len(h.candidates()) == 1 && len(h.active()) == 2 {
		h.wantConsistent()
		return
	}
	oneUser(h, a, b)
}

func TestInterrupted_MoveOfDeletedUsersLinksIsRepaired(t *testing.T) {
	a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
	for _, next := range [][]identity.Login{{a, b}, {b, a}} {
		interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
			func(h *storeHarness) {
				old := h.sub(a)
				h.sub(b)
				if err := h.Delete(t.Context(), directory, old, identity.Operator("ann")); err != nil {
					t.Fatal(err)
				}
			},
			func(h *storeHarness) error {
				_, err := h.Resolve(t.Context(), a, true)
				return err
			},
			func(h *storeHarness, _ int) {
				for _, healer := range next {
					h.sub(healer)
				}
				oneUser(h, a, b)
			})
	}
}

func TestInterrupted_MergeCandidateIsRecordedByNextLogin(t *testing.T) {
	a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
	interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
		func(h *storeHarness) {
			h.sub(login("wxsim1", "o1", ""))
			h.sub(b)
		},
		func(h *storeHarness) error {
			_, err := h.Resolve(t.Context(), a, true)
			return err
		},
		func(h *storeHarness, _ int) {
			if h.sub(a) == h.sub(b) {
				t.Error("two users merged silently")
			}
			if len(h.candidates()) != 1 {
				t.Errorf("%d merge candidates, want 1", len(h.candidates()))
			}
			h.wantConsistent()
		})
}

func TestInterrupted_AliasIsRepairedByNextLogin(t *testing.T) {
	a, b := login("wxsim1", "o1", "u1"), login("wxsim2", "o2", "u1")
	for _, next := range [][]identity.Login{{a, b}, {b, a}} {
		interruptAtEveryWrite(func() *storeHarness { return newStoreHarness(t) },
			func(h *storeHarness) {
				h.sub(login("wxsim1", "o1", ""))
				h.insertLink(storage.Identity{
					Directory: directory, Type: storage.IdentityUnionID, Namespace: "op", Value: "u1", User: "unwritten",
				})
			},
			func(h *storeHarness) error {
				_, err := h.Resolve(t.Context(), a, true)
				return err
			},
			func(h *storeHarness, _ int) {
				for _, healer := range next {
					h.sub(healer)
				}
				oneUserOrCandidate(h, a, b)
				h.wantDirectLinks()
			})
	}
}
