package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/storage"
)

// Rule defines a lockout: after some failures each further attempt has to wait, each time twice as long.
type Rule struct {
	// name identifies the rule in the store.
	name string
	// freeFailures is the number of failures without a wait.
	freeFailures int
	// maxWait bounds the wait, which starts at firstWait; zero is one second.
	firstWait, maxWait time.Duration
	// forgetAfter is the time after the last failure, or the end of its wait, until the count is reset; zero is 15 minutes.
	forgetAfter time.Duration
	// namesUser means that the name of a key is the ID of a user, unless it contains a space.
	namesUser bool
	// locksOut means that the failures are wrong guesses: the beginning of a wait is recorded.
	locksOut bool
	// forgetEvery is the time after which one failure is forgotten. Zero means that all are forgotten together, after forgetAfter.
	forgetEvery time.Duration
}

const (
	defaultFirstWait   = time.Second
	defaultForgetAfter = 15 * time.Minute
	// countTimeout bounds the counting of one failure, which continues after the caller disconnects.
	countTimeout = 2 * time.Second
	// countAttempts bounds the retries of a compare-and-set; each conflict means that another instance counted.
	countAttempts = 8
	// maxCachedCounts bounds the counts in memory. A full cache removes counts without a wait first, then the shortest waits.
	maxCachedCounts = 8192
)

// wait returns the wait after a number of failures.
func (rule Rule) wait(failures int) time.Duration {
	if failures <= rule.freeFailures {
		return 0
	}
	wait := cmp.Or(rule.firstWait, defaultFirstWait)
	for doubled := rule.freeFailures + 1; doubled < failures && wait < rule.maxWait; doubled++ {
		wait *= 2
	}
	return min(wait, rule.maxWait)
}

// Lockout counts failures. The store has the counts of all instances; each instance caches what it learns, so that a check or
// a success needs no store operation. An instance without a cached wait learns of it at the next failure.
type Lockout struct {
	engine storage.Engine
	now    func() time.Time
	begin  func(context.Context, Begun)

	mu     sync.Mutex
	cached *bounded.Map[Key, storage.Throttle] // guarded by mu
}

// Key identifies a count: an address, a client or an account of a directory, and a rule.
type Key struct {
	Directory string
	Rule      Rule
	Name      string
}

// target describes the key for the audit. Only an ID is shown: a typed name may be anything, also a password.
func (who Key) target() string {
	switch {
	case who.Rule.name == byClient().name:
		return "client:" + who.Name
	case who.Rule.namesUser && !strings.Contains(who.Name, " "):
		return "user:" + who.Name
	default:
		return "rule:" + who.Rule.name
	}
}

// emptyCount returns an empty count. Its name, which may be an address or a username, is stored as a digest.
func (who Key) emptyCount() storage.Throttle {
	return storage.Throttle{Directory: who.Directory, Rule: who.Rule.name, Subject: storage.Digest(who.Rule.name, who.Name)}
}

// Begun describes a lockout that begins, without the name that is locked out unless it is an ID.
type Begun struct {
	Directory, Rule string
	// Target is "user:ID" or "client:ID" where the ID is known, else "rule:NAME".
	Target string
}

// NewLockout returns a lockout that counts in the store. begin is called when a lockout begins, before the response; it may be nil.
func NewLockout(engine storage.Engine, now func() time.Time, begin func(context.Context, Begun)) *Lockout {
	return &Lockout{engine: engine, now: now, begin: begin, cached: bounded.New[Key, storage.Throttle](maxCachedCounts)}
}

// Wait returns the remaining wait, as far as this instance knows.
func (t *Lockout) Wait(who Key) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	count, _ := t.cached.Get(who)
	wait := count.BlockedUntil.Sub(t.now())
	if wait > who.Rule.maxWait+storage.ClockBound {
		return 0 // The clock was set back; the next failure counts from now.
	}
	return max(0, wait)
}

// StoredWait is Wait, but reads the store. It is for rare attempts, such as the passwords of end-users.
func (t *Lockout) StoredWait(ctx context.Context, who Key) (time.Duration, error) {
	entry, err := storage.Get[storage.Throttle](ctx, t.engine, who.emptyCount().Document().ID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return 0, err
	}
	if err == nil {
		t.cache(who, entry.Record)
	}
	return t.Wait(who), nil
}

// Failed counts a failure and returns the new wait. While the store is unavailable this instance counts in memory.
func (t *Lockout) Failed(ctx context.Context, who Key) time.Duration {
	return t.update(ctx, who, func(count storage.Throttle) storage.Throttle { return t.next(who.Rule, count) })
}

// Refresh does the store operations of Failed without changing the count.
func (t *Lockout) Refresh(ctx context.Context, who Key) {
	known := t.cachedCount(who)
	t.update(ctx, who, func(count storage.Throttle) storage.Throttle {
		if count.Failures == 0 {
			return known
		}
		return count
	})
}

// update writes a count, even after the caller disconnects, and returns the wait.
func (t *Lockout) update(ctx context.Context, who Key, change func(storage.Throttle) storage.Throttle) time.Duration {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
	defer cancel()
	before := 0
	counted, err := t.write(ctx, who.emptyCount(), func(count storage.Throttle) storage.Throttle {
		before = count.Failures
		return change(count)
	})
	if err != nil {
		counted = change(t.cachedCount(who))
	}
	t.cache(who, counted)
	if t.begin != nil && err == nil && who.Rule.locksOut && before <= who.Rule.freeFailures && counted.Failures > who.Rule.freeFailures {
		t.begin(ctx, Begun{who.Directory, who.Rule.name, who.target()})
	}
	return t.Wait(who)
}

// write updates the count in the store, or creates it.
func (t *Lockout) write(
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

// next returns a count after one more failure.
func (t *Lockout) next(rule Rule, count storage.Throttle) storage.Throttle {
	now := storage.Instant(t.now())
	if rule.forgetEvery > 0 {
		forgotten := max(0, now.Sub(count.FailedAt)) / rule.forgetEvery
		count.Failures = max(0, count.Failures-int(forgotten))
	}
	count.Failures++
	count.FailedAt = now
	count.BlockedUntil = now.Add(rule.wait(count.Failures))
	count.ExpiresAt = count.BlockedUntil.Add(cmp.Or(rule.forgetAfter, defaultForgetAfter))
	return count
}

// cachedCount returns the cached count, or an empty one.
func (t *Lockout) cachedCount(who Key) storage.Throttle {
	t.mu.Lock()
	defer t.mu.Unlock()
	count, ok := t.cached.Get(who)
	if !ok || !t.now().Before(count.ExpiresAt) {
		return who.emptyCount()
	}
	return count
}

func (t *Lockout) cache(who Key, count storage.Throttle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	known, ok := t.cached.Get(who)
	if ok && known.BlockedUntil.After(count.BlockedUntil) && !storage.MadeAhead(known.FailedAt, now) {
		return // A result that arrives late may be older.
	}
	t.cached.Put(who, count, now, count.BlockedUntil)
}

// Network returns the network of an address: for IPv6 the /64, because a subscriber has all its addresses. All callers without
// a known address share one count.
func Network(address netip.Addr) string {
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

// Caller is the source of an authentication attempt.
type Caller struct {
	Directory string
	Client    string
	Network   string
}

// byAddress counts the failed authentications from one network, for all clients together. A network can have many callers.
func byAddress() Rule {
	return Rule{name: "client_address", locksOut: true, freeFailures: 60, maxWait: 5 * time.Minute}
}

// byClient counts the failed authentications of a client with a chosen secret, from addresses where it never succeeded.
func byClient() Rule {
	return Rule{name: "client", locksOut: true, freeFailures: 20, maxWait: time.Minute}
}

// byClientAtAddress counts those from an address where it succeeded.
func byClientAtAddress() Rule {
	return Rule{name: "client_at_address", locksOut: true, freeFailures: 20, maxWait: time.Minute}
}

// AddressKey returns the key of the caller's network.
func (c Caller) AddressKey() Key { return Key{c.Directory, byAddress(), c.Network} }

// ByClientAtAddress returns the key of the caller's client at its network.
func (c Caller) ByClientAtAddress() Key {
	return Key{c.Directory, byClientAtAddress(), storage.Digest(c.Client, c.Network)}
}

// ClientKey returns the key of the caller's client.
func (c Caller) ClientKey() Key { return Key{c.Directory, byClient(), c.Client} }
