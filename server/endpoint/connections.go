package endpoint

import (
	"context"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Connections reads the connections of directories, at most cacheLife old.
type Connections struct {
	cache *Cache[[]storage.Connection]
}

// maxConnections bounds the connections that are read of a directory. Operators cannot create as many.
const maxConnections = 64

// NewConnections returns the connections of a store.
func NewConnections(engine storage.Engine, now func() time.Time) *Connections {
	return &Connections{newCache(now, func(ctx context.Context, directory string) ([]storage.Connection, error) {
		entries, _, err := storage.List[storage.Connection](ctx, engine, storage.Query{Order: storage.ByCreated, Owner: directory, Limit: maxConnections})
		connections := make([]storage.Connection, len(entries))
		for i, entry := range entries {
			connections[i] = entry.Record
		}
		return connections, err
	})}
}

// OfKind returns the oldest enabled connection of a kind, or storage.ErrNotFound.
func (c *Connections) OfKind(ctx context.Context, issuer *oauth2.Issuer, kind storage.ConnectionKind) (storage.Connection, error) {
	return c.find(ctx, issuer, func(connection storage.Connection) bool { return !connection.Disabled && connection.Kind == kind })
}

// Connection returns an enabled connection by its AppID, or storage.ErrNotFound.
func (c *Connections) Connection(ctx context.Context, issuer *oauth2.Issuer, appID string) (storage.Connection, error) {
	return c.find(ctx, issuer, func(connection storage.Connection) bool { return !connection.Disabled && connection.AppID == appID })
}

// Registered returns a connection by its AppID, also a disabled one, or storage.ErrNotFound.
func (c *Connections) Registered(ctx context.Context, issuer *oauth2.Issuer, appID string) (storage.Connection, error) {
	return c.find(ctx, issuer, func(connection storage.Connection) bool { return connection.AppID == appID })
}

// find returns the first connection that fits. A connection of a deleted directory with the same ID does not.
func (c *Connections) find(ctx context.Context, issuer *oauth2.Issuer, fits func(storage.Connection) bool) (storage.Connection, error) {
	connections, err := c.cache.Get(ctx, issuer.Directory.ID)
	if err != nil {
		return storage.Connection{}, err
	}
	for _, connection := range connections {
		if connection.DirectoryIncarnation == issuer.Directory.Incarnation && fits(connection) {
			return connection, nil
		}
	}
	return storage.Connection{}, storage.ErrNotFound
}
