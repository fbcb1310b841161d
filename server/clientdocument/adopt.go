package clientdocument

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// incarnationSize is the number of random bytes of an incarnation.
const incarnationSize = 10

// Adopt stores a client that a user consents to, and returns its record: a client with a document, or one that registered itself
// and is deleted otherwise. Other clients are returned as they are.
func (c *Clients) Adopt(ctx context.Context, client storage.Client) (storage.Client, error) {
	switch {
	case client.Origin == storage.OriginDocument && client.Incarnation == "":
		return c.insert(ctx, client)
	case client.Origin == storage.OriginRegistered && !client.UnusedUntil.IsZero():
		return c.preserve(ctx, client)
	default:
		return client, nil
	}
}

// insert stores a client with a document. If another user consented first, that record counts.
func (c *Clients) insert(ctx context.Context, client storage.Client) (storage.Client, error) {
	key := storage.Key(client.Directory, client.ID)
	issuer, err := c.config.Catalog.Directories.Get(ctx, client.Directory)
	if err != nil {
		return client, err
	}
	if err := c.config.Limit(ctx, issuer.Directory); err != nil {
		return client, err
	}
	if client.Incarnation, err = endpoint.RandomString(c.config.Random, incarnationSize); err != nil {
		return client, err
	}
	client.CreatedAt = storage.Instant(c.config.Now())
	client.UpdatedAt = client.CreatedAt
	_, err = storage.Insert(ctx, c.config.Engine, client)
	if errors.Is(err, storage.ErrExists) {
		entry, err := storage.Get[storage.Client](ctx, c.config.Engine, key)
		if err != nil {
			return client, err
		}
		client = entry.Record
	} else if err != nil {
		return client, err
	}
	_, err = c.FreshClient(ctx, client.Directory, client.ID) // The next request of this browser finds it.
	return client, err
}

// preserve removes the end of a client that registered itself.
func (c *Clients) preserve(ctx context.Context, client storage.Client) (storage.Client, error) {
	for range replaceAttempts {
		entry, err := storage.Get[storage.Client](ctx, c.config.Engine, storage.Key(client.Directory, client.ID))
		if err != nil || entry.Record.UnusedUntil.IsZero() {
			return client, err
		}
		next := entry.Record
		next.UnusedUntil = time.Time{}
		_, err = entry.Replace(ctx, c.config.Engine, next)
		if err == nil {
			_, err = c.FreshClient(ctx, client.Directory, client.ID)
			return next, err
		}
		if !errors.Is(err, storage.ErrConflict) {
			return client, err
		}
	}
	return client, fmt.Errorf("clientdocument: %w: too many writers", storage.ErrUnavailable)
}
