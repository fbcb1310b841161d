package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// MaxPasskeys is the maximum number of passkeys of a user.
const MaxPasskeys = 32

// Methods are the sign-in methods of a user other than the password and the links: see Identities. Records stay with the user who
// added them, so that a merge takes them along and its reversal returns them.
type Methods struct {
	// Passkeys are those of the user, oldest first, and then those of all users merged into it.
	Passkeys []*storage.Entry[storage.Passkey]
	// TOTP is the user's authenticator app, or that of a user merged into it; nil without one.
	TOTP *storage.Entry[storage.TOTP]
}

// Methods returns the passkeys and the authenticator app of a user.
func (s *Service) Methods(ctx context.Context, user storage.User) (Methods, error) {
	ids, err := s.mergedIDs(ctx, user)
	if err != nil {
		return Methods{}, err
	}
	var found Methods
	for _, id := range ids {
		own, err := s.passkeysOf(ctx, user.Directory, id)
		if err != nil {
			return Methods{}, err
		}
		found.Passkeys = append(found.Passkeys, slices.DeleteFunc(own, func(passkey *storage.Entry[storage.Passkey]) bool {
			return passkey.Record.DirectoryIncarnation != user.DirectoryIncarnation
		})...)
	}
	found.TOTP, err = s.totpOf(ctx, user, ids)
	return found, err
}

// TOTP returns the authenticator app of a user, or ErrUnknownMethod. It costs one read for a user without merged ones.
func (s *Service) TOTP(ctx context.Context, user storage.User) (*storage.Entry[storage.TOTP], error) {
	ids, err := s.mergedIDs(ctx, user)
	if err != nil {
		return nil, err
	}
	found, err := s.totpOf(ctx, user, ids)
	if err == nil && found == nil {
		err = ErrUnknownMethod
	}
	return found, err
}

// totpOf returns the first authenticator app of some IDs of a user; nil without one.
func (s *Service) totpOf(ctx context.Context, user storage.User, ids []string) (*storage.Entry[storage.TOTP], error) {
	for _, id := range ids {
		entry, err := storage.Get[storage.TOTP](ctx, s.engine, storage.Key(user.Directory, id))
		if err == nil && entry.Record.DirectoryIncarnation == user.DirectoryIncarnation && !s.isRemoved(entry.Record) {
			return entry, nil
		}
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return nil, wrap("read TOTP", err)
		}
	}
	return nil, nil
}

// isRemoved reports whether the removal that the user requested is due.
func (s *Service) isRemoved(totp storage.TOTP) bool {
	return !totp.RemoveAt.IsZero() && !s.now().Before(totp.RemoveAt)
}

// passkeysOf returns the passkeys that name exactly this ID.
func (s *Service) passkeysOf(ctx context.Context, directory, id string) ([]*storage.Entry[storage.Passkey], error) {
	query := storage.Query{Order: storage.ByCreated, Owner: storage.Key(directory, id)}
	var passkeys []*storage.Entry[storage.Passkey]
	for {
		page, next, err := storage.List[storage.Passkey](ctx, s.engine, query)
		if err != nil {
			return nil, wrap("list passkeys", err)
		}
		passkeys = append(passkeys, page...)
		if next == "" {
			return passkeys, nil
		}
		query.After = next
	}
}

// AddPasskey stores a new passkey of a user. It returns ErrTaken if the credential is in use in the directory.
func (s *Service) AddPasskey(ctx context.Context, user storage.User, passkey storage.Passkey, actor string) error {
	methods, err := s.Methods(ctx, user)
	if err != nil {
		return err
	}
	if len(methods.Passkeys) >= MaxPasskeys {
		return ErrMethodLimit
	}
	if err := s.record(ctx, actor, ActionPasskeyAdd, user, map[string]string{"passkey": passkey.ID()}); err != nil {
		return err
	}
	passkey.Directory, passkey.DirectoryIncarnation, passkey.User = user.Directory, user.DirectoryIncarnation, user.ID
	passkey.CreatedAt = s.now()
	_, err = storage.Insert(ctx, s.engine, passkey)
	if errors.Is(err, storage.ErrExists) {
		return ErrTaken
	}
	if err != nil {
		return wrap("insert passkey", err)
	}
	return s.checkNotDeleted(ctx, user)
}

// DropDelayedPasskeys removes the passkeys of a user that do not work yet: the user has proven to own the account in another way.
func (s *Service) DropDelayedPasskeys(ctx context.Context, user storage.User, actor string) error {
	methods, err := s.Methods(ctx, user)
	if err != nil {
		return err
	}
	for _, passkey := range methods.Passkeys {
		if !s.now().Before(passkey.Record.ValidFrom) {
			continue
		}
		if err := s.removeWay(ctx, user, wayOf(passkey.Record), ActionPasskeyRemove, Removal{Actor: actor, Forced: true}); err != nil {
			return err
		}
	}
	return nil
}

// SetTOTP stores the authenticator app of a user, and replaces the former one with its recovery codes.
func (s *Service) SetTOTP(ctx context.Context, user storage.User, totp storage.TOTP, actor string) error {
	if err := s.record(ctx, actor, ActionTOTPAdd, user, nil); err != nil {
		return err
	}
	totp.Directory, totp.DirectoryIncarnation, totp.User = user.Directory, user.DirectoryIncarnation, user.ID
	totp.CreatedAt = s.now()
	totp.RecoveryCodesAt = totp.CreatedAt
	_, err := retry(ctx, func(ctx context.Context) (struct{}, error) {
		former, err := storage.Get[storage.TOTP](ctx, s.engine, totp.Document().ID)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			_, err = storage.Insert(ctx, s.engine, totp)
		case err == nil:
			_, err = former.Replace(ctx, s.engine, totp)
		}
		return struct{}{}, wrap("store TOTP", err)
	})
	if err != nil {
		return err
	}
	return s.checkNotDeleted(ctx, user)
}

// checkNotDeleted deletes the methods that were stored while their user was deleted, and returns ErrUnknownUser.
func (s *Service) checkNotDeleted(ctx context.Context, user storage.User) error {
	_, err := s.User(ctx, user.Directory, user.ID)
	if errors.Is(err, ErrUnknownUser) {
		return errors.Join(err, s.deleteMethods(ctx, user.Directory, user.ID))
	}
	return err
}

// SetRecoveryCodes replaces the digests of a user's recovery codes.
func (s *Service) SetRecoveryCodes(ctx context.Context, user storage.User, digests []string, actor string) error {
	if err := s.record(ctx, actor, ActionRecoveryCodes, user, nil); err != nil {
		return err
	}
	_, err := retry(ctx, func(ctx context.Context) (struct{}, error) {
		totp, err := s.TOTP(ctx, user)
		if err != nil {
			return struct{}{}, err
		}
		next := totp.Record
		next.RecoveryCodes, next.RecoveryCodesAt = digests, s.now()
		_, err = totp.Replace(ctx, s.engine, next)
		return struct{}{}, wrap("replace TOTP", err)
	})
	return err
}

// UseTOTP applies the use of a code to a user's authenticator app: a later step, or one recovery code less. It returns
// storage.ErrConflict if the record has changed since it was read, so that two requests cannot use one code.
func (s *Service) UseTOTP(ctx context.Context, user storage.User, totp *storage.Entry[storage.TOTP], next storage.TOTP) error {
	if len(next.RecoveryCodes) < len(totp.Record.RecoveryCodes) {
		if err := s.record(ctx, Self(user.ID), ActionRecoveryUse, user, nil); err != nil {
			return err
		}
	}
	next.UsedAt, next.RemoveAt = s.now(), time.Time{}
	_, err := totp.Replace(ctx, s.engine, next)
	return wrap("replace TOTP", err)
}

// LoseTOTP ends the use of a user's authenticator app after a delay, in which the user can object. A repeated call does not change
// the time. It returns that time.
func (s *Service) LoseTOTP(ctx context.Context, user storage.User, delay time.Duration, actor string) (at time.Time, err error) {
	if err := s.record(ctx, actor, ActionTOTPLost, user, nil); err != nil {
		return time.Time{}, err
	}
	requested := s.now().Add(delay)
	return s.editRemoval(ctx, user, func(at time.Time) time.Time {
		if at.IsZero() {
			return requested
		}
		return at
	})
}

// FindTOTP cancels LoseTOTP.
func (s *Service) FindTOTP(ctx context.Context, user storage.User, actor string) error {
	if err := s.record(ctx, actor, ActionTOTPFound, user, nil); err != nil {
		return err
	}
	_, err := s.editRemoval(ctx, user, func(time.Time) time.Time { return time.Time{} })
	return err
}

// editRemoval changes when the use of a user's authenticator app ends.
func (s *Service) editRemoval(ctx context.Context, user storage.User, edit func(time.Time) time.Time) (time.Time, error) {
	return retry(ctx, func(ctx context.Context) (time.Time, error) {
		totp, err := s.TOTP(ctx, user)
		if err != nil {
			return time.Time{}, err
		}
		next := totp.Record
		next.RemoveAt = edit(next.RemoveAt)
		_, err = totp.Replace(ctx, s.engine, next)
		return next.RemoveAt, wrap("replace TOTP", err)
	})
}

// signsInByPassword reports whether a password signs a user in now.
func (s *Service) signsInByPassword(directory storage.Directory, user storage.User) bool {
	named := user.Username != "" || user.EmailVerified
	return directory.HasSignInMethod(storage.SignInPassword) && user.Password != "" && named && !s.now().Before(user.PasswordFrom)
}

// signsInByCode reports whether a code that is sent to an address signs a user in.
func (s *Service) signsInByCode(directory storage.Directory, user storage.User) bool {
	byPhone := directory.HasSignInMethod(storage.SignInPhoneCode) && user.Phone != "" && s.isFresh(user.PhoneProvenAt, directory.Policy)
	return byPhone || directory.HasSignInMethod(storage.SignInEmailCode) && user.Email != "" && user.EmailVerified
}

// SuspectPasskey marks a passkey whose signature counter went back.
func (s *Service) SuspectPasskey(ctx context.Context, user storage.User, passkey *storage.Entry[storage.Passkey]) error {
	if err := s.record(ctx, Self(user.ID), ActionPasskeySuspect, user, map[string]string{"passkey": passkey.Record.ID()}); err != nil {
		return err
	}
	next := passkey.Record
	next.SuspectAt = s.now()
	_, err := passkey.Replace(ctx, s.engine, next)
	if lost(err) {
		return nil // Another sign-in has just written it.
	}
	return wrap("replace passkey", err)
}

// deleteMethods deletes the passkeys and the authenticator app that name exactly this ID.
func (s *Service) deleteMethods(ctx context.Context, directory, id string) error {
	passkeys, err := s.passkeysOf(ctx, directory, id)
	if err != nil {
		return err
	}
	for _, passkey := range passkeys {
		if err := s.engine.Delete(ctx, storage.KindPasskey, passkey.Record.Document().ID); err != nil {
			return wrap("delete passkey", err)
		}
	}
	return wrap("delete TOTP", s.engine.Delete(ctx, storage.KindTOTP, storage.Key(directory, id)))
}
