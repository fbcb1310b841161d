package endpoint

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/storage"
)

const (
	// cacheLife is the maximum age of a directory or client in memory: the time until a change by an operator takes effect
	// everywhere.
	cacheLife = 5 * time.Second
	// cacheSize bounds the entries of one cache.
	cacheSize = 4096
	// loadTimeout bounds one load. The load serves all waiting callers and does not end when one of them disconnects.
	loadTimeout = 5 * time.Second
)

// Cache holds records in memory for cacheLife. It never holds misses, so that a new record works at once. Concurrent callers
// of the same record share one read.
type Cache[V any] struct {
	now  func() time.Time
	load func(ctx context.Context, key string) (V, error)

	flights singleflight.Group
	mu      sync.RWMutex
	entries *bounded.Map[string, cached[V]] // guarded by mu
}

type cached[V any] struct {
	value V
	at    time.Time
}

func newCache[V any](now func() time.Time, load func(context.Context, string) (V, error)) *Cache[V] {
	return &Cache[V]{now: now, load: load, entries: bounded.New[string, cached[V]](cacheSize)}
}

// Get returns the value of key, at most cacheLife old.
func (c *Cache[V]) Get(ctx context.Context, key string) (V, error) {
	if entry, ok := c.entry(key); ok && c.now().Sub(entry.at).Abs() < cacheLife {
		return entry.value, nil
	}
	return c.fresh(ctx, key)
}

// fresh reads the value of key from the store and caches it.
func (c *Cache[V]) fresh(ctx context.Context, key string) (V, error) {
	loaded, err, _ := c.flights.Do(key, func() (any, error) { return c.fetch(ctx, key) })
	if err != nil {
		var none V
		return none, err
	}
	value, _ := loaded.(V)
	return value, nil
}

// getStale is get, but returns the last known value of any age while the store is unavailable.
func (c *Cache[V]) getStale(ctx context.Context, key string) (V, error) {
	value, err := c.Get(ctx, key)
	if !errors.Is(err, storage.ErrUnavailable) {
		return value, err
	}
	if entry, ok := c.entry(key); ok {
		return entry.value, nil
	}
	return value, err
}

func (c *Cache[V]) fetch(ctx context.Context, key string) (V, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	at := c.now() // Before the read, so that a change during the read does not extend the entry's life.
	value, err := c.load(ctx, key)
	if err != nil {
		if errors.Is(err, storage.ErrNotFound) {
			c.forget(key)
		}
		return value, err
	}
	c.store(key, cached[V]{value, at})
	return value, nil
}

func (c *Cache[V]) entry(key string) (cached[V], bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries.Get(key)
}

func (c *Cache[V]) store(key string, entry cached[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Put(key, entry, entry.at, entry.at.Add(cacheLife))
}

func (c *Cache[V]) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Delete(key)
}
