package admin

import (
	"context"
	"slices"

	"github.com/minifed/minifed/storage"
)

// newestUsers is how many users SignedInBy looks at, and newestGrants how many grants of each.
const (
	newestUsers  = 20
	newestGrants = 5
)

// SignedInBy reports whether one of the newest users of a directory has signed in by one of the clients. It is for the first sign-in
// by new clients.
func (s *Service) SignedInBy(ctx context.Context, directory string, clients ...string) (bool, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return false, err
	}
	users, _, err := list[storage.User](ctx, s, Page{Limit: newestUsers}.query(directory, storage.ByCreatedDescending))
	if err != nil {
		return false, err
	}
	for _, user := range users {
		grants, _, err := list[storage.Grant](ctx, s, Page{Limit: newestGrants}.query(storage.Key(directory, user.ID), storage.ByCreatedDescending))
		if err != nil {
			return false, err
		}
		for _, grant := range grants {
			if slices.Contains(clients, grant.Client) && grant.State == storage.GrantActive {
				return true, nil
			}
		}
	}
	return false, nil
}
