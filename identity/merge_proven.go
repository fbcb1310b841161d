package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// MethodPerson is the proof of a merge by the person, who proved to be both users.
const MethodPerson = "person"

// MergeProven merges two users of one directory that one person has proven to be. Both are as seen at their proofs: it returns
// ErrChanged, and merges nothing, if a proof is no longer valid. Two merges of the same users at once are one merge.
func (s *Service) MergeProven(ctx context.Context, one, other storage.User) (*Merged, error) {
	cause := mergeCause{candidate: pairID(one.ID, other.ID), proof: MethodPerson, proven: []storage.User{one, other}}
	return s.mergeUsers(ctx, one.Directory, one.ID, other.ID, cause, Self(one.ID))
}

// PreviewProven returns what MergeProven would do, or the error that it would return.
func (s *Service) PreviewProven(ctx context.Context, one, other storage.User) (*MergePreview, error) {
	preview, err := s.previewMerge(ctx, one.Directory, one.ID, other.ID)
	if err != nil {
		return nil, err
	}
	return preview, checkProven([]storage.User{one, other}, preview.Survivor, preview.Alias)
}

// checkProven returns ErrChanged unless each user is as the person proved it.
func checkProven(proven []storage.User, users ...storage.User) error {
	for _, user := range users {
		if !slices.ContainsFunc(proven, func(seen storage.User) bool { return sameProof(user, seen) }) {
			return ErrChanged
		}
	}
	return nil
}

// UndoPeriod is how long a merge can be undone.
const UndoPeriod = 30 * 24 * time.Hour

// checkUndoable returns ErrMergeOver for a merge that is too old to be undone.
func (s *Service) checkUndoable(plan storage.AuditEntry) error {
	if s.now().After(plan.CreatedAt.Add(UndoPeriod)) {
		return ErrMergeOver
	}
	return nil
}

// UndoableMerge is a merge into a user that can still be undone.
type UndoableMerge struct {
	// Alias is the user that was merged, and Audit the merge, as Unmerge takes it.
	Alias storage.User
	Audit string
	// At is when the users were merged, and Until how long the merge can be undone.
	At, Until time.Time
}

// UndoableMerges returns the merges into a user that can still be undone, oldest first. It reads each merged user, so it is for pages
// only.
func (s *Service) UndoableMerges(ctx context.Context, user storage.User) ([]UndoableMerge, error) {
	merges := []UndoableMerge{}
	for _, former := range user.FormerIDs {
		if !slices.Contains(user.Aliases, former.ID) {
			continue
		}
		alias, err := storage.Get[storage.User](ctx, s.engine, storage.Key(user.Directory, former.ID))
		if err != nil {
			return nil, wrap("read user", err)
		}
		if alias.Record.Status != storage.UserAlias || alias.Record.AliasOf != user.ID || alias.Record.MergePlan == "" {
			continue
		}
		plan, err := s.mergePlan(ctx, user.Directory, alias.Record.MergePlan)
		if err != nil {
			return nil, err
		}
		if s.checkUndoable(plan) == nil {
			merges = append(merges, UndoableMerge{Alias: alias.Record, Audit: plan.ID, At: plan.CreatedAt, Until: plan.CreatedAt.Add(UndoPeriod)})
		}
	}
	return merges, nil
}

// addFormerID records that the ID of alias, and those of the users merged into it not long ago, became those of survivor.
func (s *Service) addFormerID(survivor *storage.User, alias storage.User) {
	former := append(slices.Clone(survivor.FormerIDs), alias.FormerIDs...)
	former = append(former, storage.FormerID{ID: alias.ID, At: s.now()})
	former = slices.DeleteFunc(former, func(id storage.FormerID) bool { return !id.IsShown(s.now()) })
	survivor.FormerIDs = former[max(0, len(former)-storage.MaxFormerIDs):]
}

// removeFormerID undoes addFormerID.
func removeFormerID(survivor *storage.User, alias storage.User) {
	survivor.FormerIDs = slices.DeleteFunc(slices.Clone(survivor.FormerIDs), func(former storage.FormerID) bool {
		return former.ID == alias.ID || slices.ContainsFunc(alias.FormerIDs, func(of storage.FormerID) bool { return of.ID == former.ID })
	})
}

// mergeWorker is the actor of the completion of an undone merge, in the audit.
const mergeWorker = "system:merge"

// CompleteMerge completes the merge that turned a user into an alias, or the reversal that turned it into a user again, after a crash in
// between. It does nothing for other users. The background work of the server calls it after the write that decided.
func (s *Service) CompleteMerge(ctx context.Context, user storage.User) error {
	if user.MergePlan == "" {
		return nil
	}
	var err error
	switch user.Status {
	case storage.UserAlias:
		_, err = s.resumeMerge(ctx, user.Directory, user.ID)
	case storage.UserDeleted:
	default:
		err = s.Unmerge(ctx, user.Directory, user.MergePlan, mergeWorker)
	}
	if errors.Is(err, ErrSameUser) || errors.Is(err, ErrUnknownUser) || errors.Is(err, ErrUnknownMerge) || errors.Is(err, ErrMergedFurther) {
		return nil // It was completed, or one of the two was deleted.
	}
	return err
}

// forgetPlan ends the reversal of a merge: nothing is left to complete.
func (s *Service) forgetPlan(ctx context.Context, directory, id, plan string) error {
	return s.changeExactly(ctx, directory, id, func(_ context.Context, user *storage.User) (bool, error) {
		if user.Status == storage.UserAlias || user.MergePlan != plan {
			return false, nil
		}
		user.MergePlan = ""
		return true, nil
	})
}
