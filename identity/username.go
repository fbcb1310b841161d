package identity

import (
	"context"
	"time"

	"github.com/minifed/minifed/storage"
)

// SetUsername sets a user's username and releases the previous one. It returns ErrTaken if another user has it, in any case and
// width of its letters, and *InvalidError.
func (s *Service) SetUsername(ctx context.Context, directory, userID, username, actor string) (*storage.Entry[storage.User], error) {
	name, err := ParseUsername(username)
	if err != nil {
		return nil, err
	}
	user, err := s.assign(ctx, directory, userID, actor, attribute{
		link:    name.identity(directory),
		action:  ActionUsername,
		valueOf: func(user storage.User) string { return foldUsername(user.Username) },
		set:     func(user *storage.User, _ time.Time) { user.Username = name.Display },
	})
	if holder(err) != nil {
		return nil, ErrTaken
	}
	return user, err
}

// SetEmail sets an e-mail address that the caller has verified, and releases the previous one. It returns ErrTaken if another
// user has it, and *InvalidError.
func (s *Service) SetEmail(ctx context.Context, directory, userID, address, actor string) (*storage.Entry[storage.User], error) {
	address, err := ParseEmail(address)
	if err != nil {
		return nil, err
	}
	user, err := s.assign(ctx, directory, userID, actor, attribute{
		link:    storage.Identity{Directory: directory, Type: storage.IdentityEmail, Value: address},
		action:  ActionEmail,
		valueOf: func(user storage.User) string { return user.Email },
		set:     func(user *storage.User, _ time.Time) { user.Email, user.EmailVerified = address, true },
	})
	if holder(err) != nil {
		return nil, ErrTaken
	}
	return user, err
}

func (n Username) identity(directory string) storage.Identity {
	return storage.Identity{Directory: directory, Type: storage.IdentityUsername, Value: n.Folded}
}

// foldUsername returns the folded form of a stored username; empty if there is none.
func foldUsername(display string) string {
	name, err := ParseUsername(display)
	if err != nil {
		return ""
	}
	return name.Folded
}
