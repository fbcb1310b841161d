package identity_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// simulation is a random simulation. Three people are known to two mini-programs of one Open Platform account and to one of
// another; there are two phone numbers, two usernames, and an operator. Every invariant must hold after any operations, in any
// order, with any failures.
type simulation struct {
	*storeHarness
	random *rand.Rand
	// before has every user as last read.
	before map[string]storage.User
}

func (s *simulation) login() identity.Login {
	person := s.random.IntN(3)
	app := s.random.IntN(3)
	made := login(fmt.Sprintf("wxsim%d", app), fmt.Sprintf("o%d-%d", app, person), "")
	if s.random.IntN(4) > 0 {
		made.OpenPlatform, made.UnionID = fmt.Sprintf("op%d", app/2), fmt.Sprintf("u%d-%d", app/2, person)
	}
	return made
}

func (s *simulation) anyUserID() string { return s.anyUser().ID }

func (s *simulation) anyUser() storage.User {
	users := s.users()
	if len(users) == 0 {
		return storage.User{Directory: directory, ID: "nobody"}
	}
	return users[s.random.IntN(len(users))]
}

func (s *simulation) number() string { return []string{number, number2}[s.random.IntN(2)] }

func (s *simulation) name() string { return []string{"alice", "bob"}[s.random.IntN(2)] }

// nextOperation returns one operation of a user or operator. It is chosen before it runs, so that a seed repeats a run.
func (s *simulation) nextOperation() func(context.Context) error {
	seen := s.anyUser()
	made, user, other, number, name := s.login(), s.anyUserID(), s.anyUserID(), s.number(), s.name()
	policy, provision := storage.Policy{AttachByPhone: s.random.IntN(2) == 0}, s.random.IntN(4) > 0
	deeds := []func(context.Context) error{
		func(ctx context.Context) error { return second(s.Resolve(ctx, made, provision)) },
		func(ctx context.Context) error { return second(s.Resolve(ctx, made, true)) },
		func(ctx context.Context) error {
			return second(s.AttachToUser(ctx, made, seen, identity.MethodSession))
		},
		func(ctx context.Context) error { return second(s.AttachByPhone(ctx, made, number, policy, true)) },
		func(ctx context.Context) error { return second(s.ReplacePhone(ctx, directory, user, number, "wxsim1")) },
		func(ctx context.Context) error {
			return second(s.SetUsername(ctx, directory, user, name, identity.System))
		},
		func(ctx context.Context) error {
			return second(s.Create(ctx, directory, identity.Account{Username: name}, identity.System))
		},
		func(ctx context.Context) error { return s.Disable(ctx, directory, user, identity.System) },
		func(ctx context.Context) error { return s.Enable(ctx, directory, user, identity.System) },
		func(ctx context.Context) error { return s.SignOutEverywhere(ctx, directory, user, identity.System) },
		func(ctx context.Context) error { return s.Delete(ctx, directory, user, identity.System) },
		func(ctx context.Context) error {
			return second(s.Merge(ctx, directory, user, other, identity.Operator("ann")))
		},
	}
	return deeds[s.random.IntN(len(deeds))]
}

func second[T any](_ T, err error) error { return err }

// expected reports whether an operation may return this error.
func expected(err error) bool {
	for _, known := range []error{
		nil, storage.ErrUnavailable, identity.ErrUnknownUser, identity.ErrUserDisabled, identity.ErrAlreadyBound,
		identity.ErrAccountConflict, identity.ErrTaken, identity.ErrSameUser, identity.ErrMergedFurther, identity.ErrChanged,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return err == nil
}

// undoMerge undoes one of the merges so far. It runs alone: an operator's undo does not race with logins in this simulation.
func (s *simulation) undoMerge(faults float64) {
	var merges []string
	for _, entry := range s.audit() {
		if entry.Action == identity.ActionMerge {
			merges = append(merges, entry.ID)
		}
	}
	if len(merges) == 0 {
		return
	}
	merge := merges[s.random.IntN(len(merges))]
	for _, chance := range []float64{faults, 0} {
		s.interleave(s.random, chance, func(ctx context.Context) {
			if err := s.Unmerge(ctx, directory, merge, identity.Operator("ann")); !expected(err) {
				s.t.Errorf("undo: %v", err)
			}
		})
	}
}

// signInAll signs in all users once more, which completes unfinished operations.
func (s *simulation) signInAll() {
	for app := range 3 {
		for person := range 3 {
			made := login(fmt.Sprintf("wxsim%d", app), fmt.Sprintf("o%d-%d", app, person), "")
			made.OpenPlatform, made.UnionID = fmt.Sprintf("op%d", app/2), fmt.Sprintf("u%d-%d", app/2, person)
			first, err := s.Resolve(s.t.Context(), made, true)
			if errors.Is(err, identity.ErrUserDisabled) {
				continue
			}
			if err != nil {
				s.t.Fatalf("login: %v", err)
			}
			again := s.resolve(made)
			if again.Created || again.User.Record.ID != first.User.Record.ID {
				s.t.Error("two logins, two subs")
			}
		}
	}
	for _, name := range []string{"alice", "bob"} {
		if _, err := s.Create(s.t.Context(), directory, identity.Account{Username: name}, identity.System); !expected(err) {
			s.t.Fatalf("create: %v", err)
		}
	}
}

// checkInvariants asserts what must hold at any time in between, and compares every user with the previous state.
func (s *simulation) checkInvariants() {
	phones, names := map[string]int{}, map[string]int{}
	for _, user := range s.users() {
		before, known := s.before[user.ID]
		if known && user.Epoch < before.Epoch {
			s.t.Error("an epoch went back")
		}
		if known && before.Status == storage.UserDeleted && user.Status != storage.UserDeleted {
			s.t.Error("a deleted user rose")
		}
		if known && before.Status != user.Status && user.Status != storage.UserActive && user.Epoch == before.Epoch {
			s.t.Errorf("a user who became %s kept the epoch", user.Status)
		}
		s.before[user.ID] = user
		if user.Status == storage.UserActive || user.Status == storage.UserDisabled {
			phones[user.Phone]++
			names[user.Username]++
		}
	}
	delete(phones, "")
	delete(names, "")
	for _, count := range phones {
		if count > 1 {
			s.t.Error("two users carry one number")
		}
	}
	for _, count := range names {
		if count > 1 {
			s.t.Error("two users carry one username")
		}
	}
}

func TestModel_InvariantsHoldForRandomOperationsAndFaults(t *testing.T) {
	for seed := range uint64(2 * rounds) {
		s := &simulation{storeHarness: newStoreHarness(t), random: seeded(seed), before: map[string]storage.User{}}
		faults := []float64{0, 0.03}[seed%2]
		s.directory.Policy.MergeByUnionID = seed%4 > 1
		for range 25 {
			var tasks []func(context.Context)
			for range 1 + s.random.IntN(4) {
				deed := s.nextOperation()
				tasks = append(tasks, func(ctx context.Context) {
					if err := deed(ctx); !expected(err) {
						t.Errorf("unexpected error: %v", err)
					}
				})
			}
			s.interleave(s.random, faults, tasks...)
			if s.random.IntN(5) == 0 {
				s.undoMerge(faults)
			}
			s.checkInvariants()
			s.clock.Advance(time.Duration(s.random.IntN(3)) * time.Minute)
		}
		s.signInAll()
		s.checkInvariants()
		s.wantConsistent()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
