package clockwatch

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/storage"
)

const (
	// clockEvery is the interval at which clocks are compared.
	clockEvery = 10 * time.Second
	// clockTimeout is the timeout of one request for the store's time.
	clockTimeout = 5 * time.Second
)

// Watch compares the clock of this machine with the clock of the store and with a monotonic clock. It logs a difference of more than
// storage.ClockBound.
type Watch struct {
	clock *storage.Clock
	// source is nil for a store without a clock.
	source storage.TimeSource
	now    func() time.Time
	logger *slog.Logger
	ahead  prometheus.Gauge
	jumps  prometheus.Counter

	// steady returns a reading of the monotonic clock.
	steady func() time.Duration
	// last and lastSteady are the previous readings.
	last       time.Time
	lastSteady time.Duration
	// off reports whether the clocks differed at the last comparison.
	off bool
}

// New returns a Watch and registers its metrics.
func New(clock *storage.Clock, store storage.Engine, now func() time.Time, logger *slog.Logger, registry prometheus.Registerer) (*Watch, error) {
	started := time.Now()
	w := &Watch{
		clock: clock, now: now, logger: logger, last: now().Round(0), steady: func() time.Duration { return time.Since(started) },
	}
	w.source, _ = store.(storage.TimeSource)
	w.ahead = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "minifed_clock_offset_seconds", Help: "How far the store's clock is ahead of this instance's; 0 where the store has none.",
	})
	w.jumps = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "minifed_clock_jumps_total", Help: "How often this instance's clock was set by more than 30 seconds.",
	})
	for _, metric := range []prometheus.Collector{w.ahead, w.jumps} {
		if err := registry.Register(metric); err != nil {
			return nil, err
		}
	}
	w.report()
	return w, nil
}

// Run compares until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	ticker := time.NewTicker(clockEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w.compare(ctx)
	}
}

// compare compares the clocks once. It ignores a store that does not respond.
func (w *Watch) compare(ctx context.Context) {
	w.compareWithSteady()
	if w.source == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	if w.clock.Measure(ctx, w.source) == nil {
		w.report()
	}
}

// compareWithSteady detects that the clock was set: wall time and monotonic time advanced differently.
func (w *Watch) compareWithSteady() {
	now, steady := w.now().Round(0), w.steady()
	set := now.Sub(w.last) - (steady - w.lastSteady)
	w.last, w.lastSteady = now, steady
	if set.Abs() > storage.ClockBound {
		w.jumps.Inc()
		w.logger.Warn("the clock of this machine was set, or the machine was suspended", "by", set.Round(time.Second))
	}
}

// report logs when the clocks begin to differ too much, and when they agree again.
func (w *Watch) report() {
	ahead, measured := w.clock.Ahead()
	if !measured {
		return
	}
	w.ahead.Set(ahead.Seconds())
	off := ahead.Abs() > storage.ClockBound
	switch {
	case off && !w.off:
		w.logger.Warn("clocks differ: synchronize the time of this machine and of the store (NTP)", "store_ahead", ahead.Round(time.Second),
			"corrected", w.clock.Trusted(), "bound", storage.ClockBound)
	case !off && w.off:
		w.logger.Info("clocks agree again", "store_ahead", ahead.Round(time.Millisecond))
	}
	w.off = off
}

// WrittenAhead returns how far in the future a SQLite store was last written; 0 if it was not, or does not exist.
func WrittenAhead(file string, now time.Time) time.Duration {
	ahead := time.Duration(0)
	for _, name := range []string{file, file + "-wal"} {
		info, err := os.Stat(name)
		if err == nil && file != "" {
			ahead = max(ahead, info.ModTime().Sub(now))
		}
	}
	if ahead <= storage.ClockBound {
		return 0
	}
	return ahead.Round(time.Second)
}

// WarnWrittenAhead logs that the store was last written in the future.
func WarnWrittenAhead(logger *slog.Logger, file string, now time.Time) {
	if ahead := WrittenAhead(file, now); ahead > 0 {
		logger.Warn("the store was last written in the future: the clock was ahead then, or is behind now; see that it is synchronized (NTP)",
			"file", file, "ahead", fmt.Sprint(ahead))
	}
}
