package wechat

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// laneKey names what fails together: one API of one app. An access token that cannot be had thus never stops a login.
type laneKey struct {
	app AppID
	api string
}

// lane is the concurrency limit and the circuit breaker of one API of one app.
type lane struct {
	key     laneKey
	slots   chan struct{}
	breaker breaker
}

var (
	errFull = errors.New("too many calls in flight")
	errOpen = errors.New("left alone after repeated failures")
)

func (c *Client) lane(k call) *lane {
	key := laneKey{app: k.app.ID, api: k.api}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lanes[key]
	if l == nil {
		l = &lane{
			key:     key,
			slots:   make(chan struct{}, c.config.MaxConcurrent),
			breaker: breaker{threshold: c.config.BreakerFailures, openFor: c.config.BreakerOpen},
		}
		c.lanes[key] = l
	}
	return l
}

// enter waits for a slot and asks the breaker; when it refuses, it says for how long. The breaker is asked before the wait
// too, because the slots of an API that hangs stay taken for a while after it opened.
func (l *lane) enter(ctx context.Context, c *Client) (pass int, wait time.Duration, err error) {
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

func (l *lane) acquire(ctx context.Context, patience time.Duration) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(patience)
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

// leave frees the slot and tells the breaker how it went.
func (l *lane) leave(c *Client, pass int, outcome outcome) {
	<-l.slots
	switch l.breaker.report(c.config.Now(), pass, outcome) {
	case opened:
		c.config.Logger.Warn("wechat: circuit breaker opened", slog.String("appid", string(l.key.app)), slog.String("api", l.key.api), slog.Duration("for", c.config.BreakerOpen))
	case closed:
		c.config.Logger.Info("wechat: circuit breaker closed", slog.String("appid", string(l.key.app)), slog.String("api", l.key.api))
	case unchanged:
	}
}

// outcome is what a call says about WeChat's health.
type outcome int

const (
	healthy outcome = iota
	unhealthy
	unknown
)

// health judges a finished call. An errcode other than -1 is a sign of life, and a caller that hung up says nothing.
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

// transition is what a report did to a breaker.
type transition int

const (
	unchanged transition = iota
	opened
	closed
)

// breaker is a circuit breaker: closed until threshold failures in a row, then open, and after openFor half open: one call
// probes, and its outcome closes or opens it again. Calls carry the period they began in, so that a late answer from
// before a change is not taken for news.
type breaker struct {
	threshold int
	openFor   time.Duration

	mu       sync.Mutex
	failures int
	until    time.Time // zero while closed
	probing  bool
	period   int
}

// remaining returns how long calls are refused; 0 when one may try.
func (b *breaker) remaining(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal(now)
}

func (b *breaker) refusal(now time.Time) time.Duration {
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

// allow lets a call begin in the current period, or returns for how long calls are refused.
func (b *breaker) allow(now time.Time) (period int, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait = b.refusal(now); wait > 0 {
		return 0, wait
	}
	if !b.until.IsZero() {
		b.probing = true
		b.period++
	}
	return b.period, 0
}

// report takes the outcome of a call that began in period.
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
