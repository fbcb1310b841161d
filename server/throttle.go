package server

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

// throttle is a rule: after some failures further tries have to wait, each time twice as long.
type throttle struct {
	// name is the rule in the store.
	name string
	// free is how many failures cost nothing.
	free int
	// most bounds the wait, which begins with a second.
	most time.Duration
	// forgets is how long it takes to forget one failure; zero forgets all at once, after forgetAfter.
	forgets time.Duration
}

const (
	// firstWait is the wait after the first failure that is not free.
	firstWait = time.Second
	// forgetAfter is how long after its last failure, or after its last wait, a count starts anew.
	forgetAfter = 15 * time.Minute
	// countTimeout bounds the counting of one failure, which goes on when the caller hangs up.
	countTimeout = 2 * time.Second
	// countAttempts bounds how often a lost compare-and-set is tried again: each time somebody else counted.
	countAttempts = 8
	// throttlesKept bounds the counts in memory.
	throttlesKept = 8192
)

// wait is how long one has to wait after so many failures.
func (rule throttle) wait(failures int) time.Duration {
	if failures <= rule.free {
		return 0
	}
	wait := firstWait
	for doubled := rule.free + 1; doubled < failures && wait < rule.most; doubled++ {
		wait *= 2
	}
	return min(wait, rule.most)
}

// throttles counts failures. The store counts for all instances together; what this one learned of it stays in memory, so
// that to ask costs no operation, and neither does success: an instance that knows nothing of a wait learns of it by the
// next failure.
type throttles struct {
	engine storage.Engine
	now    func() time.Time

	mu    sync.Mutex
	known map[throttled]storage.Throttle // guarded by mu
}

// throttled is whose failures are counted: an address, a client, an account of a directory, under a rule.
type throttled struct {
	directory string
	rule      throttle
	name      string
}

// none is the count of who never failed. The name, which may be an address or a username, is a digest there.
func (who throttled) none() storage.Throttle {
	return storage.Throttle{Directory: who.directory, Rule: who.rule.name, Subject: storage.Digest(who.rule.name, who.name)}
}

func newThrottles(engine storage.Engine, now func() time.Time) *throttles {
	return &throttles{engine: engine, now: now, known: map[throttled]storage.Throttle{}}
}

// waits returns for how long one has to wait yet, as far as this instance knows.
func (t *throttles) waits(who throttled) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := t.known[who].BlockedUntil.Sub(t.now())
	if wait > who.rule.most+storage.ClockBound {
		return 0 // The clock was set back: the next failure counts from now.
	}
	return max(0, wait)
}

// look is waits, but asks the store, for what is tried so rarely that a read is cheap: the passwords of people.
func (t *throttles) look(ctx context.Context, who throttled) (time.Duration, error) {
	entry, err := storage.Get[storage.Throttle](ctx, t.engine, who.none().Document().ID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return 0, err
	}
	if err == nil {
		t.learn(who, entry.Record)
	}
	return t.waits(who), nil
}

// failed counts a failure and returns for how long one has to wait now. While the store is out of reach this
// instance counts alone.
func (t *throttles) failed(ctx context.Context, who throttled) time.Duration {
	return t.note(ctx, who, func(count storage.Throttle) storage.Throttle { return t.next(who.rule, count) })
}

// renew takes the store operations of failed, and changes nothing of a count that this instance knows.
func (t *throttles) renew(ctx context.Context, who throttled) {
	known := t.remembered(who)
	t.note(ctx, who, func(count storage.Throttle) storage.Throttle {
		if count.Failures == 0 {
			return known
		}
		return count
	})
}

// note writes what becomes of a count, even when the caller hangs up, and returns for how long one has to wait.
func (t *throttles) note(ctx context.Context, who throttled, change func(storage.Throttle) storage.Throttle) time.Duration {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
	defer cancel()
	counted, err := t.write(ctx, who.none(), change)
	if err != nil {
		counted = change(t.remembered(who))
	}
	t.learn(who, counted)
	return t.waits(who)
}

// write changes the count that the store has, or none.
func (t *throttles) write(
	ctx context.Context, none storage.Throttle, change func(storage.Throttle) storage.Throttle,
) (storage.Throttle, error) {
	for range countAttempts {
		entry, err := storage.Get[storage.Throttle](ctx, t.engine, none.Document().ID)
		var next storage.Throttle
		switch {
		case errors.Is(err, storage.ErrNotFound):
			next = change(none)
			_, err = storage.Insert(ctx, t.engine, next)
		case err == nil:
			next = change(entry.Record)
			_, err = entry.Replace(ctx, t.engine, next)
		}
		if err == nil || !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
			return next, err
		}
	}
	return storage.Throttle{}, storage.ErrConflict
}

// next is a count after one more failure.
func (t *throttles) next(rule throttle, count storage.Throttle) storage.Throttle {
	now := storage.Instant(t.now())
	if rule.forgets > 0 {
		forgotten := max(0, now.Sub(count.FailedAt)) / rule.forgets
		count.Failures = max(0, count.Failures-int(forgotten))
	}
	count.Failures++
	count.FailedAt = now
	count.BlockedUntil = now.Add(rule.wait(count.Failures))
	count.ExpiresAt = count.BlockedUntil.Add(forgetAfter)
	return count
}

// remembered is the count that this instance knows, or none.
func (t *throttles) remembered(who throttled) storage.Throttle {
	t.mu.Lock()
	defer t.mu.Unlock()
	count, ok := t.known[who]
	if !ok || !t.now().Before(count.ExpiresAt) {
		return who.none()
	}
	return count
}

func (t *throttles) learn(who throttled, count storage.Throttle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.known[who]
	if ok && known.BlockedUntil.After(count.BlockedUntil) && !storage.MadeAhead(known.FailedAt, t.now()) {
		return // What is learned late may be older.
	}
	if !ok && len(t.known) >= throttlesKept {
		now := t.now()
		shed(t.known, throttlesKept, func(count storage.Throttle) bool { return !now.Before(count.BlockedUntil) })
	}
	t.known[who] = count
}

// network is what an address is counted as: of IPv6 the /64, because whoever has one address has all of those. Where no
// address is known all callers are counted as one.
func network(address netip.Addr) string {
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, err := address.WithZone("").Prefix(bits)
	if err != nil || !prefix.IsValid() {
		return ""
	}
	return prefix.String()
}

// caller is one try to authenticate.
type caller struct {
	directory string
	client    string
	network   string
}

// byAddress counts the failed authentications from one network, whichever client they name. A network can be many callers.
func byAddress() throttle { return throttle{name: "client_address", free: 60, most: 5 * time.Minute} }

// byClient counts the failed authentications of one client whose secret was chosen, from addresses where it never succeeded.
func byClient() throttle { return throttle{name: "client", free: 20, most: time.Minute} }

// byClientAtAddress counts those from an address where it succeeded.
func byClientAtAddress() throttle {
	return throttle{name: "client_at_address", free: 20, most: time.Minute}
}

func (c caller) byAddress() throttled { return throttled{c.directory, byAddress(), c.network} }

func (c caller) byClientAtAddress() throttled {
	return throttled{c.directory, byClientAtAddress(), storage.Digest(c.client, c.network)}
}

func (c caller) byClient() throttled { return throttled{c.directory, byClient(), c.client} }
