package ratelimit

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func newManualClock() *storagetest.Clock { return storagetest.NewClock(time.Unix(1_700_000_000, 0)) }

func testRule() Rule { return Rule{name: "test", freeFailures: 3, maxWait: 8 * time.Second} }

func TestLockout_FailureDoublesWait(t *testing.T) {
	clock := newManualClock()
	throttles := NewLockout(storagetest.NewMemory(clock.Now), clock.Now, nil)
	who := Key{"default", testRule(), "203.0.113.9/32"}
	for i, want := range []time.Duration{0, 0, 0, 1, 2, 4, 8, 8, 8} {
		if got := throttles.Failed(t.Context(), who); got != want*time.Second {
			t.Errorf("failure %d: wait %v, want %d s", i+1, got, want)
		}
	}
	clock.Advance(3 * time.Second)
	if got := throttles.Wait(who); got != 5*time.Second {
		t.Errorf("3 s later: wait %v", got)
	}
	for _, other := range []Key{{"acme", testRule(), who.Name}, {"default", Rule{name: "other"}, who.Name}, {"default", testRule(), "203.0.113.8/32"}} {
		if got := throttles.Wait(other); got != 0 {
			t.Errorf("%v waits %v for another one's failures", other, got)
		}
	}
	clock.Advance(8*time.Second + defaultForgetAfter)
	if got := throttles.Failed(t.Context(), who); got != 0 {
		t.Errorf("after %v the failures are not forgotten: wait %v", defaultForgetAfter, got)
	}
}

func TestLockout_InstancesShareCounts(t *testing.T) {
	clock := newManualClock()
	engine := storagetest.NewMemory(clock.Now)
	one, other := NewLockout(engine, clock.Now, nil), NewLockout(engine, clock.Now, nil)
	who := Key{"default", testRule(), "alice"}
	for range 4 {
		one.Failed(t.Context(), who)
	}
	if got := other.Wait(who); got != 0 {
		t.Errorf("before it reads a failure the other instance waits %v", got)
	}
	if got := other.Failed(t.Context(), who); got != 2*time.Second {
		t.Errorf("the fifth failure, at the other instance: wait %v", got)
	}
	third := NewLockout(engine, clock.Now, nil)
	if got, err := third.StoredWait(t.Context(), who); err != nil || got != 2*time.Second {
		t.Errorf("an instance that looks: wait %v, %v", got, err)
	}
}

func TestLockout_CountsConcurrentFailures(t *testing.T) {
	clock := newManualClock()
	engine := storagetest.NewMemory(clock.Now)
	instances := []*Lockout{NewLockout(engine, clock.Now, nil), NewLockout(engine, clock.Now, nil)}
	who := Key{"default", Rule{name: "test", freeFailures: 100, maxWait: time.Minute}, "alice"}
	const racing = 8 // as many as countAttempts: each conflicts with the others at most
	var group sync.WaitGroup
	for i := range racing {
		group.Go(func() { instances[i%2].Failed(t.Context(), who) })
	}
	group.Wait()
	entry, err := storage.Get[storage.Throttle](t.Context(), engine, who.emptyCount().Document().ID)
	if err != nil || entry.Record.Failures != racing {
		t.Errorf("counted %d of %d, %v", entry.Record.Failures, racing, err)
	}
}

func TestLockout_CountsWithoutStoreAndAfterDisconnect(t *testing.T) {
	clock := newManualClock()
	hooks := &storagetest.Hooks{Engine: storagetest.NewMemory(clock.Now)}
	throttles := NewLockout(hooks, clock.Now, nil)
	who := Key{"default", testRule(), "alice"}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	throttles.Failed(gone, who)
	if _, err := storage.Get[storage.Throttle](t.Context(), hooks, who.emptyCount().Document().ID); err != nil {
		t.Errorf("a caller who hung up was not counted: %v", err)
	}
	hooks.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	for range 4 {
		throttles.Failed(t.Context(), who)
	}
	if got := throttles.Wait(who); got != 2*time.Second {
		t.Errorf("after five failures: wait %v", got)
	}
	if _, err := throttles.StoredWait(t.Context(), who); err == nil {
		t.Error("the check does not report the store outage")
	}
}

func TestLockout_MemoryIsBounded(t *testing.T) {
	clock := newManualClock()
	throttles := NewLockout(storagetest.NewMemory(clock.Now), clock.Now, nil)
	rule := Rule{name: "test", freeFailures: 0, maxWait: time.Minute}
	for i := range maxCachedCounts + 100 {
		s := Key{"default", rule, fmt.Sprint(i)}
		throttles.cache(s, throttles.next(rule, s.emptyCount()))
	}
	if n := throttles.cached.Len(); n > maxCachedCounts {
		t.Errorf("%d counts are stored", n)
	}
}

func TestLockout_CountsIPv6ByNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.9": "203.0.113.9/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Network(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is counted as %q, want %q", address, got, want)
		}
	}
	if got := Network(netip.Addr{}); got != "" {
		t.Errorf("an unknown address is counted as %q", got)
	}
}

func TestRateLimiter_AllowsBurstThenRate(t *testing.T) {
	clock := newManualClock()
	p := NewRateLimiter(10, 5, clock.Now)
	for i := range 5 {
		if wait := p.Take(Caller{Client: "a"}); wait != 0 {
			t.Errorf("request %d waits %v", i+1, wait)
		}
	}
	if wait := p.Take(Caller{Client: "a"}); wait != 100*time.Millisecond {
		t.Errorf("the sixth waits %v", wait)
	}
	if wait := p.Take(Caller{Client: "b"}); wait != 0 {
		t.Errorf("another caller waits %v", wait)
	}
	clock.Advance(100 * time.Millisecond)
	if wait := p.Take(Caller{Client: "a"}); wait != 0 {
		t.Errorf("after its wait it waits %v", wait)
	}
	if wait := p.Take(Caller{Client: "a"}); wait != 100*time.Millisecond {
		t.Errorf("the next waits %v", wait)
	}
	clock.Advance(time.Hour)
	for i := range 5 {
		if wait := p.Take(Caller{Client: "a"}); wait != 0 {
			t.Errorf("after a pause, request %d waits %v", i+1, wait)
		}
	}
	if wait := p.Take(Caller{Client: "a"}); wait == 0 {
		t.Error("a long pause gives more than a burst")
	}
	for i := range maxLimitedCallers + 100 {
		p.Take(Caller{Client: fmt.Sprint(i)})
	}
	if n := p.arrivals.Len(); n > maxLimitedCallers {
		t.Errorf("%d callers are stored", n)
	}
}
