package identity

import (
	"context"
	"strings"

	"github.com/minifed/minifed/storage"
)

// VerifyPassword returns the user of a username, or of a proven e-mail address, whose password this is. An unknown name, a
// user without password and a wrong password are ErrWrongPassword alike, after the same store operations and the same
// hashing; only who knows the password is told ErrUserDisabled. ErrBusy says that ctx ended before a hash could begin.
func (s *Service) VerifyPassword(ctx context.Context, directory, name, password string) (*storage.Entry[storage.User], error) {
	user, err := s.named(ctx, directory, name)
	if err != nil {
		return nil, err
	}
	hash := s.hasher.decoy
	if user != nil && s.passwordWorks(user.Record) {
		if hash, err = ParsePasswordHash(user.Record.Password); err != nil {
			return nil, err
		}
	}
	if len(password) > 4*maxPassword {
		password, hash = "", s.hasher.decoy
	}
	right, err := s.hasher.verify(ctx, password, hash)
	if err != nil {
		return nil, err
	}
	if !right || user == nil {
		return nil, ErrWrongPassword
	}
	if user.Record.Status != storage.UserActive {
		return nil, ErrUserDisabled
	}
	return s.rehash(ctx, user, password, hash)
}

// passwordWorks reports whether a user has a password that works now.
func (s *Service) passwordWorks(user storage.User) bool {
	return user.Password != "" && !s.now().Before(user.PasswordFrom)
}

// Holder returns the ID of the user whose username, or proven e-mail address, a name is; empty when nobody carries it. It takes
// the same store operations in either case. It is for counting failures by account, and is not to be told to anybody.
func (s *Service) Holder(ctx context.Context, directory, name string) (string, error) {
	user, err := s.named(ctx, directory, name)
	if err != nil || user == nil {
		return "", err
	}
	return user.Record.ID, nil
}

// named returns the user who carries a name; nil when nobody does. It reads a link and a user in either case. A link whose
// user carries another name was left by a crash, and gives nobody.
func (s *Service) named(ctx context.Context, directory, name string) (*storage.Entry[storage.User], error) {
	identity := nameIdentity(directory, name)
	at, err := s.seat(ctx, identity)
	if err != nil {
		return nil, err
	}
	if at.link == nil {
		_, _, err := s.follow(ctx, directory, s.nobody)
		return nil, err
	}
	if at.user == nil || identity.Value == "" || identity.Value != carried(at.user.Record, identity.Type) {
		return nil, nil
	}
	return at.user, nil
}

// nameIdentity is the link that a name at a login is looked up by: an e-mail address if it holds "@", which usernames do
// not. A name that is neither is looked up too, so that it takes as long, under a value that no link has.
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

// carried is the canonical name of a type that a user's record carries.
func carried(user storage.User, typ storage.IdentityType) string {
	if typ == storage.IdentityEmail {
		return user.Email
	}
	return foldUsername(user.Username)
}

// rehash brings the hash of a password that was just verified to today's parameters. Somebody else's change is no matter:
// the next login does it.
func (s *Service) rehash(
	ctx context.Context, user *storage.Entry[storage.User], password string, hash PasswordHash,
) (*storage.Entry[storage.User], error) {
	if hash.Argon2 == s.hasher.params {
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
