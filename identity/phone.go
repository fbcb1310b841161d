package identity

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/minifed/minifed/storage"
)

// defaultPhoneFresh is the default of Policy.PhoneFresh: operators give a number to another person after about as long.
const defaultPhoneFresh = 90 * 24 * time.Hour

// phoneFresh is how long a proof of a number counts.
func phoneFresh(policy storage.Policy) time.Duration {
	if policy.PhoneFresh > 0 {
		return time.Duration(policy.PhoneFresh) * time.Second
	}
	return defaultPhoneFresh
}

// LinkPhone assigns a number, in E.164, to the user who has just proven it to the mini-program appID, if it is free or already the user's. It returns
// ErrOtherNumber if the user has another number. If another user has the number, it records a merge candidate and returns
// ErrAccountConflict: a number never moves between users.
func (s *Service) LinkPhone(ctx context.Context, directory, userID, number, appID string) (*storage.Entry[storage.User], error) {
	return s.linkPhone(ctx, directory, userID, number, appID, keepNumber)
}

// ReplacePhone is LinkPhone, but replaces another number of the user.
func (s *Service) ReplacePhone(ctx context.Context, directory, userID, number, appID string) (*storage.Entry[storage.User], error) {
	return s.linkPhone(ctx, directory, userID, number, appID, replaceNumber)
}

// otherNumber selects whether the user's other number is replaced.
type otherNumber bool

const (
	keepNumber    otherNumber = false
	replaceNumber otherNumber = true
)

func (s *Service) linkPhone(
	ctx context.Context, directory, userID, number, appID string, other otherNumber,
) (*storage.Entry[storage.User], error) {
	number, err := ParsePhone(number)
	if err != nil {
		return nil, err
	}
	user, err := s.active(ctx, directory, userID)
	if err != nil {
		return nil, err
	}
	attribute := phoneAttribute(directory, number, appID)
	attribute.check = func(user storage.User) error {
		if other == keepNumber && user.Phone != "" && user.Phone != number {
			return ErrOtherNumber
		}
		return nil
	}
	linked, err := s.assign(ctx, directory, user.Record.ID, Self(user.Record.ID), attribute)
	if held := holder(err); held != nil {
		if _, err := s.suggestUsers(ctx, user.Record, held.Record, ReasonPhone); err != nil {
			return nil, err
		}
		return nil, ErrAccountConflict
	}
	return linked, err
}

// SetPhone assigns a number, in E.164, that the caller has verified, and releases the previous one. It returns ErrTaken if
// another user has it, and *InvalidError.
func (s *Service) SetPhone(ctx context.Context, directory, userID, number, actor string) (*storage.Entry[storage.User], error) {
	number, err := ParsePhone(number)
	if err != nil {
		return nil, err
	}
	user, err := s.assign(ctx, directory, userID, actor, phoneAttribute(directory, number, ""))
	if holder(err) != nil {
		return nil, ErrTaken
	}
	return user, err
}

// phoneAttribute is a number that was proven to the mini-program appID, or elsewhere if that is empty.
func phoneAttribute(directory, number, appID string) attribute {
	return attribute{
		link:    phoneIdentity(directory, number),
		action:  ActionPhone,
		valueOf: func(user storage.User) string { return user.Phone },
		set: func(user *storage.User, when time.Time) {
			if user.Phone != number {
				user.PhoneProvenAt = time.Time{}
			}
			user.Phone, user.PhoneVerifiedAt = number, when
			if user.PhoneProvenAt.IsZero() { // A number that was proven here stays when the mini-program's data is withdrawn.
				setSource(user, ClaimPhone, appID, when)
			}
		},
	}
}

func phoneIdentity(directory, number string) storage.Identity {
	return storage.Identity{Directory: directory, Type: storage.IdentityPhone, Value: number}
}

// AttachByPhone signs in a WeChat user who has just proven the phone number, in E.164, of an account.
//
// A free number is linked to the WeChat user's account; if there is none, a shadow user is created first. If the number belongs
// to a user, an unknown WeChat user is attached to that account on these conditions: the policy allows it, the holder's proof of
// the number is recent, and the holder has no password and no OpenID of this AppID. Otherwise it records a merge candidate and
// returns ErrAccountConflict, because numbers are recycled.
//
// ErrChanged means that the account signed out everywhere, or removed a client, during the call. It returns ErrOtherNumber if the
// user has another number, unless replaces is set.
func (s *Service) AttachByPhone(
	ctx context.Context, login Login, number string, policy storage.Policy, replaces bool,
) (*Resolution, error) {
	number, err := ParsePhone(number)
	if err != nil {
		return nil, err
	}
	known, err := s.Resolve(ctx, login, false)
	if err == nil {
		return s.linkPhoneOf(ctx, known, number, login.AppID, otherNumber(replaces))
	}
	if !errors.Is(err, ErrUnknownUser) {
		return nil, err
	}
	at, err := s.attributeLink(ctx, phoneIdentity(login.Directory, number))
	if err != nil {
		return nil, err
	}
	if at.user == nil {
		known, err := s.Resolve(ctx, login, true)
		if err != nil {
			return nil, err
		}
		return s.linkPhoneOf(ctx, known, number, login.AppID, otherNumber(replaces))
	}
	return s.attachToHolder(ctx, login, at.user.Record, number, policy)
}

func (s *Service) linkPhoneOf(ctx context.Context, known *Resolution, number, appID string, other otherNumber) (*Resolution, error) {
	seen := known.User.Record
	user, err := s.linkPhone(ctx, seen.Directory, seen.ID, number, appID, other)
	if err != nil {
		return nil, err
	}
	// The login belongs to the user as first read: if the user's grants have ended since, the login has ended too.
	if user.Record.ID != seen.ID || user.Record.Epoch != seen.Epoch || user.Record.ClientEpochBase != seen.ClientEpochBase ||
		!maps.Equal(user.Record.ClientEpochs, seen.ClientEpochs) {
		return nil, ErrChanged
	}
	known.User = user
	return known, nil
}

// attachToHolder attaches an unknown WeChat user to the holder of a number, if all conditions are met.
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

// isFresh reports whether a proof of a number counts.
func (s *Service) isFresh(proven time.Time, policy storage.Policy) bool {
	return !proven.IsZero() && s.now().Sub(proven) <= phoneFresh(policy) && !storage.MadeAhead(proven, s.now())
}

func (s *Service) mayAttachByPhone(
	ctx context.Context, login Login, holder storage.User, number string, policy storage.Policy,
) (bool, error) {
	recent := holder.Phone == number && s.isFresh(holder.PhoneVerifiedAt, policy)
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
