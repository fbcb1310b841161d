package identity

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/minifed/minifed/storage"
)

// defaultPhoneFresh is Policy.PhoneFresh where the policy does not say.
const defaultPhoneFresh = 180 * 24 * time.Hour

// LinkPhone gives a number that was just proven, in E.164, to a user if it is free or the user's already. A user who has another
// number keeps it: that is ErrOtherNumber. A number that somebody else holds is never moved: that is ErrAccountConflict, and a
// merge candidate.
func (s *Service) LinkPhone(ctx context.Context, directory, userID, number string) (*storage.Entry[storage.User], error) {
	return s.linkPhone(ctx, directory, userID, number, keepNumber)
}

// ReplacePhone is LinkPhone, but the user's former number goes.
func (s *Service) ReplacePhone(ctx context.Context, directory, userID, number string) (*storage.Entry[storage.User], error) {
	return s.linkPhone(ctx, directory, userID, number, replaceNumber)
}

// otherNumber says what happens when a number is linked to a user who has another one.
type otherNumber bool

const (
	keepNumber    otherNumber = false
	replaceNumber otherNumber = true
)

func (s *Service) linkPhone(
	ctx context.Context, directory, userID, number string, other otherNumber,
) (*storage.Entry[storage.User], error) {
	number, err := ParsePhone(number)
	if err != nil {
		return nil, err
	}
	user, err := s.active(ctx, directory, userID)
	if err != nil {
		return nil, err
	}
	attribute := phoneAttribute(directory, number)
	attribute.may = func(user storage.User) error {
		if other == keepNumber && user.Phone != "" && user.Phone != number {
			return ErrOtherNumber
		}
		return nil
	}
	linked, err := s.hold(ctx, directory, user.Record.ID, Self(user.Record.ID), attribute)
	if held := holder(err); held != nil {
		if _, err := s.suggestUsers(ctx, user.Record, held.Record, ReasonPhone); err != nil {
			return nil, err
		}
		return nil, ErrAccountConflict
	}
	return linked, err
}

// SetPhone gives a user a number, in E.164, that the caller vouches for, and frees the former one. It answers ErrTaken if
// somebody else has it, and *InvalidError.
func (s *Service) SetPhone(ctx context.Context, directory, userID, number, actor string) (*storage.Entry[storage.User], error) {
	number, err := ParsePhone(number)
	if err != nil {
		return nil, err
	}
	user, err := s.hold(ctx, directory, userID, actor, phoneAttribute(directory, number))
	if holder(err) != nil {
		return nil, ErrTaken
	}
	return user, err
}

func phoneAttribute(directory, number string) attribute {
	return attribute{
		link:   phoneIdentity(directory, number),
		action: ActionPhone,
		held:   func(user storage.User) string { return user.Phone },
		set:    func(user *storage.User, when time.Time) { user.Phone, user.PhoneVerifiedAt = number, when },
	}
}

func phoneIdentity(directory, number string) storage.Identity {
	return storage.Identity{Directory: directory, Type: storage.IdentityPhone, Value: number}
}

// AttachByPhone signs a WeChat user in who has just proven a phone number, in E.164, for an account.
//
// A free number is linked to the WeChat user's account, and a person whom nobody knows becomes a shadow user first. A number
// that somebody holds attaches the WeChat user to that account only if nobody knows the WeChat user yet, the policy allows
// it, the holder's proof of the number is recent enough, and the holder has neither a password nor an OpenID of this AppID.
// Everything else is ErrAccountConflict and a merge candidate, because numbers are recycled. ErrChanged says that the account
// signed out everywhere, or removed a client, while this was under way. A user who has another number keeps it, unless replaces
// is set: that is ErrOtherNumber.
func (s *Service) AttachByPhone(
	ctx context.Context, login Login, number string, policy storage.Policy, replaces bool,
) (*Resolution, error) {
	number, err := ParsePhone(number)
	if err != nil {
		return nil, err
	}
	known, err := s.Resolve(ctx, login, false)
	if err == nil {
		return s.linkPhoneOf(ctx, known, number, otherNumber(replaces))
	}
	if !errors.Is(err, ErrUnknownUser) {
		return nil, err
	}
	at, err := s.attributeSeat(ctx, phoneIdentity(login.Directory, number))
	if err != nil {
		return nil, err
	}
	if at.user == nil {
		known, err := s.Resolve(ctx, login, true)
		if err != nil {
			return nil, err
		}
		return s.linkPhoneOf(ctx, known, number, otherNumber(replaces))
	}
	return s.attachToHolder(ctx, login, at.user.Record, number, policy)
}

func (s *Service) linkPhoneOf(ctx context.Context, known *Resolution, number string, other otherNumber) (*Resolution, error) {
	seen := known.User.Record
	user, err := s.linkPhone(ctx, seen.Directory, seen.ID, number, other)
	if err != nil {
		return nil, err
	}
	// The login is one of the user as first read: what ended that user's grants since has ended this login too.
	if user.Record.ID != seen.ID || user.Record.Epoch != seen.Epoch || user.Record.ClientEpochBase != seen.ClientEpochBase ||
		!maps.Equal(user.Record.ClientEpochs, seen.ClientEpochs) {
		return nil, ErrChanged
	}
	known.User = user
	return known, nil
}

// attachToHolder attaches a WeChat user whom nobody knows to the holder of a number, if all the conditions hold.
func (s *Service) attachToHolder(
	ctx context.Context, login Login, holder storage.User, number string, policy storage.Policy,
) (*Resolution, error) {
	may, err := s.mayAttachByPhone(ctx, login, holder, number, policy)
	if err != nil {
		return nil, err
	}
	if !may {
		if _, err := s.suggestLogin(ctx, login, holder, ReasonPhone); err != nil {
			return nil, err
		}
		return nil, ErrAccountConflict
	}
	return s.AttachToUser(ctx, login, holder, MethodPhone)
}

func (s *Service) mayAttachByPhone(
	ctx context.Context, login Login, holder storage.User, number string, policy storage.Policy,
) (bool, error) {
	fresh := defaultPhoneFresh
	if policy.PhoneFresh > 0 {
		fresh = time.Duration(policy.PhoneFresh) * time.Second
	}
	verified := holder.PhoneVerifiedAt
	recent := holder.Phone == number && s.now().Sub(verified) <= fresh && !storage.MadeAhead(verified, s.now())
	if !policy.AttachByPhone || !recent || holder.Password != "" || holder.Status != storage.UserActive {
		return false, nil
	}
	links, err := s.Identities(ctx, holder)
	if err != nil {
		return false, err
	}
	for _, link := range links {
		if link.Record.Type == storage.IdentityOpenID && link.Record.Namespace == login.AppID {
			return false, nil
		}
	}
	return true, nil
}
