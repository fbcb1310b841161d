package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// Removal is who removes a way to sign in, and what must remain.
type Removal struct {
	Actor string
	// Forced removes the last way to sign in too, as an operator may.
	Forced bool
	// Directory is that of the user. It decides which methods sign in.
	Directory storage.Directory
	// ByMail means that a verified e-mail address is a way to sign in, by a new password.
	ByMail bool
}

// twoFactors reports whether a password or a code without TOTP is no way to sign in.
func (r Removal) twoFactors() bool { return r.Directory.TwoFactor() == storage.TwoFactorRequired }

// RemovePasskey removes a passkey of a user, by its ID. It returns ErrUnknownMethod or ErrLastMethod.
func (s *Service) RemovePasskey(ctx context.Context, user storage.User, id string, how Removal) error {
	methods, err := s.Methods(ctx, user)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(methods.Passkeys, func(passkey *storage.Entry[storage.Passkey]) bool { return passkey.Record.ID() == id })
	if i < 0 {
		return ErrUnknownMethod
	}
	return s.removeWay(ctx, user, wayOf(methods.Passkeys[i].Record), ActionPasskeyRemove, how)
}

// RemovePassword removes the password of a user. It returns ErrUnknownMethod or ErrLastMethod.
func (s *Service) RemovePassword(ctx context.Context, user storage.User, how Removal) error {
	return s.removeWay(ctx, user, way{password: true}, ActionPasswordRemove, how)
}

// RemoveTOTP removes the authenticator app of a user and its recovery codes. It returns ErrUnknownMethod or ErrLastMethod.
func (s *Service) RemoveTOTP(ctx context.Context, user storage.User, how Removal) error {
	totp, err := s.TOTP(ctx, user)
	for err == nil { // That of a user merged into this one would take its place.
		if err := s.removeWay(ctx, user, wayOf(totp.Record), ActionTOTPRemove, how); err != nil {
			return err
		}
		if totp, err = s.TOTP(ctx, user); errors.Is(err, ErrUnknownMethod) {
			return nil
		}
	}
	return err
}

// LinkID is the name of an identity for its user.
func LinkID(link storage.Identity) string { return storage.Digest("identity", link.Document().ID) }

// RemoveIdentity removes an identity of a user, by its LinkID, and returns it. The UnionIDs go with the last OpenID. It returns
// ErrUnknownMethod, also for the ID of another system, or ErrLastMethod.
func (s *Service) RemoveIdentity(ctx context.Context, user storage.User, id string, how Removal) (storage.Identity, error) {
	links, err := s.Identities(ctx, user)
	if err != nil {
		return storage.Identity{}, err
	}
	i := slices.IndexFunc(links, func(link *storage.Entry[storage.Identity]) bool { return LinkID(link.Record) == id })
	if i < 0 || links[i].Record.Type == storage.IdentityExternal {
		return storage.Identity{}, ErrUnknownMethod
	}
	removed := links[i]
	if err := s.removeWay(ctx, user, wayOf(removed.Record), ActionIdentityRemove, how); err != nil {
		return storage.Identity{}, err
	}
	if removed.Record.Type != storage.IdentityOpenID || hasOpenID(links, removed) {
		return removed.Record, nil
	}
	for _, link := range links {
		if link.Record.Type != storage.IdentityUnionID {
			continue
		}
		if err := s.release(ctx, link); err != nil {
			return storage.Identity{}, err
		}
	}
	return removed.Record, nil
}

// RemovePhone removes the number of a user. It returns ErrUnknownMethod if there is none, and ErrLastMethod if the user could not
// sign in without it.
func (s *Service) RemovePhone(ctx context.Context, user storage.User, how Removal) error {
	return s.removeAddress(ctx, user, PhoneAddress(user.Directory, user.Phone), ActionPhone, how)
}

// RemoveEmail removes the e-mail address of a user: see RemovePhone.
func (s *Service) RemoveEmail(ctx context.Context, user storage.User, how Removal) error {
	return s.removeAddress(ctx, user, EmailAddress(user.Directory, user.Email), ActionEmail, how)
}

// removeAddress removes an address of a user, who may have no link to it.
func (s *Service) removeAddress(ctx context.Context, user storage.User, address storage.Identity, action string, how Removal) error {
	if address.Value == "" {
		return ErrUnknownMethod
	}
	link, err := s.link(ctx, address)
	if err != nil {
		return err
	}
	if link != nil {
		address = link.Record
	}
	return s.removeWay(ctx, user, wayOf(address), action, how)
}

// way is a record by which a user signs in, or the password. CreatedAt distinguishes it from a later record with the same key.
type way struct {
	kind storage.Kind
	id   string
	// identity is set for an identity.
	identity  storage.Identity
	createdAt time.Time
	// password is set for the password, which is in the record of the user.
	password bool
}

func wayOf(record storage.Record) way {
	document := record.Document()
	found := way{kind: document.Kind, id: document.ID, createdAt: document.CreatedAt}
	if link, ok := record.(storage.Identity); ok {
		found.identity = link
	}
	return found
}

// removeWay removes a way to sign in. One compare-and-set of the user's record decides: it names the record that goes, and counts as
// its removal. A concurrent removal loses, counts again without that record, and completes the removal first if need be.
func (s *Service) removeWay(ctx context.Context, user storage.User, gone way, action string, how Removal) error {
	recorded := s.recording(how.Actor, action)
	if gone.identity.Type != "" {
		recorded.details = map[string]string{"type": string(gone.identity.Type)}
	}
	_, err := retry(ctx, func(ctx context.Context) (struct{}, error) {
		entry, err := s.editable(ctx, user.Directory, user.ID, how.Actor)
		if err != nil {
			return struct{}{}, err
		}
		if err := s.completeRemoval(ctx, entry.Record); err != nil {
			return struct{}{}, err
		}
		if gone.password && entry.Record.Password == "" {
			return struct{}{}, ErrUnknownMethod
		}
		if err := s.checkAnotherWay(ctx, entry.Record, gone, how); err != nil {
			return struct{}{}, err
		}
		next := entry.Record
		if !gone.password {
			next.Removed = &storage.RemovedWay{Kind: gone.kind, ID: gone.id, CreatedAt: gone.createdAt}
		}
		dropValue(&next, gone)
		setSources(entry.Record, &next, "", s.now())
		if err := recorded.write(ctx, entry.Record, &next, nil); err != nil {
			return struct{}{}, err
		}
		next.UpdatedAt = s.now()
		if _, err := entry.Replace(ctx, s.engine, next); err != nil {
			return struct{}{}, wrap("replace user", err)
		}
		return struct{}{}, s.completeRemoval(ctx, next)
	})
	return recorded.end(ctx, err)
}

// dropValue removes the value of a way from its user's record.
func dropValue(user *storage.User, gone way) {
	link := gone.identity
	switch {
	case gone.password:
		givePasswordOf(user, storage.User{})
	case link.Type == storage.IdentityUsername && link.Value == foldUsername(user.Username):
		user.Username = ""
	case link.Type == storage.IdentityEmail && link.Value == user.Email:
		user.Email, user.EmailVerified = "", false
	case link.Type == storage.IdentityPhone && link.Value == user.Phone:
		user.Phone, user.PhoneVerifiedAt, user.PhoneProvenAt = "", time.Time{}, time.Time{}
	}
}

// completeRemoval deletes the record that the last removal of a user named. It may be repeated.
func (s *Service) completeRemoval(ctx context.Context, user storage.User) error {
	gone := user.Removed
	if gone == nil {
		return nil
	}
	var createdAt time.Time
	var err error
	switch gone.Kind {
	case storage.KindIdentity:
		return s.releaseRemoved(ctx, user, *gone)
	case storage.KindPasskey:
		createdAt, err = createdAtOf[storage.Passkey](ctx, s.engine, gone.ID)
	default:
		createdAt, err = createdAtOf[storage.TOTP](ctx, s.engine, gone.ID)
	}
	if errors.Is(err, storage.ErrNotFound) || err == nil && !createdAt.Equal(gone.CreatedAt) {
		return nil
	}
	if err != nil {
		return wrap("read method", err)
	}
	return wrap("delete method", s.engine.Delete(ctx, gone.Kind, gone.ID))
}

// createdAtOf returns when a record was created.
func createdAtOf[R storage.Record](ctx context.Context, engine storage.Engine, id string) (time.Time, error) {
	entry, err := storage.Get[R](ctx, engine, id)
	if err != nil {
		return time.Time{}, err
	}
	return entry.Record.Document().CreatedAt, nil
}

// releaseRemoved releases the identity that a removal named, unless it names another user by now.
func (s *Service) releaseRemoved(ctx context.Context, user storage.User, gone storage.RemovedWay) error {
	ids, err := s.mergedIDs(ctx, user)
	if err != nil {
		return err
	}
	link, err := storage.Get[storage.Identity](ctx, s.engine, gone.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return wrap("read link", err)
	}
	if released(link.Record) || !link.Record.CreatedAt.Equal(gone.CreatedAt) || !slices.Contains(ids, link.Record.User) {
		return nil
	}
	next := link.Record
	next.ExpiresAt = s.now().Add(releaseAfter)
	_, err = link.Replace(ctx, s.engine, next)
	return wrap("release link", err) // After a concurrent login too: the caller tries again.
}

// checkAnotherWay returns ErrLastMethod if a user could not sign in without a way. It is the one place that decides so for the
// removals of the user.
func (s *Service) checkAnotherWay(ctx context.Context, user storage.User, gone way, how Removal) error {
	if how.Forced {
		return nil
	}
	methods, err := s.Methods(ctx, user)
	if err != nil {
		return err
	}
	another := func(passkey *storage.Entry[storage.Passkey]) bool {
		return passkey.Record.Document().ID != gone.id && !s.now().Before(passkey.Record.ValidFrom)
	}
	if slices.ContainsFunc(methods.Passkeys, another) {
		return nil
	}
	left := user
	dropValue(&left, gone)
	typed := s.signsInByPassword(how.Directory, left) || how.ByMail && left.EmailVerified || s.signsInByCode(how.Directory, left)
	if how.twoFactors() {
		if totp := methods.TOTP; typed && totp != nil && totp.Record.Document().ID != gone.id {
			return nil
		}
		return ErrLastMethod
	}
	if typed {
		return nil
	}
	links, err := s.Identities(ctx, user)
	if err != nil {
		return err
	}
	linked := func(link *storage.Entry[storage.Identity]) bool {
		return link.Record.Type == storage.IdentityOpenID && link.Record.Document().ID != gone.id
	}
	if slices.ContainsFunc(links, linked) {
		return nil
	}
	return ErrLastMethod
}

// ReportSignIn records that a user reported a sign-in of another person. The caller ends its session.
func (s *Service) ReportSignIn(ctx context.Context, user storage.User, actor string) error {
	return s.record(ctx, actor, ActionNotMe, user, nil)
}

// RecordExport records that a user's data is exported. The caller exports it.
func (s *Service) RecordExport(ctx context.Context, user storage.User, actor string) error {
	return s.record(ctx, actor, ActionExport, user, nil)
}
