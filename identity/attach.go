package identity

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// The methods by which a user proves ownership of an existing account.
const (
	MethodPassword = "password"
	MethodSession  = "session"
	MethodPhone    = "phone"
)

// AttachToUser binds a WeChat user to an existing account, which the same person has proven to own by method. The WeChat user
// must be new, or already linked to that account, which is no error. A WeChat user of another account is ErrAlreadyBound. It
// returns ErrUnknownUser or ErrUserDisabled if there is no such active account.
//
// seen is the account at the time of the proof. It returns ErrChanged, and attaches nothing, if the proof is no longer valid: the
// account has signed out everywhere, has another password, or was merged.
//
// When the OpenID is new but its UnionID belongs to another account, it records a merge candidate and returns ErrAlreadyBound.
// Accounts are never merged automatically.
func (s *Service) AttachToUser(ctx context.Context, login Login, seen storage.User, method string) (*Resolution, error) {
	if err := login.validate(); err != nil {
		return nil, err
	}
	recorded := s.recording(Self(seen.ID), ActionAttach)
	resolution, err := retry(ctx, func(ctx context.Context) (*Resolution, error) {
		user, err := s.active(ctx, login.Directory, seen.ID)
		if err != nil {
			return nil, err
		}
		if !sameProof(user.Record, seen) {
			return nil, ErrChanged
		}
		open, err := s.linkedUser(ctx, login.openIdentity())
		if err != nil {
			return nil, err
		}
		if open.id == user.Record.ID {
			if err := s.repointLink(ctx, open); err != nil {
				return nil, err
			}
			return s.resolveOnce(ctx, login, unknownUserPolicy{})
		}
		if open.user != nil {
			return nil, ErrAlreadyBound
		}
		recorded.actor = Self(user.Record.ID)
		if err := recorded.write(ctx, user.Record, nil, map[string]string{"app_id": login.AppID, "method": method}); err != nil {
			return nil, err
		}
		return s.attach(ctx, login, open, user)
	})
	return resolution, recorded.end(ctx, err)
}

// attach links a WeChat user without an account to user. It writes the UnionID link first, as a first login does: after a crash,
// all links lead to that user.
func (s *Service) attach(ctx context.Context, login Login, open linkedUser, user *storage.Entry[storage.User]) (*Resolution, error) {
	if login.hasUnion() {
		union, err := s.linkedUser(ctx, login.unionIdentity())
		if err != nil {
			return nil, err
		}
		if union.user != nil && union.id != user.Record.ID {
			if _, err := s.suggestUsers(ctx, user.Record, union.user.Record, ReasonUnionID); err != nil {
				return nil, err
			}
			return nil, ErrAlreadyBound
		}
		if err := s.assignLink(ctx, union, user, ""); err != nil {
			return nil, err
		}
	}
	if err := s.assignLink(ctx, open, user, login.unionDigest()); err != nil {
		return nil, err
	}
	return &Resolution{User: user}, nil
}

// assignLink assigns a link to a user if the link is free, already names the user, or names a user who is not stored yet.
func (s *Service) assignLink(ctx context.Context, at linkedUser, user *storage.Entry[storage.User], unionDigest string) error {
	switch {
	case at.free():
		return s.claim(ctx, at, user.Record.ID, unionDigest)
	case at.id == user.Record.ID:
		return nil
	default:
		return s.aliasUser(ctx, at, user)
	}
}
