package ratelimit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage/storagetest"
)

// flood is more keys than any of the maps holds.
const flood = 40_000

func fixed() time.Time { return time.Unix(1_700_000_000, 0) }

func TestLockout_AFloodOfOtherKeysRemovesNoWait(t *testing.T) {
	lockout := ratelimit.NewLockout(storagetest.NewMemory(fixed), fixed, nil)
	victim := ratelimit.Key{Directory: "default", Rule: ratelimit.DeviceRule(), Name: "victim"}
	for range 12 {
		lockout.Failed(t.Context(), victim)
	}
	for i := range flood {
		lockout.Failed(t.Context(), ratelimit.Key{Directory: "default", Rule: ratelimit.DeviceRule(), Name: fmt.Sprint(i)})
	}
	if got, want := lockout.Wait(victim), 64*time.Second; got != want {
		t.Errorf("the victim waits %v, want %v", got, want)
	}
}

func TestAuthHistory_AFloodOfFailuresRemovesNoSuccess(t *testing.T) {
	history := ratelimit.NewAuthHistory(fixed)
	backend := ratelimit.Caller{Directory: "default", Client: "backend", Network: "203.0.113.9/32"}
	history.Note(backend, true)
	for i := range flood {
		history.Note(ratelimit.Caller{Directory: "default", Client: "backend", Network: fmt.Sprint(i)}, false)
	}
	if !history.Of(backend).Succeeded {
		t.Error("the success of the backend was removed")
	}
}

func TestRateLimiter_AFloodOfOtherCallersRenewsNoBurst(t *testing.T) {
	limiter := ratelimit.NewRateLimiter(10, 50, fixed)
	busy := ratelimit.Caller{Client: "busy"}
	for range 50 {
		if wait := limiter.Take(busy); wait != 0 {
			t.Fatalf("a request of the burst waits %v", wait)
		}
	}
	for i := range flood {
		limiter.Take(ratelimit.Caller{Client: fmt.Sprint(i)})
	}
	if wait := limiter.Take(busy); wait == 0 {
		t.Error("the busy caller has a second burst")
	}
}

// BenchmarkRateLimiter_NewCaller adds callers: to a limiter that knows at most a hundred, and to a full one. The second costs at
// most twice as much.
func BenchmarkRateLimiter_NewCaller(b *testing.B) {
	callers := make([]ratelimit.Caller, flood)
	for i := range callers {
		callers[i] = ratelimit.Caller{Directory: "default", Client: fmt.Sprint("client ", i), Network: "203.0.113.9/32"}
	}
	b.Run("a hundred known", func(b *testing.B) {
		var limiter *ratelimit.RateLimiter
		next := 0
		for b.Loop() {
			if next%100 == 0 {
				b.StopTimer()
				limiter = ratelimit.NewRateLimiter(10, 50, fixed)
				b.StartTimer()
			}
			limiter.Take(callers[next%flood])
			next++
		}
	})
	b.Run("full", func(b *testing.B) {
		limiter := ratelimit.NewRateLimiter(10, 50, fixed)
		for _, caller := range callers {
			limiter.Take(caller)
		}
		next := 0
		for b.Loop() {
			limiter.Take(callers[next%flood])
			next++
		}
	})
}
