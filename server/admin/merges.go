package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// MergeCandidates returns one page of a directory's pairs of accounts that look like one person, newest first, and the start of
// the next page. Decided pairs are included; their state says so.
func (s *Service) MergeCandidates(ctx context.Context, directory string, page Page) ([]storage.MergeCandidate, string, error) {
	if err := s.Allowed(directory, ActUserRead); err != nil {
		return nil, "", err
	}
	if _, err := s.directory(ctx, directory); err != nil {
		return nil, "", err
	}
	return list[storage.MergeCandidate](ctx, s, page.query(directory, storage.ByCreatedDescending))
}

// AcceptMerge merges the two users of a merge candidate: the older one survives.
func (s *Service) AcceptMerge(ctx context.Context, directory, candidate string) (identity.Merged, error) {
	if err := s.Allowed(directory, ActUserMerge); err != nil {
		return identity.Merged{}, err
	}
	return merged(s.config.Identity.AcceptCandidate(s.traced(ctx), directory, candidate, "", s.config.Actor.Name))
}

// DismissMerge says that the two users of a merge candidate are different people.
func (s *Service) DismissMerge(ctx context.Context, directory, candidate string) error {
	if err := s.Allowed(directory, ActDismissMerge); err != nil {
		return err
	}
	return mergeError(s.config.Identity.DismissCandidate(s.traced(ctx), directory, candidate, s.config.Actor.Name))
}

// MergeUsers merges two users: the older one survives, the other becomes an alias.
func (s *Service) MergeUsers(ctx context.Context, directory, one, other string) (identity.Merged, error) {
	if err := s.Allowed(directory, ActUserMerge); err != nil {
		return identity.Merged{}, err
	}
	if directory == storage.OperatorsDirectory {
		return identity.Merged{}, fmt.Errorf("%w: operators are not merged: an audit entry must name one person", ErrRefused)
	}
	return merged(s.config.Identity.Merge(s.traced(ctx), directory, one, other, s.config.Actor.Name))
}

// UndoMerge separates two merged users again; id is what the merge returned as Audit, or the ID of the user that it turned into an
// alias.
func (s *Service) UndoMerge(ctx context.Context, directory, id string) error {
	if err := s.Allowed(directory, ActUserUnmerge); err != nil {
		return err
	}
	err := s.config.Identity.Unmerge(s.traced(ctx), directory, id, s.config.Actor.Name)
	if !errors.Is(err, identity.ErrUnknownMerge) {
		return mergeError(err)
	}
	merge, err := s.config.Identity.MergeOf(ctx, directory, id)
	if err != nil {
		return mergeError(err)
	}
	return mergeError(s.config.Identity.Unmerge(s.traced(ctx), directory, merge, s.config.Actor.Name))
}

func merged(done *identity.Merged, err error) (identity.Merged, error) {
	if err != nil {
		return identity.Merged{}, mergeError(err)
	}
	return *done, nil
}

// mergeError says what an error of a merge means to an operator.
func mergeError(err error) error {
	switch {
	case errors.Is(err, identity.ErrUnknownMerge):
		return fmt.Errorf("this merge or merge candidate %w", ErrNotFound)
	case errors.Is(err, identity.ErrUnknownUser):
		return fmt.Errorf("one of the two users %w; a WeChat user without an account must sign in first", ErrNotFound)
	case errors.Is(err, identity.ErrSameUser):
		return fmt.Errorf("%w: the two are one user already", ErrRefused)
	case errors.Is(err, identity.ErrUserDisabled):
		return fmt.Errorf("%w: one of the two is disabled; a merge lifts no ban", ErrRefused)
	case errors.Is(err, identity.ErrDeletionPending):
		return fmt.Errorf("%w: one of the two waits for deletion; restore that user first", ErrRefused)
	case errors.Is(err, identity.ErrMergeOver):
		return fmt.Errorf("%w: the merge is more than 30 days old, and can no longer be undone", ErrRefused)
	case errors.Is(err, identity.ErrMergedFurther):
		return fmt.Errorf("%w: the survivor was merged further; undo that merge first", ErrRefused)
	default:
		return err
	}
}
