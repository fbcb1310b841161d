package identity

import (
	"context"
	"errors"

	"github.com/minifed/minifed/storage"
)

// ErrChanged says that a user's password, or what ends the user's grants, changed since the caller looked.
var ErrChanged = errors.New("identity: user changed since")

// ReplacePassword gives the user, as seen by the caller, a new password and ends every grant and session, in one
// compare-and-set: whoever knew the password before has nothing any more. It answers ErrChanged if the password or the epoch
// is not that of seen any more, so that what proved the user to be seen works once; *InvalidError as SetPassword; ErrUnknownUser
// and ErrUserDisabled.
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

// sameProof reports whether what proved somebody to be the user seen still proves it.
func sameProof(user, seen storage.User) bool {
	return user.ID == seen.ID && user.Epoch == seen.Epoch && user.Password == seen.Password
}
