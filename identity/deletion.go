package identity

import (
	"context"
	"time"

	"github.com/minifed/minifed/storage"
)

// RequestDeletion ends every grant and session of a user, and blocks sign-ins until the user is deleted after the directory's
// storage.Policy.DeletionGrace. Only RestoreDeleted cancels that; a sign-in returns *DeletionPendingError. A repeated request changes nothing.
// A disabled user remains disabled.
func (s *Service) RequestDeletion(ctx context.Context, directory, id, actor string) (*storage.Entry[storage.User], error) {
	current, err := existing(s.directories.Directory(ctx, directory))
	if err != nil {
		return nil, err
	}
	return s.change(ctx, directory, id, actor, ActionDeleteRequest, func(user *storage.User) (bool, error) {
		if !user.DeletionDueAt.IsZero() {
			return false, nil
		}
		if err := mayEdit(*user, actor); err != nil {
			return false, err
		}
		user.DeletionRequestedAt = s.now()
		user.DeletionDueAt = user.DeletionRequestedAt.Add(current.Policy.DeletionGrace())
		if user.Status == storage.UserActive {
			user.Status = storage.UserDeletionPending
		}
		s.endAll(user)
		return true, nil
	})
}

// RestoreDeleted cancels the deletion of a user who is not deleted yet. The caller has a new proof of the user, or is an operator.
// A user who is disabled too can only be restored by an operator, and remains disabled.
func (s *Service) RestoreDeleted(ctx context.Context, directory, id, actor string) (*storage.Entry[storage.User], error) {
	return s.change(ctx, directory, id, actor, ActionDeleteCancel, func(user *storage.User) (bool, error) {
		if user.DeletionDueAt.IsZero() {
			return false, nil
		}
		if user.Status == storage.UserDisabled && actor == Self(user.ID) {
			return false, ErrUserDisabled
		}
		user.DeletionDueAt, user.DeletionRequestedAt = time.Time{}, time.Time{}
		if user.Status == storage.UserDeletionPending {
			user.Status = storage.UserActive
		}
		return true, nil
	})
}
