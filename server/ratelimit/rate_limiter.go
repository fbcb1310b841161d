package ratelimit

import (
	"sync"
	"time"

	"github.com/minifed/minifed/internal/bounded"
)

// RateLimiter limits the requests of each caller: rate per second, and burst at once after a pause. It is in memory, for this
// process.
type RateLimiter struct {
	// interval is the interval of one request.
	interval time.Duration
	// burstTolerance is the tolerance for bursts.
	burstTolerance time.Duration
	now            func() time.Time

	mu sync.Mutex
	// arrivals holds the theoretical arrival time of each caller (generic cell rate algorithm); guarded by mu.
	arrivals *bounded.Map[Caller, time.Time]
}

// maxLimitedCallers bounds the callers in memory.
const maxLimitedCallers = 16384

// NewRateLimiter returns a limiter of rate requests per second and burst at once.
func NewRateLimiter(rate, burst int, now func() time.Time) *RateLimiter {
	each := time.Second / time.Duration(rate)
	return &RateLimiter{interval: each, burstTolerance: each * time.Duration(burst-1), now: now, arrivals: bounded.New[Caller, time.Time](maxLimitedCallers)}
}

// Take counts one request, or returns how long the caller has to wait before its next one.
func (p *RateLimiter) Take(who Caller) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	used, _ := p.arrivals.Get(who)
	if used.Before(now) || used.Sub(now) > p.burstTolerance+p.interval { // The second condition means that the clock was set back.
		used = now
	}
	if early := used.Sub(now) - p.burstTolerance; early > 0 {
		return early
	}
	used = used.Add(p.interval)
	p.arrivals.Put(who, used, now, used)
	return 0
}
