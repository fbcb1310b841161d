package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// renewals is the part of the freshness of a number after which a sign-in by it stores a new proof.
const renewals = 4

// PhoneAddress is the identity of a number in E.164.
func PhoneAddress(directory, number string) storage.Identity { return phoneIdentity(directory, number) }

// EmailAddress is the identity of a canonical e-mail address.
func EmailAddress(directory, address string) storage.Identity {
	return storage.Identity{Directory: directory, Type: storage.IdentityEmail, Value: address}
}

// CodeUser returns the user that a code signs in which is sent to an address now. It returns ErrUnknownUser if no user has the
// address, and ErrTaken if a user has it who cannot sign in by it. Both take as many store operations.
func (s *Service) CodeUser(ctx context.Context, directory storage.Directory, address storage.Identity) (*storage.Entry[storage.User], error) {
	at, err := s.attributeLink(ctx, address)
	if err != nil {
		return nil, err
	}
	if at.link == nil {
		if _, _, err := s.follow(ctx, directory.ID, s.missingID); err != nil {
			return nil, err
		}
	}
	if at.user == nil {
		return nil, ErrUnknownUser
	}
	signsIn, err := s.signsIn(ctx, directory, at.user.Record, address)
	if err != nil {
		return nil, err
	}
	if !signsIn {
		return nil, ErrTaken
	}
	return at.user, nil
}

// signsIn reports whether an address signs its user in. A number must have been proven here, not long ago: numbers are recycled. An
// unverified e-mail address proves nothing about an account that WeChat or a phone number identifies.
func (s *Service) signsIn(ctx context.Context, directory storage.Directory, user storage.User, address storage.Identity) (bool, error) {
	if address.Type == storage.IdentityPhone {
		return user.Phone == address.Value && s.isFresh(user.PhoneProvenAt, directory.Policy), nil
	}
	if user.Email != address.Value || user.EmailVerified {
		return user.Email == address.Value, nil
	}
	links, err := s.Identities(ctx, user)
	return !slices.ContainsFunc(links, isOutside), err
}

// isOutside reports whether a link is of an identity that WeChat or an operator of a phone network proved.
func isOutside(link *storage.Entry[storage.Identity]) bool {
	switch link.Record.Type {
	case storage.IdentityOpenID, storage.IdentityUnionID, storage.IdentityPhone:
		return true
	default:
		return false
	}
}

// SignInByCode returns the user of an address that a code has just proven. known is the ID of the user that CodeUser returned when
// the code was sent; empty for none. An unknown user is created if the directory allows self-registration, else it is
// ErrUnknownUser. ErrTaken means that another user has the address, who cannot sign in by it.
//
// A known user costs one read, and a write if the proof is the first one, or old.
func (s *Service) SignInByCode(
	ctx context.Context, directory storage.Directory, address storage.Identity, known string,
) (user *storage.Entry[storage.User], err error) {
	if known != "" {
		user, err = s.User(ctx, directory.ID, known)
		if err != nil && !errors.Is(err, ErrUnknownUser) {
			return nil, err
		}
	}
	valid := false
	if user != nil {
		if valid, err = s.signsIn(ctx, directory, user.Record, address); err != nil {
			return nil, err
		}
	}
	if !valid { // It was unknown, or changed since the code was sent.
		user, err = s.CodeUser(ctx, directory, address)
	}
	if errors.Is(err, ErrUnknownUser) && directory.Policy.SelfRegistration {
		user, err = retry(ctx, func(ctx context.Context) (*storage.Entry[storage.User], error) {
			return s.createProven(ctx, directory, address)
		})
	}
	switch {
	case err != nil:
		return nil, err
	case checkStatus(user.Record) != nil:
		return nil, checkStatus(user.Record)
	case address.Type == storage.IdentityEmail && !user.Record.EmailVerified:
		return s.proveFirstEmail(ctx, user.Record)
	case address.Type == storage.IdentityPhone:
		return s.renewPhone(ctx, user, directory.Policy)
	default:
		return user, nil
	}
}

// createProven creates a user with a proven address. The link is written first, as in a login.
func (s *Service) createProven(ctx context.Context, directory storage.Directory, address storage.Identity) (*storage.Entry[storage.User], error) {
	at, err := s.attributeLink(ctx, address)
	if err != nil {
		return nil, err
	}
	if at.user != nil {
		return nil, ErrTaken
	}
	user := storage.User{Directory: directory.ID, DirectoryIncarnation: directory.Incarnation, Status: storage.UserActive, ID: at.id}
	if at.free() {
		if user.ID, err = s.newID(); err != nil {
			return nil, err
		}
		if err := s.linkAtLogin(ctx, at, user.ID, ""); err != nil {
			return nil, err
		}
	}
	now := s.now()
	user.CreatedAt, user.UpdatedAt = now, now
	if address.Type == storage.IdentityPhone {
		user.Phone, user.PhoneVerifiedAt, user.PhoneProvenAt = address.Value, now, now
	} else {
		user.Email, user.EmailVerified = address.Value, true
	}
	entry, err := storage.Insert(ctx, s.engine, user)
	return entry, wrap("insert user", err)
}

// proveFirstEmail verifies the address of a user for the first time. Another person may have entered it: the password, the other
// methods and all sessions of the time before end.
func (s *Service) proveFirstEmail(ctx context.Context, user storage.User) (*storage.Entry[storage.User], error) {
	ids, err := s.mergedIDs(ctx, user)
	if err != nil {
		return nil, err
	}
	proven, err := s.change(ctx, user.Directory, user.ID, Self(user.ID), ActionEmail, func(now *storage.User) (bool, error) {
		if now.Email != user.Email {
			return false, ErrChanged
		}
		if now.EmailVerified {
			return false, nil
		}
		for _, id := range ids { // First: after a crash, the next proof continues.
			if err := s.deleteMethods(ctx, user.Directory, id); err != nil {
				return false, err
			}
		}
		now.EmailVerified = true
		givePasswordOf(now, storage.User{})
		s.endAll(now)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids { // Those of requests that the old sessions sent meanwhile.
		if err := s.deleteMethods(ctx, user.Directory, id); err != nil {
			return nil, err
		}
	}
	return proven, nil
}

// renewPhone stores a new proof of a number if the last one is old. A lost write is left to the next sign-in.
func (s *Service) renewPhone(ctx context.Context, user *storage.Entry[storage.User], policy storage.Policy) (*storage.Entry[storage.User], error) {
	if s.now().Sub(user.Record.PhoneProvenAt) <= phoneFresh(policy)/renewals {
		return user, nil
	}
	next := user.Record
	next.PhoneProvenAt = s.now()
	next.PhoneVerifiedAt, next.UpdatedAt = next.PhoneProvenAt, next.PhoneProvenAt
	renewed, err := user.Replace(ctx, s.engine, next)
	if lost(err) {
		return user, nil
	}
	return renewed, wrap("replace user", err)
}

// ProvePhone assigns a number, in E.164, to a user who has proven it by a code on a page of this issuer. It returns ErrTaken if
// another user has it.
func (s *Service) ProvePhone(ctx context.Context, directory, userID, number, actor string) (*storage.Entry[storage.User], error) {
	number, err := ParsePhone(number)
	if err != nil {
		return nil, err
	}
	attribute := phoneAttribute(directory, number, "")
	verified := attribute.set
	attribute.set = func(user *storage.User, when time.Time) {
		verified(user, when)
		user.PhoneProvenAt = when
		setSource(user, ClaimPhone, "", when)
	}
	user, err := s.assign(ctx, directory, userID, actor, attribute)
	if holder(err) != nil {
		return nil, ErrTaken
	}
	return user, err
}
