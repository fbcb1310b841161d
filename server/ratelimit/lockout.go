package ratelimit

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// Rule is a rule: after some failures further tries have to wait, each time twice as long.
type Rule struct {
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
func (rule Rule) wait(failures int) time.Duration {
	if failures <= rule.free {
		return 0
	}
	wait := firstWait
	for doubled := rule.free + 1; doubled < failures && wait < rule.most; doubled++ {
		wait *= 2
	}
	return min(wait, rule.most)
}

// Lockout counts failures. The store counts for all instances together; what this one learned of it stays in memory, so
// that to ask costs no operation, and neither does success: an instance that knows nothing of a wait learns of it by the
// next failure.
type Lockout struct {
	engine storage.Engine
	now    func() time.Time

	mu    sync.Mutex
	known map[Key]storage.Throttle // guarded by mu
}

// Key is whose failures are counted: an address, a client, an account of a directory, under a rule.
type Key struct {
	Directory string
	Rule      Rule
	Name      string
}

// none is the count of who never failed. The name, which may be an address or a username, is a digest there.
func (who Key) none() storage.Throttle {
	return storage.Throttle{Directory: who.Directory, Rule: who.Rule.name, Subject: storage.Digest(who.Rule.name, who.Name)}
}

// NewLockout returns a lockout that counts in the store.
func NewLockout(engine storage.Engine, now func() time.Time) *Lockout {
	return &Lockout{engine: engine, now: now, known: map[Key]storage.Throttle{}}
}

// Wait returns for how long one has to wait yet, as far as this instance knows.
func (t *Lockout) Wait(who Key) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := t.known[who].BlockedUntil.Sub(t.now())
	if wait > who.Rule.most+storage.ClockBound {
		return 0 // The clock was set back: the next failure counts from now.
	}
	return max(0, wait)
}

// StoredWait is waits, but asks the store, for what is tried so rarely that a read is cheap: the passwords of people.
func (t *Lockout) StoredWait(ctx context.Context, who Key) (time.Duration, error) {
	entry, err := storage.Get[storage.Throttle](ctx, t.engine, who.none().Document().ID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return 0, err
	}
	if err == nil {
		t.learn(who, entry.Record)
	}
	return t.Wait(who), nil
}

// Failed counts a failure and returns for how long one has to wait now. While the store is out of reach this
// instance counts alone.
func (t *Lockout) Failed(ctx context.Context, who Key) time.Duration {
	return t.note(ctx, who, func(count storage.Throttle) storage.Throttle { return t.next(who.Rule, count) })
}

// Refresh takes the store operations of failed, and changes nothing of a count that this instance knows.
func (t *Lockout) Refresh(ctx context.Context, who Key) {
	known := t.remembered(who)
	t.note(ctx, who, func(count storage.Throttle) storage.Throttle {
		if count.Failures == 0 {
			return known
		}
		return count
	})
}

// note writes what becomes of a count, even when the caller hangs up, and returns for how long one has to wait.
func (t *Lockout) note(ctx context.Context, who Key, change func(storage.Throttle) storage.Throttle) time.Duration {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
	defer cancel()
	counted, err := t.write(ctx, who.none(), change)
	if err != nil {
		counted = change(t.remembered(who))
	}
	t.learn(who, counted)
	return t.Wait(who)
}

// write changes the count that the store has, or none.
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

// next is a count after one more failure.
func (t *Lockout) next(rule Rule, count storage.Throttle) storage.Throttle {
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
func (t *Lockout) remembered(who Key) storage.Throttle {
	t.mu.Lock()
	defer t.mu.Unlock()
	count, ok := t.known[who]
	if !ok || !t.now().Before(count.ExpiresAt) {
		return who.none()
	}
	return count
}

func (t *Lockout) learn(who Key, count storage.Throttle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.known[who]
	if ok && known.BlockedUntil.After(count.BlockedUntil) && !storage.MadeAhead(known.FailedAt, t.now()) {
		return // What is learned late may be older.
	}
	if !ok && len(t.known) >= throttlesKept {
		now := t.now()
		endpoint.Evict(t.known, throttlesKept, func(count storage.Throttle) bool { return !now.Before(count.BlockedUntil) })
	}
	t.known[who] = count
}

// Network is what an address is counted as: of IPv6 the /64, because whoever has one address has all of those. Where no
// address is known all callers are counted as one.
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

// Caller is one try to authenticate.
type Caller struct {
	Directory string
	Client    string
	Network   string
}

// byAddress counts the failed authentications from one network, whichever client they name. A network can be many callers.
func byAddress() Rule { return Rule{name: "client_address", free: 60, most: 5 * time.Minute} }

// byClient counts the failed authentications of one client whose secret was chosen, from addresses where it never succeeded.
func byClient() Rule { return Rule{name: "client", free: 20, most: time.Minute} }

// byClientAtAddress counts those from an address where it succeeded.
func byClientAtAddress() Rule {
	return Rule{name: "client_at_address", free: 20, most: time.Minute}
}

// AddressKey is the key that counts the failures of the caller's network.
func (c Caller) AddressKey() Key { return Key{c.Directory, byAddress(), c.Network} }

// ByClientAtAddress is the key that counts the failures of the caller's client at its network.
func (c Caller) ByClientAtAddress() Key {
	return Key{c.Directory, byClientAtAddress(), storage.Digest(c.Client, c.Network)}
}

// ClientKey is the key that counts the failures of the caller's client.
func (c Caller) ClientKey() Key { return Key{c.Directory, byClient(), c.Client} }
