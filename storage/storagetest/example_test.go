package storagetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// An engine of your own passes the suite of every engine in a test like this one, TestEngine_Contract. Reopen and DropReply stay nil for
// an engine without a file and without a network.
func ExampleRun() {
	testContract := func(t *testing.T) {
		storagetest.Run(t, storagetest.Subject{
			Open: func(t *testing.T, now func() time.Time) storage.Engine {
				engine := storagetest.NewMemory(now)
				t.Cleanup(func() {
					if err := engine.Close(); err != nil {
						t.Error(err)
					}
				})
				return engine
			},
		})
	}
	_ = testContract
}

// Memory is an engine for tests. A Clock sets its time.
func ExampleMemory() {
	ctx, clock := context.Background(), storagetest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	engine := storagetest.NewMemory(clock.Now)
	document := storage.Document{Kind: storage.KindMeta, ID: "code", ExpiresAt: clock.Now().Add(time.Minute), Body: []byte(`{}`)}
	if _, err := engine.Insert(ctx, document); err != nil {
		fmt.Println(err)
	}
	clock.Advance(2 * time.Minute)
	_, err := engine.Get(ctx, storage.KindMeta, "code")
	fmt.Println(errors.Is(err, storage.ErrNotFound))
	// Output: true
}

// A Clock stands still until the test moves it.
func ExampleClock() {
	clock := storagetest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	clock.Advance(time.Hour)
	fmt.Println(clock.Now().Format(time.TimeOnly))
	// Output: 01:00:00
}

// Hooks simulates failures: here the store executes the first write, and its reply is lost.
func ExampleHooks() {
	ctx, lost := context.Background(), false
	engine := &storagetest.Hooks{
		Engine: storagetest.NewMemory(time.Now),
		Before: func(_ context.Context, operation storagetest.Operation) error {
			fmt.Println(operation.Method, operation.Kind, "writes:", operation.Write())
			return nil
		},
		After: func(_ context.Context, operation storagetest.Operation, err error) error {
			if operation.Write() && !lost {
				lost = true
				return storage.ErrUnavailable
			}
			return err
		},
	}
	_, err := engine.Insert(ctx, storage.Document{Kind: storage.KindMeta, ID: "a", Body: []byte(`{}`)})
	fmt.Println(err)
	_, err = engine.Get(ctx, storage.KindMeta, "a")
	fmt.Println(err)
	// Output:
	// Insert meta writes: true
	// storage: unavailable
	// Get meta writes: false
	// <nil>
}
