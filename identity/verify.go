package identity

import (
	"context"
	"strings"

	"github.com/minifed/minifed/storage"
)

// VerifyPassword returns the user of a username, or of a verified e-mail address, if the password matches. An unknown name, a
// user without password and a wrong password all return ErrWrongPassword, after the same store operations and the same hashing.
// ErrUserDisabled and *DeletionPendingError are returned only for the right password. ErrBusy means that ctx ended before a hash could begin.
func (s *Service) VerifyPassword(ctx context.Context, directory, name, password string) (*storage.Entry[storage.User], error) {
	user, err := s.named(ctx, directory, name)
	if err != nil {
		return nil, err
	}
	stored := s.hasher.dummy.String()
	if user != nil && s.passwordWorks(user.Record) {
		stored = user.Record.Password
	}
	if len(password) > 4*maxPassword {
		password, stored = "", s.hasher.dummy.String()
	}
	right, err := s.hasher.verifyStored(ctx, password, stored)
	if err != nil {
		return nil, err
	}
	if !right || user == nil {
		return nil, ErrWrongPassword
	}
	if err := checkStatus(user.Record); err != nil {
		return nil, err
	}
	return s.rehash(ctx, user, password)
}

// passwordWorks reports whether a user has a password that is valid now.
func (s *Service) passwordWorks(user storage.User) bool {
	return user.Password != "" && !s.now().Before(user.PasswordFrom)
}

// Holder returns the ID of the user with this username or verified e-mail address; empty if there is none. The store operations
// are the same in both cases. It is for counting failures by account; the result must not be disclosed.
func (s *Service) Holder(ctx context.Context, directory, name string) (string, error) {
	user, err := s.named(ctx, directory, name)
	if err != nil || user == nil {
		return "", err
	}
	return user.Record.ID, nil
}

// named returns the user with a name; nil if there is none. It reads a link and a user in both cases. After a crash, a link can
// lead to a user with another name; then there is no user.
func (s *Service) named(ctx context.Context, directory, name string) (*storage.Entry[storage.User], error) {
	identity := nameIdentity(directory, name)
	at, err := s.linkedUser(ctx, identity)
	if err != nil {
		return nil, err
	}
	if at.link == nil {
		_, _, err := s.follow(ctx, directory, s.missingID)
		return nil, err
	}
	if at.user == nil || identity.Value == "" || identity.Value != nameOf(at.user.Record, identity.Type) {
		return nil, nil
	}
	return at.user, nil
}

// nameIdentity is the link for the look-up of a name at a login: an e-mail address if it contains "@", which usernames do not. An
// invalid name is looked up too, under a value that no link has, so that it takes as long.
func nameIdentity(directory, name string) storage.Identity {
	if strings.Contains(name, "@") {
		address, err := ParseEmail(name)
		if err != nil {
			address = ""
		}
		return storage.Identity{Directory: directory, Type: storage.IdentityEmail, Value: address}
	}
	return storage.Identity{Directory: directory, Type: storage.IdentityUsername, Value: foldUsername(name)}
}

// nameOf is the canonical name of a type in a user's record.
func nameOf(user storage.User, typ storage.IdentityType) string {
	if typ == storage.IdentityEmail {
		return user.Email
	}
	return foldUsername(user.Username)
}

// rehash replaces the hash of a password that was just verified if it is another system's, or its parameters are not current.
// It ignores a concurrent change: the next login does it.
func (s *Service) rehash(
	ctx context.Context, user *storage.Entry[storage.User], password string,
) (*storage.Entry[storage.User], error) {
	if s.hasher.current(user.Record.Password) {
		return user, nil
	}
	renewed, err := s.hasher.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	next := user.Record
	next.Password = renewed.String()
	replaced, err := user.Replace(ctx, s.engine, next)
	if lost(err) {
		return user, nil
	}
	return replaced, wrap("replace user", err)
}
