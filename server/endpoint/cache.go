package endpoint

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/minifed/minifed/storage"
)

const (
	// cacheLife is how old a directory or client in memory may be: the time until a change of an operator holds everywhere.
	cacheLife = 5 * time.Second
	// cacheSize bounds the entries of one cache.
	cacheSize = 4096
	// loadTimeout bounds one load, which serves all who wait for it, whoever of them hangs up.
	loadTimeout = 5 * time.Second
)

// Cache keeps records in memory for cacheLife. Misses are never kept, so what an operator creates works at once, and
// callers that want the same record share one read.
type Cache[V any] struct {
	now  func() time.Time
	load func(ctx context.Context, key string) (V, error)

	flights singleflight.Group
	mu      sync.RWMutex
	entries map[string]cached[V] // guarded by mu
}

type cached[V any] struct {
	value V
	at    time.Time
}

func newCache[V any](now func() time.Time, load func(context.Context, string) (V, error)) *Cache[V] {
	return &Cache[V]{now: now, load: load, entries: map[string]cached[V]{}}
}

// Get returns the value of key, at most cacheLife old.
func (c *Cache[V]) Get(ctx context.Context, key string) (V, error) {
	if entry, ok := c.entry(key); ok && c.now().Sub(entry.at).Abs() < cacheLife {
		return entry.value, nil
	}
	return c.fresh(ctx, key)
}

// fresh returns the value of key that the store has now, and keeps it.
func (c *Cache[V]) fresh(ctx context.Context, key string) (V, error) {
	loaded, err, _ := c.flights.Do(key, func() (any, error) { return c.fetch(ctx, key) })
	if err != nil {
		var none V
		return none, err
	}
	value, _ := loaded.(V)
	return value, nil
}

// getStale is get, but while the store is down it returns the value last known, however old.
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
	at := c.now() // Before the read: a change during it makes the copy older, not newer.
	value, err := c.load(ctx, key)
	if err != nil {
		if errors.Is(err, storage.ErrNotFound) {
			c.forget(key)
		}
		return value, err
	}
	c.keep(key, cached[V]{value, at})
	return value, nil
}

func (c *Cache[V]) entry(key string) (cached[V], bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	entry, ok := c.entries[key]
	return entry, ok
}

func (c *Cache[V]) keep(key string, entry cached[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[key]; !known && len(c.entries) >= cacheSize {
		Evict(c.entries, cacheSize, func(old cached[V]) bool { return entry.at.Sub(old.at).Abs() >= cacheLife })
	}
	c.entries[key] = entry
}

func (c *Cache[V]) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}
