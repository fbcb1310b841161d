package account

import (
	"context"
	"errors"
	"time"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

// firstMethodDelay is the time until a first method works if the user can be notified: time to object.
const firstMethodDelay = 24 * time.Hour

// firstMethod says when a method works that a session which a client's backend could start adds.
type firstMethod struct {
	// Allowed means that the user has no method of their own, and may add the first one.
	Allowed bool
	// From is when it begins to work; zero for at once.
	From time.Time
}

// firstMethod returns what a recent sign-in that a client's backend could start may add. A user with a method of their own signs in
// by it first. Others would have no way to their account, so that they may add one: it is delayed where a mail or an SMS can notify them.
func (a *Account) firstMethod(r *endpoint.Request, user storage.User, signedIn time.Time) (firstMethod, error) {
	if a.Now().Sub(signedIn) > freshness {
		return firstMethod{}, nil
	}
	own, err := a.hasOwnMethod(r, user)
	if err != nil || own {
		return firstMethod{}, err
	}
	first := firstMethod{Allowed: true}
	if a.Notifications.CanNotify(r.Issuer, user) {
		first.From = storage.Instant(a.Now().Add(firstMethodDelay))
	}
	return first, nil
}

// firstOfSession is firstMethod for a session. A session that no backend could start needs none.
func (a *Account) firstOfSession(r *endpoint.Request, current *authorize.CurrentSession) (firstMethod, error) {
	if !current.Record.BackendInitiated {
		return firstMethod{}, nil
	}
	return a.firstMethod(r, current.User, current.Record.AuthTime)
}

// hasOwnMethod reports whether a user can sign in without the backend of a mini-program: by a password, a passkey, a code, or
// WeChat's own pages. A method that is delayed counts, so that no session replaces it without a proof.
func (a *Account) hasOwnMethod(r *endpoint.Request, user storage.User) (bool, error) {
	methods, err := a.Users.Methods(r.Context(), user)
	if err != nil || user.Password != "" || len(methods.Passkeys) > 0 || methods.TOTP != nil {
		return true, err
	}
	directory := r.Issuer.Directory
	if user.EmailVerified && directory.HasSignInMethod(storage.SignInEmailCode) || !user.PhoneProvenAt.IsZero() && directory.HasSignInMethod(storage.SignInPhoneCode) {
		return true, nil
	}
	links, err := a.Users.Identities(r.Context(), user)
	if err != nil {
		return true, err
	}
	for _, link := range links {
		if link.Record.Type != storage.IdentityOpenID {
			continue
		}
		if shown, err := a.signsInAt(r.Context(), directory, link.Record.Namespace); err != nil || shown {
			return true, err
		}
	}
	return false, nil
}

// signsInAt reports whether the users of a WeChat app sign in to the directory by WeChat's own pages.
func (a *Account) signsInAt(ctx context.Context, directory storage.Directory, appID string) (bool, error) {
	entry, err := storage.Get[storage.Connection](ctx, a.Engine, storage.Connection{Directory: directory.ID, AppID: appID}.Document().ID)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch connection := entry.Record; connection.Kind {
	case storage.ConnectionWebsite:
		return !connection.Disabled && directory.HasSignInMethod(storage.SignInWebsite), nil
	case storage.ConnectionOfficialAccount:
		return !connection.Disabled && directory.HasSignInMethod(storage.SignInOfficialAccount), nil
	default:
		return false, nil
	}
}
