package wechatweb

import (
	"context"
	"errors"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/federation"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// exchange spends the code of a claimed sign-in, and stores the result. It continues when the browser has gone: WeChat's own browser
// opens the callback again, and the second request finds the result.
func (e *Callback) exchange(ctx context.Context, v *visit, claimed *storage.Entry[storage.WebLogin], code string) (storage.WebLogin, error) {
	ctx = context.WithoutCancel(ctx)
	result := claimed.Record
	failed := e.proveInTime(ctx, v.connection, code, &result)
	failure, expected := errors.AsType[*failureError](failed)
	switch {
	case failed == nil:
	case expected && !failure.spent: // A reload tries again.
		result.Code = ""
	case expected:
		result.Failure = failure.reason
	default: // The store failed after WeChat had accepted the code.
		result.Failure = reasonCode
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout) // A slow WeChat does not prevent that its result is stored.
	defer cancel()
	if _, err := claimed.Replace(ctx, e.Engine, result); err != nil && failed == nil {
		return storage.WebLogin{}, err
	}
	return result, failed
}

func (e *Callback) proveInTime(ctx context.Context, connection storage.Connection, code string, result *storage.WebLogin) error {
	ctx, cancel := context.WithTimeout(ctx, 2*e.Timeout)
	defer cancel()
	return e.prove(ctx, connection, code, result)
}

// prove writes the authenticated user into result: a user of the directory, or a WeChat user that the directory does not know and
// does not create.
func (e *Callback) prove(ctx context.Context, connection storage.Connection, code string, result *storage.WebLogin) error {
	proven, err := e.WebUsers.Prove(ctx, connection, code)
	if err != nil {
		return fromWeChat(err)
	}
	now, login := storage.Instant(e.Now()), proven.Login
	user, err := account.SignedIn(e.resolve(ctx, proven, result.JoinTo != ""))
	switch {
	case errors.Is(err, identity.ErrUnknownUser):
		result.Pending = &storage.Pending{AppID: login.AppID, OpenID: login.OpenID, UnionID: login.UnionID, ProvenAt: now}
		return nil
	case errors.Is(err, identity.ErrUserDisabled):
		return newFailure(grants.ReasonUserDisabled, err)
	case isWeChat(err):
		return newFailure(reasonCode, err)
	case err != nil:
		return err
	}
	result.User, result.UserEpoch, result.AuthTime = user.ID, user.Epoch, now
	return nil
}

// resolve returns the user of a WeChat user. One who is added to an account is not created.
func (e *Callback) resolve(ctx context.Context, proven *federation.WebUser, added bool) (*storage.Entry[storage.User], error) {
	resolve := func() (*identity.Resolution, error) { return e.WebUsers.Resolve(ctx, proven, identity.ProfileUpdate{}) }
	if added {
		resolve = func() (*identity.Resolution, error) { return e.WebUsers.Find(ctx, proven) }
	}
	resolution, err := resolve()
	if err != nil {
		return nil, err
	}
	return resolution.User, nil
}

func isWeChat(err error) bool {
	_, ok := errors.AsType[*wechat.Error](err)
	return ok
}
