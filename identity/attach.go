package identity

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// The methods by which somebody proves that an existing account is theirs.
const (
	MethodPassword = "password"
	MethodSession  = "session"
	MethodPhone    = "phone"
)

// AttachToUser binds a WeChat user to an existing account that the same person has proven by method. The WeChat user must
// be new or belong to that account already, which is no error and costs nothing; one that belongs to another account is
// ErrAlreadyBound. Without such an account it answers ErrUnknownUser or ErrUserDisabled.
//
// seen is the account as it was when the proof was found good. Where what proves has ended since, because the account signed out
// everywhere, has another password or was merged, it answers ErrChanged and attaches nothing.
//
// When the OpenID is new but its UnionID belongs to another account, a merge candidate is recorded with ErrAlreadyBound:
// both sides were proven, but nothing merges silently.
func (s *Service) AttachToUser(ctx context.Context, login Login, seen storage.User, method string) (*Resolution, error) {
	if err := login.validate(); err != nil {
		return nil, err
	}
	audited := false
	return retry(ctx, func(ctx context.Context) (*Resolution, error) {
		user, err := s.active(ctx, login.Directory, seen.ID)
		if err != nil {
			return nil, err
		}
		if !sameProof(user.Record, seen) {
			return nil, ErrChanged
		}
		open, err := s.seat(ctx, login.openIdentity())
		if err != nil {
			return nil, err
		}
		if open.id == user.Record.ID {
			if err := s.straighten(ctx, open); err != nil {
				return nil, err
			}
			return s.settle(ctx, login, newcomer{})
		}
		if open.user != nil {
			return nil, ErrAlreadyBound
		}
		if !audited {
			details := map[string]string{"app_id": login.AppID, "method": method}
			if err := s.record(ctx, Self(user.Record.ID), ActionAttach, user.Record, details); err != nil {
				return nil, err
			}
			audited = true
		}
		return s.attach(ctx, login, open, user)
	})
}

// attach gives the links of a WeChat user who has no account to user: the UnionID link first, as in a first login, so that
// whatever a crash leaves leads to that user.
func (s *Service) attach(ctx context.Context, login Login, open seat, user *storage.Entry[storage.User]) (*Resolution, error) {
	if login.hasUnion() {
		union, err := s.seat(ctx, login.unionIdentity())
		if err != nil {
			return nil, err
		}
		if union.user != nil && union.id != user.Record.ID {
			if _, err := s.suggestUsers(ctx, user.Record, union.user.Record, ReasonUnionID); err != nil {
				return nil, err
			}
			return nil, ErrAlreadyBound
		}
		if err := s.hand(ctx, union, user, ""); err != nil {
			return nil, err
		}
	}
	if err := s.hand(ctx, open, user, login.unionDigest()); err != nil {
		return nil, err
	}
	return &Resolution{User: user}, nil
}

// hand gives a link to a user if it is free, names the user already, or names one whom nobody has written yet.
func (s *Service) hand(ctx context.Context, at seat, user *storage.Entry[storage.User], unionDigest string) error {
	switch {
	case at.free():
		return s.claim(ctx, at, user.Record.ID, unionDigest)
	case at.id == user.Record.ID:
		return nil
	default:
		return s.absorb(ctx, at, user)
	}
}
