package endpoint

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
)

// source is the source of a cache.
type source struct {
	mu    sync.Mutex
	value string
	err   error
	loads int
	gate  chan struct{}
}

func (s *source) load(context.Context, string) (string, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	return s.value, s.err
}

func TestCache_ExpiresAndStoresNoMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &source{err: storage.ErrNotFound}
		c := newCache(time.Now, from.load)
		ask := func() (string, error) { return c.Get(t.Context(), "key") }
		if _, err := ask(); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		from.err, from.value = nil, "one"
		if got, err := ask(); got != "one" || err != nil {
			t.Errorf("a miss was cached: %q, %v", got, err)
		}
		from.value = "two"
		time.Sleep(4900 * time.Millisecond)
		if got, _ := ask(); got != "one" {
			t.Errorf("got %q", got)
		}
		time.Sleep(200 * time.Millisecond)
		if got, _ := ask(); got != "two" {
			t.Errorf("got %q", got)
		}
		// The store is down: fresh values are returned, then only to callers that accept stale values.
		from.err = storage.ErrUnavailable
		if got, err := ask(); got != "two" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		time.Sleep(time.Hour)
		if _, err := ask(); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if got, err := c.getStale(t.Context(), "key"); got != "two" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		// A deleted value is removed at once for all callers.
		from.err = storage.ErrNotFound
		if _, err := c.getStale(t.Context(), "key"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		from.err = storage.ErrUnavailable
		if _, err := c.getStale(t.Context(), "key"); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCache_ConcurrentCallersShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &source{value: "one", gate: make(chan struct{})}
		c := newCache(time.Now, from.load)
		ctx, hangUp := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for i := range 16 {
			calls.Go(func() {
				asking := t.Context()
				if i == 0 {
					asking = ctx
				}
				if got, err := c.Get(asking, "key"); got != "one" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		hangUp()
		close(from.gate)
		calls.Wait()
		if from.loads != 1 {
			t.Errorf("%d loads", from.loads)
		}
	})
}

func TestCache_IsBounded(t *testing.T) {
	c := newCache(time.Now, func(_ context.Context, key string) (string, error) { return key, nil })
	for i := range 2 * cacheSize {
		if got, err := c.Get(t.Context(), string(rune(i+1000))); got == "" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if c.entries.Len() > cacheSize {
		t.Errorf("%d entries", c.entries.Len())
	}
}
