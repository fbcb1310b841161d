package identity

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// LinkedUser returns the user that an identity leads to, by its canonical value. A link without a user is ErrUnknownUser.
func (s *Service) LinkedUser(ctx context.Context, identity storage.Identity) (*storage.Entry[storage.User], error) {
	at, err := s.linkedUser(ctx, identity)
	if err != nil {
		return nil, err
	}
	if at.user == nil {
		return nil, ErrUnknownUser
	}
	return at.user, nil
}
