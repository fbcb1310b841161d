package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/minifed/minifed/storage"
)

// DeleteClient removes a client. Its grants, consents and tokens end with it: a client that gets its ID later has another
// incarnation. Clients that name it as a linking partner name it no longer.
func (s *Service) DeleteClient(ctx context.Context, directory, id string) error {
	if err := s.Allowed(directory, ActClientDelete); err != nil {
		return err
	}
	entry, err := s.client(ctx, directory, id)
	if err != nil {
		return err
	}
	if err := s.audit(ctx, clientEntry(directory, id, ActClientDelete)); err != nil {
		return err
	}
	if err := s.removePartner(ctx, directory, id); err != nil {
		return err
	}
	if err := s.config.Engine.Delete(ctx, storage.KindClient, storage.Key(directory, id)); err != nil {
		return err
	}
	return s.releaseAppID(ctx, directory, id, entry.Record.Federation)
}

// removePartner removes a client from the linking partners of all others.
func (s *Service) removePartner(ctx context.Context, directory, partner string) error {
	for page := (Page{Limit: storage.MaxPage}); ; {
		clients, next, err := list[storage.Client](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return err
		}
		for _, client := range clients {
			if f := client.Federation; f == nil || !slices.Contains(f.LinkingPartners, partner) {
				continue
			}
			_, err := s.changeClient(ctx, directory, client.ID, "", ActClientUpdate, func(client *storage.Client) error {
				federation := *client.Federation
				federation.LinkingPartners = slices.DeleteFunc(slices.Clone(federation.LinkingPartners), func(id string) bool { return id == partner })
				client.Federation = &federation
				return nil
			})
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}
