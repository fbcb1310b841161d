package identity_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// turn is how a scheduled task waits for its next operation.
type turn struct {
	// ready is true when the task waits for an operation, and false when it has ended.
	ready   chan bool
	granted chan struct{}
	// doomed reports that the process of the task has crashed: none of its operations reaches the store any more.
	doomed bool
}

type turnKey struct{}

// errDown is the error of a failing store.
func errDown() error { return fmt.Errorf("%w: down", storage.ErrUnavailable) }

// interleave runs tasks at once, one store operation at a time. random selects the next one, so that a seed repeats a run. faults
// is the chance that an operation fails before it is executed, that its result is lost, or that the task's process dies.
func (h *storeHarness) interleave(random *rand.Rand, faults float64, tasks ...func(context.Context)) {
	h.t.Helper()
	h.hooks.Before = func(ctx context.Context, _ storagetest.Operation) error {
		own := ctx.Value(turnKey{}).(*turn)
		own.ready <- true
		<-own.granted
		if chance := random.Float64(); own.doomed || chance < faults {
			own.doomed = own.doomed || chance < faults/2
			return errDown()
		}
		return nil
	}
	h.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
		if operation.Write() && random.Float64() < faults {
			return errDown()
		}
		return err
	}
	defer h.removeHooks()
	waiting := make([]*turn, 0, len(tasks))
	for _, task := range tasks {
		own := &turn{ready: make(chan bool), granted: make(chan struct{})}
		waiting = append(waiting, own)
		go func() {
			<-own.granted
			task(context.WithValue(h.t.Context(), turnKey{}, own))
			own.ready <- false
		}()
	}
	for len(waiting) > 0 {
		next := random.IntN(len(waiting))
		waiting[next].granted <- struct{}{}
		if !<-waiting[next].ready {
			waiting[next] = waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
		}
	}
}

// interruptions lists the ways in which a process can stop around its nth write.
func interruptions() map[string]func(h *storeHarness, n int) {
	return map[string]func(h *storeHarness, n int){
		"the process crashes before its write": func(h *storeHarness, n int) {
			writes, dead := 0, false
			h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
				if operation.Write() {
					writes++
				}
				dead = dead || writes == n
				if dead {
					return errDown()
				}
				return nil
			}
		},
		"the result of its write is lost": func(h *storeHarness, n int) {
			writes := 0
			h.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
				if operation.Write() {
					writes++
				}
				if operation.Write() && writes == n {
					return errDown()
				}
				return err
			}
		},
		"its write never reaches the store": func(h *storeHarness, n int) {
			writes := 0
			h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
				if operation.Write() {
					writes++
				}
				if operation.Write() && writes == n {
					return errDown()
				}
				return nil
			}
		},
	}
}

// interruptAtEveryWrite runs act in a harness from prepare, interrupted around its first write, then its second, and so on
// until it completes, in every way. heal checks the state after each. act must return ErrUnavailable when it was interrupted.
func interruptAtEveryWrite(w func() *storeHarness, prepare func(*storeHarness), act func(*storeHarness) error, heal func(h *storeHarness, stopped int)) (most int) {
	for name, stop := range interruptions() {
		for n := 1; ; n++ {
			world := w()
			prepare(world)
			stop(world, n)
			err := act(world)
			world.removeHooks()
			if err == nil {
				most = max(most, n-1)
				break
			}
			if !errors.Is(err, storage.ErrUnavailable) {
				world.t.Fatalf("write %d, %s: got error %v, want storage.ErrUnavailable", n, name, err)
			}
			heal(world, n)
			if world.t.Failed() {
				world.t.Fatalf("after write %d: %s", n, name)
			}
		}
	}
	return most
}
