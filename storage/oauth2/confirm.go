package oauth2

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// confirmer is an engine whose Get may return data older than an acknowledged write: briefly around a failover, while two servers
// act as the primary. Confirm is a slower Get that is always current.
type confirmer interface {
	Confirm(ctx context.Context, kind storage.Kind, id string) (storage.Document, error)
}

// confirmed is an engine whose Get calls Confirm.
type confirmed struct {
	storage.Engine
	confirmer
}

// Get implements storage.Engine.
func (c confirmed) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	return c.Confirm(ctx, kind, id)
}

// load returns the grant of a genuine handle or token, from the request's memory if possible, or ErrNoGrant. A missing grant is
// read once more by Confirm, because a genuine handle means that the grant was stored.
func (s *Store) load(ctx context.Context, id string) (*unit, error) {
	u, err := s.findGrant(ctx, s.Engine, id)
	if !errors.Is(err, ErrNoGrant) {
		return u, err
	}
	if engine, ok := s.Engine.(confirmer); ok {
		return s.findGrant(ctx, confirmed{s.Engine, engine}, id)
	}
	return nil, err
}

// findGrant is load for a grant that may never have existed.
func (s *Store) findGrant(ctx context.Context, engine storage.Engine, id string) (*unit, error) {
	r, err := requestFrom(ctx)
	if err != nil {
		return nil, err
	}
	if u := r.unit(id); u != nil {
		return u, nil
	}
	entry, err := read(ctx, engine, storage.Key(r.directory(), id))
	if err == nil {
		entry, err = s.bound(ctx, engine, entry)
	}
	if err != nil {
		return nil, err
	}
	u := &unit{readAt: s.now()}
	s.reconcile(u, entry)
	return r.remember(id, u), nil
}

// consistentEngine returns an engine whose Get is always current.
func (s *Store) consistentEngine() storage.Engine {
	if engine, ok := s.Engine.(confirmer); ok {
		return confirmed{s.Engine, engine}
	}
	return s.Engine
}

// confirm reads a stored grant once more if the engine's Get may be too old.
func (s *Store) confirm(ctx context.Context, u *unit) error {
	engine, ok := s.Engine.(confirmer)
	if !ok || u.next != nil {
		return nil
	}
	g := u.grant()
	entry, err := read(ctx, confirmed{s.Engine, engine}, storage.Key(g.Directory, g.ID))
	if err != nil {
		return err
	}
	s.reconcile(u, entry)
	return nil
}

// read reads a grant, or ErrNoGrant.
func read(ctx context.Context, engine storage.Engine, key string) (*storage.Entry[storage.Grant], error) {
	entry, err := storage.Get[storage.Grant](ctx, engine, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, ended("grant is absent")
	}
	if err != nil {
		return nil, fmt.Errorf("oauth2: grant: %w", err)
	}
	return entry, nil
}
