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

// life is a random simulation: three people, each known to two mini-programs of one Open Platform account and to one of another,
// two phone numbers, two usernames, and an operator. Every rule must hold after any operations, in any order, with any failures.
type life struct {
	*world
	random *rand.Rand
	// before is every user as last seen.
	before map[string]storage.User
}

func (l *life) login() identity.Login {
	person := l.random.IntN(3)
	app := l.random.IntN(3)
	made := login(fmt.Sprintf("wxsim%d", app), fmt.Sprintf("o%d-%d", app, person), "")
	if l.random.IntN(4) > 0 {
		made.OpenPlatform, made.UnionID = fmt.Sprintf("op%d", app/2), fmt.Sprintf("u%d-%d", app/2, person)
	}
	return made
}

func (l *life) someone() string { return l.anyone().ID }

func (l *life) anyone() storage.User {
	users := l.users()
	if len(users) == 0 {
		return storage.User{Directory: directory, ID: "nobody"}
	}
	return users[l.random.IntN(len(users))]
}

func (l *life) number() string { return []string{number, number2}[l.random.IntN(2)] }

func (l *life) name() string { return []string{"alice", "bob"}[l.random.IntN(2)] }

// deed returns one operation of a user or operator. It is chosen before it runs, so that a seed repeats a run.
func (l *life) deed() func(context.Context) error {
	seen := l.anyone()
	made, user, other, number, name := l.login(), l.someone(), l.someone(), l.number(), l.name()
	policy, provision := storage.Policy{AttachByPhone: l.random.IntN(2) == 0}, l.random.IntN(4) > 0
	deeds := []func(context.Context) error{
		func(ctx context.Context) error { return second(l.Resolve(ctx, made, provision)) },
		func(ctx context.Context) error { return second(l.Resolve(ctx, made, true)) },
		func(ctx context.Context) error {
			return second(l.AttachToUser(ctx, made, seen, identity.MethodSession))
		},
		func(ctx context.Context) error { return second(l.AttachByPhone(ctx, made, number, policy, true)) },
		func(ctx context.Context) error { return second(l.ReplacePhone(ctx, directory, user, number)) },
		func(ctx context.Context) error {
			return second(l.SetUsername(ctx, directory, user, name, identity.System))
		},
		func(ctx context.Context) error {
			return second(l.Create(ctx, directory, identity.Account{Username: name}, identity.System))
		},
		func(ctx context.Context) error { return l.Disable(ctx, directory, user, identity.System) },
		func(ctx context.Context) error { return l.Enable(ctx, directory, user, identity.System) },
		func(ctx context.Context) error { return l.SignOutEverywhere(ctx, directory, user, identity.System) },
		func(ctx context.Context) error { return l.Delete(ctx, directory, user, identity.System) },
		func(ctx context.Context) error {
			return second(l.Merge(ctx, directory, user, other, identity.Operator("ann")))
		},
	}
	return deeds[l.random.IntN(len(deeds))]
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

// undo undoes one of the merges so far, alone: an operator's undoing does not race with the users in this town.
func (l *life) undo(faults float64) {
	var merges []string
	for _, entry := range l.audit() {
		if entry.Action == identity.ActionMerge {
			merges = append(merges, entry.ID)
		}
	}
	if len(merges) == 0 {
		return
	}
	merge := merges[l.random.IntN(len(merges))]
	for _, chance := range []float64{faults, 0} {
		l.interleave(l.random, chance, func(ctx context.Context) {
			if err := l.Unmerge(ctx, directory, merge, identity.Operator("ann")); !expected(err) {
				l.t.Errorf("undo: %v", err)
			}
		})
	}
}

// settle signs in all users once more, which completes unfinished operations.
func (l *life) settle() {
	for app := range 3 {
		for person := range 3 {
			made := login(fmt.Sprintf("wxsim%d", app), fmt.Sprintf("o%d-%d", app, person), "")
			made.OpenPlatform, made.UnionID = fmt.Sprintf("op%d", app/2), fmt.Sprintf("u%d-%d", app/2, person)
			first, err := l.Resolve(l.t.Context(), made, true)
			if errors.Is(err, identity.ErrUserDisabled) {
				continue
			}
			if err != nil {
				l.t.Fatalf("login: %v", err)
			}
			again := l.resolve(made)
			if again.Created || again.User.Record.ID != first.User.Record.ID {
				l.t.Error("two logins, two subs")
			}
		}
	}
	for _, name := range []string{"alice", "bob"} {
		if _, err := l.Create(l.t.Context(), directory, identity.Account{Username: name}, identity.System); !expected(err) {
			l.t.Fatalf("create: %v", err)
		}
	}
}

// check asserts what must hold at any time in between, and of every user's way from then to now.
func (l *life) check() {
	phones, names := map[string]int{}, map[string]int{}
	for _, user := range l.users() {
		before, known := l.before[user.ID]
		if known && user.Epoch < before.Epoch {
			l.t.Error("an epoch went back")
		}
		if known && before.Status == storage.UserDeleted && user.Status != storage.UserDeleted {
			l.t.Error("a deleted user rose")
		}
		if known && before.Status != user.Status && user.Status != storage.UserActive && user.Epoch == before.Epoch {
			l.t.Errorf("a user who became %s kept the epoch", user.Status)
		}
		l.before[user.ID] = user
		if user.Status == storage.UserActive || user.Status == storage.UserDisabled {
			phones[user.Phone]++
			names[user.Username]++
		}
	}
	delete(phones, "")
	delete(names, "")
	for _, count := range phones {
		if count > 1 {
			l.t.Error("two users carry one number")
		}
	}
	for _, count := range names {
		if count > 1 {
			l.t.Error("two users carry one username")
		}
	}
}

func TestWhateverPeopleDoAndWhateverFailsEveryRuleHolds(t *testing.T) {
	for seed := range uint64(2 * rounds) {
		l := &life{world: newWorld(t), random: seeded(seed), before: map[string]storage.User{}}
		faults := []float64{0, 0.03}[seed%2]
		for range 25 {
			var tasks []func(context.Context)
			for range 1 + l.random.IntN(4) {
				deed := l.deed()
				tasks = append(tasks, func(ctx context.Context) {
					if err := deed(ctx); !expected(err) {
						t.Errorf("unexpected error: %v", err)
					}
				})
			}
			l.interleave(l.random, faults, tasks...)
			if l.random.IntN(5) == 0 {
				l.undo(faults)
			}
			l.check()
			l.clock.advance(time.Duration(l.random.IntN(3)) * time.Minute)
		}
		l.settle()
		l.check()
		l.healthy()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
