package identity

import (
	"context"
	"errors"

	"github.com/minifed/minifed/storage"
)

// UpdateSearchNames writes the users that an earlier version listed by another name, once per store. It returns the error of a store
// that failed; the next start begins again. Users who change at the same time get their name by that change.
func (s *Service) UpdateSearchNames(ctx context.Context) error {
	_, err := storage.Get[storage.UserNames](ctx, s.engine, storage.UserNamesID)
	if !errors.Is(err, storage.ErrNotFound) {
		return wrap("read the state of search names", err)
	}
	for query := (storage.Query{Limit: storage.MaxPage}); ; {
		users, next, err := storage.List[storage.User](ctx, s.engine, query)
		if err != nil {
			return wrap("list users", err)
		}
		for _, user := range users {
			if err := s.updateSearchName(ctx, user); err != nil {
				return err
			}
		}
		if query.After = next; next == "" {
			break
		}
	}
	_, err = storage.Insert(ctx, s.engine, storage.UserNames{CreatedAt: s.now()})
	if errors.Is(err, storage.ErrExists) { // Another instance was first.
		return nil
	}
	return wrap("store the state of search names", err)
}

func (s *Service) updateSearchName(ctx context.Context, user *storage.Entry[storage.User]) error {
	if user.HasName() {
		return nil
	}
	_, err := user.Replace(ctx, s.engine, user.Record)
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return wrap("store the search name of a user", err)
}
