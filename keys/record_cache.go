package keys

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/minifed/minifed/storage"
)

// reloadPause is the least time between two reads of one document on behalf of requests that show something unknown.
const reloadPause = time.Second

// recordCache holds this process's copies of all documents of one kind, parsed. Readers never wait and never see the store; one
// loader at a time replaces the copies, in the background or for a miss. What could not be read stays as it was, with its age.
type recordCache[R storage.Record, V any] struct {
	engine storage.Engine
	now    func() time.Time
	logger *slog.Logger
	parse  func(R) (V, error)

	current atomic.Pointer[map[string]cachedRecord[V]]
	// turn holds one token; the goroutine that takes it may load.
	turn chan struct{}
	// tried is when each document was last read for something unknown, and how that failed; guarded by turn.
	tried map[string]attempt
	// broken is the revision of each document that could not be parsed; guarded by turn.
	broken map[string]string
}

// cachedRecord is one copy.
type cachedRecord[V any] struct {
	value V
	rev   string
	// readAt is when reading it began, on the wall clock: a process that was suspended has old copies.
	readAt time.Time
	// readAlone says that it was read by itself: other documents of its directory may be missing here.
	readAlone bool
}

type attempt struct {
	at  time.Time
	err error
}

func newRecordCache[R storage.Record, V any](config Config, parse func(R) (V, error)) *recordCache[R, V] {
	c := &recordCache[R, V]{
		engine: config.Engine, now: config.Now, logger: config.Logger, parse: parse,
		turn: make(chan struct{}, 1), tried: map[string]attempt{},
		broken: map[string]string{},
	}
	c.current.Store(&map[string]cachedRecord[V]{})
	c.turn <- struct{}{}
	return c
}

// get returns the copy of a document.
func (c *recordCache[R, V]) get(id string) (cachedRecord[V], bool) {
	copied, ok := (*c.current.Load())[id]
	return copied, ok
}

// all returns every copy by document ID; it must not be changed.
func (c *recordCache[R, V]) all() map[string]cachedRecord[V] { return *c.current.Load() }

func (c *recordCache[R, V]) clock() time.Time { return c.now().Round(0) }

func (c *recordCache[R, V]) lock(ctx context.Context) error {
	select {
	case <-c.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, context.Cause(ctx))
	}
}

func (c *recordCache[R, V]) unlock() { c.turn <- struct{}{} }

// refresh reads every document of the kind.
func (c *recordCache[R, V]) refresh(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	readAt := c.clock()
	next := map[string]cachedRecord[V]{}
	var zero R
	query := storage.Query{Kind: zero.Document().Kind, Limit: storage.MaxPage}
	for {
		page, err := c.engine.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			if copied, ok, _ := c.cachedRecordOf(doc, readAt); ok {
				copied.readAlone = false
				next[doc.ID] = copied
			}
		}
		if page.Next == "" {
			break
		}
		query.After = page.Next
	}
	c.current.Store(&next)
	clear(c.tried)
	return nil
}

// cachedRecordOf parses a document, unless the copy at hand is of the same revision. With an error comes the copy at hand, if any, as
// old as it is; the error is logged once for each revision.
func (c *recordCache[R, V]) cachedRecordOf(doc storage.Document, readAt time.Time) (copied cachedRecord[V], ok bool, err error) {
	prior, ok := c.get(doc.ID)
	if ok && prior.rev == doc.Rev {
		prior.readAt = readAt
		return prior, true, nil
	}
	var record R
	if err = storage.Decode(doc.Body, &record); err == nil {
		copied = cachedRecord[V]{rev: doc.Rev, readAt: readAt}
		copied.value, err = c.parse(record)
	}
	if err == nil {
		return copied, true, nil
	}
	if c.broken[doc.ID] != doc.Rev {
		c.broken[doc.ID] = doc.Rev
		c.logger.Error("keys: record cannot be used", "kind", doc.Kind, "id", doc.ID, "error", err)
	}
	return prior, ok, err
}

// reload reads one document now. It returns storage.ErrNotFound if it does not exist.
func (c *recordCache[R, V]) reload(ctx context.Context, id string) (cachedRecord[V], error) {
	if err := c.lock(ctx); err != nil {
		return cachedRecord[V]{}, err
	}
	defer c.unlock()
	return c.load(ctx, id)
}

// reloadOnce is reload, but at most once in reloadPause for each document: in between, it returns the same error or the cached
// copy.
func (c *recordCache[R, V]) reloadOnce(ctx context.Context, id string) (cachedRecord[V], error) {
	if err := c.lock(ctx); err != nil {
		return cachedRecord[V]{}, err
	}
	defer c.unlock()
	last, ok := c.tried[id]
	if !ok || c.clock().Sub(last.at).Abs() >= reloadPause {
		copied, err := c.load(ctx, id)
		if ctx.Err() == nil { // a cancelled context concerns this caller only
			c.tried[id] = attempt{at: c.clock(), err: err}
		}
		return copied, err
	}
	if last.err != nil {
		return cachedRecord[V]{}, last.err
	}
	copied, ok := c.get(id)
	if !ok {
		return cachedRecord[V]{}, storage.ErrNotFound
	}
	return copied, nil
}

func (c *recordCache[R, V]) load(ctx context.Context, id string) (cachedRecord[V], error) {
	var zero R
	readAt := c.clock()
	doc, err := c.engine.Get(ctx, zero.Document().Kind, id)
	if err != nil {
		return cachedRecord[V]{}, err
	}
	prior, known := c.get(id)
	copied, ok, err := c.cachedRecordOf(doc, readAt)
	if !ok {
		return cachedRecord[V]{}, err
	}
	copied.readAlone = !known || prior.readAlone
	c.put(id, copied)
	return copied, nil
}

// complete notes that these documents, and no others, are what the store has of a directory.
func (c *recordCache[R, V]) complete(ctx context.Context, ids []string) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	next := maps.Clone(c.all())
	for _, id := range ids {
		if copied, ok := next[id]; ok {
			copied.readAlone = false
			next[id] = copied
		}
	}
	c.current.Store(&next)
	return nil
}

func (c *recordCache[R, V]) put(id string, copied cachedRecord[V]) {
	next := maps.Clone(c.all())
	next[id] = copied
	c.current.Store(&next)
}

// run refreshes until ctx ends, more often than every: the jitter, read from random, spreads the instances. A failure is logged
// when it begins and when it ends.
func (c *recordCache[R, V]) run(ctx context.Context, every time.Duration, random io.Reader) {
	failing := false
	timer := time.NewTimer(jittered(every, random))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		attempt, cancel := context.WithTimeout(ctx, every)
		err := c.refresh(attempt)
		cancel()
		if ctx.Err() != nil {
			return
		}
		c.report(err, &failing)
		timer.Reset(jittered(every, random))
	}
}

func (c *recordCache[R, V]) report(err error, failing *bool) {
	var zero R
	switch {
	case err != nil && !*failing:
		c.logger.Warn("keys: copies cannot be refreshed", "kind", zero.Document().Kind, "error", err)
	case err == nil && *failing:
		c.logger.Info("keys: copies are fresh again", "kind", zero.Document().Kind)
	}
	*failing = err != nil
}

// jittered returns a duration between a half and four fifths of every.
func jittered(every time.Duration, random io.Reader) time.Duration {
	var b [1]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		b[0] = 128
	}
	return every/2 + every*3/10*time.Duration(b[0])/255
}
