package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// claimAppID reserves the AppID of a client before the client is written. If another client of the directory has it, the error
// is an *Invalid that names that client. The claim decides between two concurrent writes; the list of clients finds clients
// that were created before claims existed.
func (s *Service) claimAppID(ctx context.Context, client storage.Client) error {
	if client.Federation == nil {
		return nil
	}
	if err := s.checkAppIDFree(ctx, client); err != nil {
		return err
	}
	claim := storage.AppIDClaim{Directory: client.Directory, AppID: client.Federation.AppID, Client: client.ID, ClaimedAt: s.now()}
	for range attempts {
		_, err := storage.Insert(ctx, s.config.Engine, claim)
		if !errors.Is(err, storage.ErrExists) {
			return err
		}
		current, err := storage.Get[storage.AppIDClaim](ctx, s.config.Engine, claim.Document().ID)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.checkAppIDClaim(ctx, current.Record, client.ID); err != nil {
			return err
		}
		if _, err = current.Replace(ctx, s.config.Engine, claim); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("AppID of %s %w", clientName(client.Directory, client.ID), ErrChanged)
}

// checkAppIDFree looks for another client of the directory, or a connection, that has the AppID.
func (s *Service) checkAppIDFree(ctx context.Context, client storage.Client) error {
	if err := s.checkNotConnection(ctx, client.Directory, client.Federation.AppID); err != nil {
		return err
	}
	for page := (Page{Limit: storage.MaxPage}); ; {
		clients, next, err := list[storage.Client](ctx, s, page.query(client.Directory, storage.ByCreated))
		if err != nil {
			return err
		}
		for _, other := range clients {
			if SameMiniProgram(other, client) {
				return appIDTaken(other.ID)
			}
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}

// SameMiniProgram reports whether two different clients of one directory have the same AppID.
func SameMiniProgram(one, other storage.Client) bool {
	return one.Directory == other.Directory && one.ID != other.ID && one.Federation != nil && other.Federation != nil &&
		one.Federation.AppID == other.Federation.AppID
}

// checkAppIDClaim rejects an AppID whose claim is still valid.
func (s *Service) checkAppIDClaim(ctx context.Context, claim storage.AppIDClaim, client string) error {
	if claim.Client == client {
		return nil
	}
	holder, err := storage.Get[storage.Client](ctx, s.config.Engine, storage.Key(claim.Directory, claim.Client))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err == nil && holder.Record.Federation != nil && holder.Record.Federation.AppID == claim.AppID {
		return appIDTaken(claim.Client)
	}
	if s.now().Sub(claim.ClaimedAt) >= claimTime {
		return nil
	}
	return fmt.Errorf("%w: client %q is being given this AppID at this moment; try again in a minute", ErrRefused, claim.Client)
}

func appIDTaken(client string) error {
	var p problems
	p.add("app_id", "is the AppID of client %q of this directory; a mini-program is one client, whose secret its backends share", client)
	return p.err()
}

// releaseAppID gives an AppID back that a client does not have, or does not have any more.
func (s *Service) releaseAppID(ctx context.Context, directory, client string, federation *storage.Federation) error {
	if federation == nil {
		return nil
	}
	claim, err := storage.Get[storage.AppIDClaim](ctx, s.config.Engine, storage.Key(directory, federation.AppID))
	if errors.Is(err, storage.ErrNotFound) || err == nil && claim.Record.Client != client {
		return nil
	}
	if err != nil {
		return err
	}
	holder, err := storage.Get[storage.Client](ctx, s.config.Engine, storage.Key(directory, client))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err == nil && holder.Record.Federation != nil && holder.Record.Federation.AppID == federation.AppID {
		return nil
	}
	released := claim.Record
	released.ClaimedAt = released.ClaimedAt.Add(-claimTime) // It does not stand any more.
	_, err = claim.Replace(ctx, s.config.Engine, released)
	if errors.Is(err, storage.ErrConflict) { // Another client has it now.
		return nil
	}
	return err
}
