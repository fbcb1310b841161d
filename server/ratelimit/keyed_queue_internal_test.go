package ratelimit

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

func TestKeyedQueue_SerializesAndBoundsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewKeyedQueue()
		directory := storage.Directory{ID: "default"}
		one, other := NameKey(directory, "wanda"), NameKey(directory, "victor")
		var at, most, refused atomic.Int32
		var attempts sync.WaitGroup
		for range 3 * maxQueue {
			attempts.Go(func() {
				leave, err := all.Enter(t.Context(), one)
				if err != nil {
					if problem := endpoint.ErrorOf(err); problem.Reason != endpoint.ReasonRateLimited || problem.RetryAfter == 0 {
						t.Errorf("%v", err)
					}
					refused.Add(1)
					return
				}
				most.Store(max(most.Load(), at.Add(1)))
				time.Sleep(time.Second)
				at.Add(-1)
				leave()
			})
		}
		synctest.Wait()
		if leave, err := all.Enter(t.Context(), other); err != nil {
			t.Errorf("another account waits: %v", err)
		} else {
			leave()
		}
		attempts.Wait()
		if most.Load() != 1 || refused.Load() != 2*maxQueue || len(all.queues) != 0 {
			t.Errorf("%d at once, %d rejected, %d queues left", most.Load(), refused.Load(), len(all.queues))
		}
	})
}

func TestKeyedQueue_CanceledCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewKeyedQueue()
		at := NameKey(storage.Directory{ID: "default"}, "wanda")
		leave, err := all.Enter(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := all.Enter(ctx, at); endpoint.ErrorOf(err).Protocol.CodeField != http.StatusServiceUnavailable {
			t.Errorf("%v", err)
		}
		leave()
		if len(all.queues) != 0 {
			t.Error("a queue is left")
		}
	})
}
