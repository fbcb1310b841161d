package storage

import (
	"context"
	"sync/atomic"
	"time"
)

// ClockBound is how far the clocks of two instances of one store may be apart for their records to mean the same to both.
const ClockBound = 30 * time.Second

// MadeAhead reports whether a time of creation is more than ClockBound in the future: the clock was ahead then, or was set back
// since.
func MadeAhead(at, now time.Time) bool { return at.After(now.Add(ClockBound)) }

// IsOver reports whether a lifetime that ends at ends is over: the end is past, or the start is in the future.
func IsOver(ends time.Time, life time.Duration, now time.Time) bool {
	return !now.Before(ends) || MadeAhead(ends.Add(-life), now)
}

// MaxCorrection is the longest difference between the clocks of an instance and of the store that Clock corrects. Beyond it one of
// them is plainly wrong, and nothing says which.
const MaxCorrection = 5 * time.Minute

// minCorrection is the shortest difference that is corrected: a shorter one is of no consequence, and as long as measuring takes.
const minCorrection = time.Second

// Clock is the clock of one process, corrected by the store's where they differ, so that the times that instances write for each
// other mean the same to all of them. It is safe for concurrent use.
type Clock struct {
	now      func() time.Time
	ahead    atomic.Int64 // nanoseconds
	measured atomic.Bool
}

// NewClock returns a clock that reads now until a difference is measured.
func NewClock(now func() time.Time) *Clock { return &Clock{now: now} }

// Now is this process's time, corrected.
func (c *Clock) Now() time.Time {
	ahead := time.Duration(c.ahead.Load())
	if size := ahead.Abs(); size < minCorrection || size > MaxCorrection {
		return c.now()
	}
	return c.now().Add(ahead)
}

// Trusted reports whether Now may be gone by for what concerns other instances: it is false when the store's clock is too far away
// to be corrected by.
func (c *Clock) Trusted() bool { return time.Duration(c.ahead.Load()).Abs() <= MaxCorrection }

// Ahead is how far the store's clock was ahead of this process's when it was last measured; false before.
func (c *Clock) Ahead() (time.Duration, bool) {
	return time.Duration(c.ahead.Load()), c.measured.Load()
}

// TimeSource is an engine whose store has a clock of its own.
type TimeSource interface {
	// Time asks for the store's time.
	Time(ctx context.Context) (time.Time, error)
}

// Measure reads the store's time and corrects this clock by it. It assumes that the time is that of the middle of the call.
func (c *Clock) Measure(ctx context.Context, source TimeSource) error {
	sent := c.now()
	there, err := source.Time(ctx)
	if err != nil {
		return err
	}
	took := c.now().Sub(sent)
	c.ahead.Store(int64(there.Sub(sent.Add(took / 2))))
	c.measured.Store(true)
	return nil
}
