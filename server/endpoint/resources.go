package endpoint

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Resources reads the resources of directories, at most cacheLife old.
type Resources struct {
	records *Cache[*storage.Resource]
	// optional also holds misses, as nil.
	optional *Cache[*storage.Resource]
}

// NewResources returns the resources of a store.
func NewResources(engine storage.Engine, now func() time.Time) *Resources {
	read := func(ctx context.Context, key string) (*storage.Resource, error) {
		entry, err := storage.Get[storage.Resource](ctx, engine, key)
		if err != nil {
			return nil, err
		}
		return &entry.Record, nil
	}
	return &Resources{
		records: newCache(now, read),
		optional: newCache(now, func(ctx context.Context, key string) (*storage.Resource, error) {
			found, err := read(ctx, key)
			if errors.Is(err, storage.ErrNotFound) {
				return nil, nil
			}
			return found, err
		}),
	}
}

// Find returns the resource with an identifier, also a disabled one, or storage.ErrNotFound. The result is shared and must not be
// changed.
func (c *Resources) Find(ctx context.Context, issuer *oauth2.Issuer, identifier string) (*storage.Resource, error) {
	return ofDirectory(issuer)(c.records.Get(ctx, storage.ResourceKey(issuer.Directory.ID, identifier)))
}

// FindAudience is Find for an audience that needs no record. It caches for cacheLife that there is none, so that such
// audiences cost no read at every request.
func (c *Resources) FindAudience(ctx context.Context, issuer *oauth2.Issuer, audience string) (*storage.Resource, error) {
	return ofDirectory(issuer)(c.optional.Get(ctx, storage.ResourceKey(issuer.Directory.ID, audience)))
}

// ByID is Find with the ID of a resource.
func (c *Resources) ByID(ctx context.Context, issuer *oauth2.Issuer, id string) (*storage.Resource, error) {
	const idSize = 43
	if len(id) != idSize {
		return nil, storage.ErrNotFound
	}
	return ofDirectory(issuer)(c.records.Get(ctx, storage.Key(issuer.Directory.ID, id)))
}

// ofDirectory returns a function that replaces a resource of a deleted directory with the same ID by storage.ErrNotFound.
func ofDirectory(issuer *oauth2.Issuer) func(*storage.Resource, error) (*storage.Resource, error) {
	return func(found *storage.Resource, err error) (*storage.Resource, error) {
		if err == nil && (found == nil || found.DirectoryIncarnation != issuer.Directory.Incarnation) {
			return nil, storage.ErrNotFound
		}
		return found, err
	}
}
