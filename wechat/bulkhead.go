package wechat

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// bulkheadKey identifies calls that fail together: one API of one app. So an unavailable access token never stops a login.
type bulkheadKey struct {
	app AppID
	api string
}

// bulkhead is the concurrency limit and the circuit breaker of one API of one app.
type bulkhead struct {
	key     bulkheadKey
	slots   chan struct{}
	breaker breaker
}

var (
	errFull = errors.New("too many calls in flight")
	errOpen = errors.New("the circuit breaker is open after repeated failures")
)

func (c *Client) bulkhead(k call) *bulkhead {
	key := bulkheadKey{app: k.app.ID, api: k.api}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.bulkheads[key]
	if l == nil {
		l = &bulkhead{
			key:     key,
			slots:   make(chan struct{}, c.config.MaxConcurrent),
			breaker: breaker{threshold: c.config.BreakerFailures, openFor: c.config.BreakerOpen},
		}
		c.bulkheads[key] = l
	}
	return l
}

// enter waits for a slot and checks the breaker; when the breaker is open, it returns the time to wait. The breaker is also
// checked before the wait, because the slots of an API that hangs stay in use after it opened.
func (l *bulkhead) enter(ctx context.Context, c *Client) (pass int, wait time.Duration, err error) {
	if wait = l.breaker.remaining(c.config.Now()); wait > 0 {
		return 0, wait, errOpen
	}
	if err = l.acquire(ctx, c.config.ConnectTimeout); err != nil {
		return 0, time.Second, err
	}
	if pass, wait = l.breaker.allow(c.config.Now()); wait > 0 {
		<-l.slots
		return 0, wait, errOpen
	}
	return pass, 0, nil
}

func (l *bulkhead) acquire(ctx context.Context, timeout time.Duration) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return errFull
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave frees the slot and reports the outcome to the breaker.
func (l *bulkhead) leave(c *Client, pass int, outcome outcome) {
	<-l.slots
	switch l.breaker.report(c.config.Now(), pass, outcome) {
	case opened:
		c.config.Logger.Warn("wechat: circuit breaker opened", slog.String("appid", string(l.key.app)), slog.String("api", l.key.api), slog.Duration("for", c.config.BreakerOpen))
	case closed:
		c.config.Logger.Info("wechat: circuit breaker closed", slog.String("appid", string(l.key.app)), slog.String("api", l.key.api))
	case unchanged:
	}
}

// outcome is what a call shows about WeChat's availability.
type outcome int

const (
	healthy outcome = iota
	unhealthy
	unknown
)

// health returns the outcome of a finished call. An errcode other than -1 is healthy; a call that the caller canceled is
// unknown.
func health(ctx context.Context, failure *Error) outcome {
	switch {
	case failure == nil:
		return healthy
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown
	case failure.Class == ClassBusy, failure.Class == ClassUnsent, failure.Class == ClassAmbiguous:
		return unhealthy
	default:
		return healthy
	}
}

// transition is the change of a breaker's state by a report.
type transition int

const (
	unchanged transition = iota
	opened
	closed
)

// breaker is a circuit breaker: closed until threshold failures in a row, then open, and half open after openFor. In the
// half-open state one call probes, and its outcome closes or opens the breaker. A call has the number of the period in which it
// began, so that a late response from an earlier period is ignored.
type breaker struct {
	threshold int
	openFor   time.Duration

	mu       sync.Mutex
	failures int
	until    time.Time // zero while closed
	probing  bool
	period   int
}

// remaining returns how long calls are rejected; 0 when a call may try.
func (b *breaker) remaining(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.remainingAt(now)
}

func (b *breaker) remainingAt(now time.Time) time.Duration {
	switch {
	case b.until.IsZero():
		return 0
	case b.probing:
		return time.Second
	default:
		left := b.until.Sub(now)
		if left > b.openFor {
			return 0 // The clock was set back.
		}
		return max(0, left)
	}
}

// allow starts a call in the current period, or returns how long calls are rejected.
func (b *breaker) allow(now time.Time) (period int, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait = b.remainingAt(now); wait > 0 {
		return 0, wait
	}
	if !b.until.IsZero() {
		b.probing = true
		b.period++
	}
	return b.period, 0
}

// report applies the outcome of a call that began in period.
func (b *breaker) report(now time.Time, period int, o outcome) transition {
	b.mu.Lock()
	defer b.mu.Unlock()
	if period != b.period {
		return unchanged
	}
	wasProbe := b.probing
	b.probing = false
	switch o {
	case healthy:
		b.failures = 0
		if !wasProbe {
			return unchanged
		}
		b.until = time.Time{}
		b.period++
		return closed
	case unhealthy:
		b.failures++
		if b.failures < b.threshold {
			return unchanged
		}
		b.until = now.Add(b.openFor)
		b.period++
		return opened
	default:
		return unchanged
	}
}
