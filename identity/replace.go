package identity

import (
	"context"
	"errors"

	"github.com/minifed/minifed/storage"
)

// ErrChanged means that the user changed since the caller read the user: the password, the epoch that ends the grants, or the revision of
// WithRevision.
var ErrChanged = errors.New("identity: user changed since")

// ReplacePassword sets a new password for the user, as seen by the caller, and ends every grant and session in the same
// compare-and-set: the old password and everything obtained with it become useless. It returns ErrChanged if the password or the
// epoch differs from seen, so that one proof works once. It also returns *InvalidError like SetPassword, ErrUnknownUser and
// ErrUserDisabled.
func (s *Service) ReplacePassword(ctx context.Context, seen storage.User, password, actor string) (*storage.Entry[storage.User], error) {
	given := seen
	if err := s.givePassword(ctx, &given, password); err != nil {
		return nil, err
	}
	return s.change(ctx, seen.Directory, seen.ID, actor, ActionPassword, func(user *storage.User) (bool, error) {
		if !sameProof(*user, seen) {
			return false, ErrChanged
		}
		givePasswordOf(user, given)
		s.endAll(user)
		return true, mayEdit(*user, actor)
	})
}

// sameProof reports whether a proof of being the user seen is still valid.
func sameProof(user, seen storage.User) bool {
	return user.ID == seen.ID && user.Epoch == seen.Epoch && user.Password == seen.Password
}
