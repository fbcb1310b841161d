package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// consents remembers what users allowed clients to have (OpenID Connect Core §3.1.2.4).
type consents struct {
	engine storage.Engine
	now    func() time.Time
}

// remembered returns the scopes that user has allowed client, with the record to add to; the record is nil without one.
func (c consents) remembered(ctx context.Context, user storage.User, client storage.Client) ([]string, *storage.Entry[storage.Consent], error) {
	entry, err := storage.Get[storage.Consent](ctx, c.engine, storage.ConsentKey(user.Directory, user.ID, client.ID))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("server: consent: %w", err)
	}
	if entry.Record.Incarnation != client.Incarnation || entry.Record.ClientEpoch != user.ClientEpoch(client.ID) {
		return nil, entry, nil // It was given to a deleted client, or the user removed the app since.
	}
	return entry.Record.Scopes, entry, nil
}

// consentAttempts bounds how often a lost write of a consent is decided again.
const consentAttempts = 8

// remember adds scopes to what user has allowed client.
func (c consents) remember(ctx context.Context, user storage.User, client storage.Client, scopes []string) error {
	for range consentAttempts {
		before, entry, err := c.remembered(ctx, user, client)
		if err != nil {
			return err
		}
		now := storage.Instant(c.now())
		next := storage.Consent{
			Directory: user.Directory, User: user.ID, Client: client.ID, Incarnation: client.Incarnation, Scopes: union(before, scopes),
			ClientEpoch: user.ClientEpoch(client.ID), CreatedAt: now, UpdatedAt: now,
		}
		if len(next.Scopes) > storage.ConsentScopes {
			next.Scopes = union(nil, scopes)
		}
		if entry == nil {
			_, err = storage.Insert(ctx, c.engine, next)
		} else {
			next.CreatedAt = entry.Record.CreatedAt
			_, err = entry.Replace(ctx, c.engine, next)
		}
		if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("server: consent: %w: too many writers", storage.ErrUnavailable)
}

// union returns the values of both lists, sorted, each once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// missing reports whether a value of wanted is not in have.
func missing(have, wanted []string) bool {
	return slices.ContainsFunc(wanted, func(value string) bool { return !slices.Contains(have, value) })
}
