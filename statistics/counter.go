package statistics

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// quarter is the time that one document covers.
	quarter = 15 * time.Minute
	// flushEvery is the interval at which changed counts are written.
	flushEvery = 10 * time.Second
	// Retention is how long counts are stored.
	Retention = 62 * 24 * time.Hour
	// maxSeries bounds the series of a process in a quarter of an hour. Counts above it are summed in one series.
	maxSeries = 4096
	// maxDocument is the maximum size of the series of one document as JSON, in bytes.
	maxDocument = 12 << 10
)

// WeChat is the method that counts the results of calls to WeChat by class. They belong to no directory.
const WeChat = "wechat"

// The methods that count checks, which every process runs each minute, by Success and Failure. They belong to no directory.
const (
	Store  = "store"
	Keys   = "keys"
	Backup = "backup"
)

// Checks are the methods of checks.
func Checks() []string { return []string{Store, Keys, Backup} }

// Success is the outcome of a sign-in that succeeded, of a call to WeChat, and of a check. Failure is that of a check.
const (
	Success = "success"
	Failure = "failure"
)

// overflow is the method of counts above maxSeries.
const overflow = "other"

// Config has the dependencies of a Counter; every field is required.
type Config struct {
	Engine storage.Engine
	Now    func() time.Time
	Random io.Reader
	Logger *slog.Logger
}

// Counter counts for one process. It is safe for concurrent use.
type Counter struct {
	config  Config
	process string

	mu sync.Mutex
	// quarters are the counts that are not written, by the beginning of their quarter of an hour.
	quarters map[time.Time]*counts
	state    State
}

// State is what a process has written, and what waits.
type State struct {
	// Written are the documents that were written, and Failures the writes that failed.
	Written, Failures int64
	// Waiting are the series whose last counts are not written.
	Waiting int
}

// State returns what this process has written, and what waits.
func (c *Counter) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state
	for _, current := range c.quarters {
		if current.changed {
			state.Waiting += len(current.series)
		}
	}
	return state
}

// counts are the counts of a quarter of an hour.
type counts struct {
	series  map[series]*[15]int64
	changed bool
}

// series is what is counted.
type series struct{ directory, method, outcome string }

// New returns a counter with a random process ID.
func New(config Config) (*Counter, error) {
	if config.Engine == nil || config.Now == nil || config.Random == nil || config.Logger == nil {
		return nil, errors.New("statistics: configuration needs Engine, Now, Random and Logger")
	}
	var raw [16]byte
	if _, err := io.ReadFull(config.Random, raw[:]); err != nil {
		return nil, fmt.Errorf("statistics: randomness: %w", err)
	}
	process := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:]))
	return &Counter{config: config, process: process, quarters: map[time.Time]*counts{}}, nil
}

// Count counts one event now. Method and outcome are constants of the code. It does not wait for the store.
func (c *Counter) Count(directory, method, outcome string) {
	now := c.config.Now().UTC()
	begin := now.Truncate(quarter)
	key := series{directory, method, outcome}
	c.mu.Lock()
	defer c.mu.Unlock()
	current := c.quarters[begin]
	if current == nil {
		current = &counts{series: map[series]*[15]int64{}}
		c.quarters[begin] = current
	}
	minutes := current.series[key]
	if minutes == nil {
		if len(current.series) >= maxSeries {
			key = series{"", overflow, overflow}
		}
		if minutes = current.series[key]; minutes == nil {
			minutes = new([15]int64)
			current.series[key] = minutes
		}
	}
	minutes[int(now.Sub(begin)/time.Minute)]++
	current.changed = true
}

// Run writes the counts until ctx ends. Flush writes the rest.
func (c *Counter) Run(ctx context.Context) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := c.Flush(ctx); err != nil && ctx.Err() == nil {
			c.config.Logger.WarnContext(ctx, "the statistics wait for the store", "cause", err.Error())
		}
	}
}

// Flush writes the counts that changed. It removes a quarter of an hour that is over from memory.
func (c *Counter) Flush(ctx context.Context) error {
	var failures error
	for begin, records := range c.takeChanged() {
		if err := c.write(ctx, records); err != nil {
			failures = errors.Join(failures, err)
			c.again(begin)
			continue
		}
		c.drop(begin, len(records))
	}
	return failures
}

// takeChanged returns the documents of the changed quarters, and marks these as written.
func (c *Counter) takeChanged() map[time.Time][]storage.Statistics {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := map[time.Time][]storage.Statistics{}
	for begin, current := range c.quarters {
		if current.changed {
			taken[begin], current.changed = c.documents(begin, current), false
		}
	}
	return taken
}

// again marks a quarter as not written.
func (c *Counter) again(begin time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quarters[begin].changed = true
	c.state.Failures++
}

// drop removes a quarter that is over, after its documents were written.
func (c *Counter) drop(begin time.Time, documents int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Written += int64(documents)
	if current := c.quarters[begin]; !current.changed && c.config.Now().After(begin.Add(quarter+flushEvery)) {
		delete(c.quarters, begin)
	}
}

// documents returns the records of a quarter: one, or more if they exceed maxDocument. All are replaced together, so a series may
// move to another record.
func (c *Counter) documents(begin time.Time, current *counts) []storage.Statistics {
	var all []storage.Statistics
	size := maxDocument + 1
	for _, key := range slices.SortedFunc(maps.Keys(current.series), compare) {
		minutes := map[string]int64{}
		for i, count := range current.series[key] {
			if count > 0 {
				minutes[fmt.Sprint(i)] = count
			}
		}
		if size > maxDocument {
			all = append(all, storage.Statistics{
				Process: c.process, Part: len(all), CreatedAt: begin, ExpiresAt: begin.Add(Retention),
				Counts: map[string]map[string]map[string]map[string]int64{},
			})
			size = 0
		}
		size += len(key.directory) + len(key.method) + len(key.outcome) + 20 + 12*len(minutes)
		put(all[len(all)-1].Counts, key, minutes)
	}
	return all
}

func put(counts map[string]map[string]map[string]map[string]int64, key series, minutes map[string]int64) {
	if counts[key.directory] == nil {
		counts[key.directory] = map[string]map[string]map[string]int64{}
	}
	if counts[key.directory][key.method] == nil {
		counts[key.directory][key.method] = map[string]map[string]int64{}
	}
	counts[key.directory][key.method][key.outcome] = minutes
}

// writeAttempts bounds the retries of a replacement. Only an unknown outcome of this process can conflict.
const writeAttempts = 4

// write replaces the documents of a quarter as a whole.
func (c *Counter) write(ctx context.Context, records []storage.Statistics) error {
	for _, record := range records {
		if err := replace(ctx, c.config.Engine, record); err != nil {
			return err
		}
	}
	return nil
}

func replace(ctx context.Context, engine storage.Engine, record storage.Statistics) error {
	for range writeAttempts {
		_, err := storage.Insert(ctx, engine, record)
		if !errors.Is(err, storage.ErrExists) {
			return err
		}
		entry, err := storage.Get[storage.Statistics](ctx, engine, record.Document().ID)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err = entry.Replace(ctx, engine, record); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return storage.ErrUnavailable
}
