package oauth2

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// confirmer is an engine whose Get may be older than a write that was acknowledged: for a moment around a failover, when two
// servers take themselves for the primary. Confirm is a Get that never is, and slower.
type confirmer interface {
	Confirm(ctx context.Context, kind storage.Kind, id string) (storage.Document, error)
}

// confirmed is an engine that gets by Confirm.
type confirmed struct {
	storage.Engine
	confirmer
}

// Get implements storage.Engine.
func (c confirmed) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	return c.Confirm(ctx, kind, id)
}

// load returns the grant that a genuine handle or token names, from the request's memory if it is there, or ErrNoGrant. One
// that is missing is looked for once more where the engine may have read too early: somebody got that handle.
func (s *Store) load(ctx context.Context, id string) (*unit, error) {
	u, err := s.look(ctx, s.Engine, id)
	if !errors.Is(err, ErrNoGrant) {
		return u, err
	}
	if engine, ok := s.Engine.(confirmer); ok {
		return s.look(ctx, confirmed{s.Engine, engine}, id)
	}
	return nil, err
}

// look is load for a grant that may never have been.
func (s *Store) look(ctx context.Context, engine storage.Engine, id string) (*unit, error) {
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
	s.see(u, entry)
	return r.remember(id, u), nil
}

// exact is an engine whose Get is never older than what was acknowledged, where there is such a difference.
func (s *Store) exact() storage.Engine {
	if engine, ok := s.Engine.(confirmer); ok {
		return confirmed{s.Engine, engine}
	}
	return s.Engine
}

// confirm reads a stored grant once more where the engine may have read too early.
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
	s.see(u, entry)
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
