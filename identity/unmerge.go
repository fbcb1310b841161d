package identity

import (
	"context"
	"errors"
	"slices"

	"github.com/minifed/minifed/storage"
)

// Unmerge undoes a merge by the ID of its audit entry: afterwards the two are separate users again, each with the links and
// the data that were its own, and every grant and session of both has ended. What was added to the survivor since stays
// with the survivor. A merge of the survivor into a third user must be undone first (ErrMergedFurther). Undoing twice is no
// error.
//
// The links move back first, while they lead to the survivor still, through the alias; the write that decides makes the
// alias a user again; and last the survivor gives back what it gained.
func (s *Service) Unmerge(ctx context.Context, directory, audit, actor string) error {
	plan, err := s.mergePlan(ctx, directory, audit)
	if err != nil {
		return err
	}
	survivor, alias := plan.Details[detailSurvivor], plan.Details[detailAlias]
	pair, err := s.exactly(ctx, directory, survivor, alias)
	if err != nil {
		return err
	}
	merged := pair[1].Status == storage.UserAlias && pair[1].AliasOf == survivor
	switch {
	case !merged && !slices.Contains(pair[0].Aliases, alias):
		return nil
	case pair[0].Status == storage.UserAlias:
		return ErrMergedFurther
	}
	if err := s.record(ctx, actor, ActionUnmerge, pair[0], map[string]string{detailAlias: alias, "merge": audit}); err != nil {
		return err
	}
	if merged {
		if err := s.separate(ctx, pair[0], alias); err != nil {
			return err
		}
	}
	if err := s.giveBack(ctx, pair[1], survivor, plan); err != nil {
		return err
	}
	return s.closeCandidate(ctx, directory, pairID(survivor, alias), CandidateUndone)
}

// exactly reads users by their own IDs, aliases or not. A deleted one is ErrUnknownUser.
func (s *Service) exactly(ctx context.Context, directory string, ids ...string) ([]storage.User, error) {
	users := make([]storage.User, 0, len(ids))
	for _, id := range ids {
		user, err := storage.Get[storage.User](ctx, s.engine, storage.Key(directory, id))
		if errors.Is(err, storage.ErrNotFound) || err == nil && user.Record.Status == storage.UserDeleted {
			return nil, ErrUnknownUser
		}
		if err != nil {
			return nil, wrap("read user", err)
		}
		users = append(users, user.Record)
	}
	return users, nil
}

// separate moves the links that the merge moved back to the alias, and then makes it a user again.
func (s *Service) separate(ctx context.Context, survivor storage.User, alias string) error {
	links, err := s.linksOf(ctx, survivor.Directory, survivor.ID)
	if err != nil {
		return err
	}
	for _, link := range links {
		if err := s.moveBack(ctx, link, alias); err != nil {
			return err
		}
	}
	return s.changeExactly(ctx, survivor.Directory, alias, func(user *storage.User) bool {
		if user.Status != storage.UserAlias || user.AliasOf != survivor.ID {
			return false
		}
		user.Status, user.AliasOf = survivor.Status, ""
		user.Epoch++
		return true
	})
}

// moveBack undoes move. A link that somebody else has changed meanwhile is no longer the merge's.
func (s *Service) moveBack(ctx context.Context, link *storage.Entry[storage.Identity], alias string) error {
	from := link.Record.MergedFrom
	if len(from) == 0 || from[len(from)-1] != alias {
		return nil
	}
	next := link.Record
	next.User, next.MergedFrom = alias, slices.Clone(from[:len(from)-1])
	if err := s.putLink(ctx, link, next); err != nil && !lost(err) {
		return err
	}
	return nil
}

// giveBack takes from the survivor what it gained, unless it has changed since, and ends its grants and sessions, which
// the other may have used.
func (s *Service) giveBack(ctx context.Context, alias storage.User, survivor string, plan storage.AuditEntry) error {
	return s.changeExactly(ctx, alias.Directory, survivor, func(user *storage.User) bool {
		at := slices.Index(user.Aliases, alias.ID)
		if at >= 0 {
			user.Aliases = slices.Delete(slices.Clone(user.Aliases), at, at+1)
		}
		for _, gift := range gifts(user, &alias) {
			if gift.planned(plan) && gift.given() {
				gift.take()
			}
		}
		user.Epoch++
		return true
	})
}
