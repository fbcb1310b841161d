package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/storage"
)

// publishedSet is the encoded JWK Set of a directory, good for these revisions until a key leaves it.
type publishedSet struct {
	revisions string
	until     time.Time
	body      []byte
}

// Public implements Signer. It never waits for the store when the directory's keys are cached, however old they are, and returns
// ErrNoKey for a directory without keys.
func (r *Ring) Public(ctx context.Context, directory string) (jose.JSONWebKeySet, error) {
	sets, _, err := r.published(ctx, directory)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	set, _ := publicKeys(sets, r.config.Now())
	return set, nil
}

// JWKS returns the encoding of Public (RFC 7517 §5): the same bytes as long as they are the same keys. They must not be changed.
func (r *Ring) JWKS(ctx context.Context, directory string) ([]byte, error) {
	sets, revisions, err := r.published(ctx, directory)
	if err != nil {
		return nil, err
	}
	now := r.config.Now()
	if known, ok := r.sets.Load(directory); ok {
		known, _ := known.(*publishedSet)
		if known.revisions == revisions && (known.until.IsZero() || now.Before(known.until)) {
			return known.body, nil
		}
	}
	set, until := publicKeys(sets, now)
	body, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("keys: encode JWK Set: %w", err)
	}
	r.sets.Store(directory, &publishedSet{revisions: revisions, until: until, body: body})
	return body, nil
}

// published returns the key sets of a directory in the order of Algorithms, and what their revisions are together.
func (r *Ring) published(ctx context.Context, directory string) (sets []*keySet, revisions string, err error) {
	alone := false
	for _, name := range Algorithms() {
		if copied, ok := r.cache.get(storage.Key(directory, name)); ok {
			sets = append(sets, copied.value)
			revisions += name + copied.rev + " "
			alone = alone || copied.readAlone
		}
	}
	if len(sets) > 0 && !alone {
		return sets, revisions, nil
	}
	read, readRevisions, err := r.readAll(ctx, directory)
	if err != nil && len(sets) > 0 {
		return sets, revisions, nil // An old copy is better than an error.
	}
	return read, readRevisions, err
}

// readAll is published by the store: the keys at hand are those of some algorithms, as when one was asked for that this process
// did not know yet.
func (r *Ring) readAll(ctx context.Context, directory string) (sets []*keySet, revisions string, err error) {
	var found []string
	for _, name := range Algorithms() {
		id := storage.Key(directory, name)
		copied, err := r.cache.reload(ctx, id)
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return nil, "", err
		default:
			sets = append(sets, copied.value)
			revisions += name + copied.rev + " "
			found = append(found, id)
		}
	}
	if len(sets) == 0 {
		return nil, "", fmt.Errorf("%w in this directory", ErrNoKey)
	}
	return sets, revisions, r.cache.complete(ctx, found)
}

// publicKeys returns the JWK Set at now and when the first key leaves it; zero is never.
func publicKeys(sets []*keySet, now time.Time) (published jose.JSONWebKeySet, until time.Time) {
	for _, set := range sets {
		for _, key := range set.keys {
			if !key.published(now) {
				continue
			}
			published.Keys = append(published.Keys, key.public)
			if !key.removeAt.IsZero() && (until.IsZero() || key.removeAt.Before(until)) {
				until = key.removeAt
			}
		}
	}
	return published, until
}
