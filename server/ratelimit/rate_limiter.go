package ratelimit

import (
	"sync"
	"time"

	"github.com/minifed/minifed/server/endpoint"
)

// RateLimiter limits how many requests each of many callers makes: rate a second, and burst at once after a pause. It is kept in
// memory, for this process.
type RateLimiter struct {
	// each is the time that one request takes up.
	each time.Duration
	// ahead is how far a caller may be ahead of its rate.
	ahead time.Duration
	now   func() time.Time

	mu sync.Mutex
	// used is until when a caller has used its rate up (the generic cell rate algorithm); guarded by mu.
	used map[Caller]time.Time
}

// pacesKept bounds the callers in memory.
const pacesKept = 16384

// NewRateLimiter makes a limit of rate requests a second and burst at once.
func NewRateLimiter(rate, burst int, now func() time.Time) *RateLimiter {
	each := time.Second / time.Duration(rate)
	return &RateLimiter{each: each, ahead: each * time.Duration(burst-1), now: now, used: map[Caller]time.Time{}}
}

// Take counts one request, or returns for how long the caller has to wait before the next one is served.
func (p *RateLimiter) Take(who Caller) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	used, known := p.used[who]
	if used.Before(now) || used.Sub(now) > p.ahead+p.each { // Or the clock was set back.
		used = now
	}
	if early := used.Sub(now) - p.ahead; early > 0 {
		return early
	}
	if !known && len(p.used) >= pacesKept {
		endpoint.Evict(p.used, pacesKept, func(used time.Time) bool { return !used.After(now) })
	}
	p.used[who] = used.Add(p.each)
	return 0
}
