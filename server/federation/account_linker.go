package federation

import (
	"context"
	"errors"
	"fmt"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// AccountLinker proves that an existing account is the caller's, for bindUser's methods password and session, and notifies the
// account's owner.
type AccountLinker struct {
	Passwords     *account.Passwords
	Proof         token.LinkProof
	Notifications page.Notifications
	Engine        storage.Engine
}

// beforeCode checks the other proofs of a bindUser method before the code is spent at WeChat. For the method session it records
// the proven user.
func (f *Service) beforeCode(ctx context.Context, client fosite.Client, v *Request) error {
	known, ok := client.(*oauth2.Client)
	if !ok {
		return fmt.Errorf("federation: client is %T", client)
	}
	record := known.Record()
	var settings storage.Federation
	if record.Federation != nil {
		settings = *record.Federation
	}
	switch v.method {
	case bindPhone:
		if record.Federation == nil {
			return endpoint.NewError(fosite.ErrUnauthorizedClient, "This client has no mini-program, whose phone number button gives phone codes. Bind by another method.")
		}
	case bindPassword:
		if !record.FirstParty || !settings.PasswordBinding {
			return endpoint.NewError(fosite.ErrUnauthorizedClient, "This client may not bind accounts by password. Its operator has to mark it as a first party and allow it.")
		}
	case bindSession:
		found, err := f.Linker.Proof.AcceptSession(ctx, v.Issuer, v.accessToken, record.ID, settings.LinkingPartners)
		if err != nil {
			return f.countFailedProof(ctx, v, err)
		}
		v.proven = &found.User
	}
	return nil
}

// countFailedProof counts a wrong proof against the ticket of the request. The error of an unavailable server is no wrong proof.
func (f *Service) countFailedProof(ctx context.Context, v *Request, cause error) error {
	if endpoint.IsUnavailable(cause) {
		return cause
	}
	return f.proofFailed(ctx, v.pending, cause)
}

// attachByPassword is bindUser's method password: it links the account of a username and password, with the limits of any
// sign-in.
func (f *Service) attachByPassword(ctx context.Context, client *oauth2.Client, v *Request, login identity.Login) (resolvedUser, error) {
	try, err := f.Linker.attempt(ctx, v, login)
	if err != nil {
		return resolvedUser{}, err
	}
	user, err := f.Linker.Passwords.Verify(ctx, v.username, v.password, try)
	if errors.Is(err, identity.ErrWrongPassword) && !endpoint.IsUnavailable(err) {
		return resolvedUser{}, f.countFailedProof(ctx, v, &grants.Error{
			Protocol: endpoint.Describe(fosite.ErrInvalidGrant, "The username or the password is wrong, or there were too many attempts. Call wx.login again and try once more, or later.", err),
			Reason:   account.ReasonWrongPassword,
		})
	}
	if err != nil {
		return resolvedUser{}, err
	}
	return f.attach(ctx, client, v, login, user.Record, identity.MethodPassword)
}

// attachBySession is bindUser's method session: it links the account that the access token proves.
func (f *Service) attachBySession(ctx context.Context, client *oauth2.Client, v *Request, login identity.Login) (resolvedUser, error) {
	return f.attach(ctx, client, v, login, *v.proven, identity.MethodSession)
}

func (f *Service) attach(
	ctx context.Context, client *oauth2.Client, v *Request, login identity.Login, user storage.User, method string,
) (resolvedUser, error) {
	resolution, err := f.Users.AttachToUser(ctx, login, user, method)
	if err != nil {
		return resolvedUser{}, err
	}
	if err := f.Linker.Notifications.Notify(ctx, v.Request, resolution.User.Record, "mail.linked"); err != nil {
		return resolvedUser{}, err
	}
	return f.updated(ctx, client, v, login, resolution)
}

// attempt contains the keys of a WeChat user's failures at an account. It omits the account if the WeChat user is already linked
// to it, so that other users cannot lock them out.
func (a *AccountLinker) attempt(ctx context.Context, v *Request, login identity.Login) (account.Attempt, error) {
	directory := v.Issuer.Directory
	own := ratelimit.OpenIDKey(directory, login)
	holder, err := a.Passwords.Users.Holder(ctx, login.Directory, v.username)
	if err != nil {
		return account.Attempt{}, err
	}
	linked, err := a.holder(ctx, storage.IdentityKey(login.Directory, storage.IdentityOpenID, login.AppID, login.OpenID))
	if err != nil {
		return account.Attempt{}, err
	}
	if linked != "" && linked == holder {
		return account.Attempt{Shown: []ratelimit.Key{own}}, nil
	}
	folded := account.FoldName(v.username)
	return account.Attempt{
		Shown: []ratelimit.Key{ratelimit.NameKey(directory, folded), own}, Account: ratelimit.AccountKey(directory, holder, folded),
	}, nil
}

// holder returns the ID of the user that a link names; empty without a link.
func (a *AccountLinker) holder(ctx context.Context, key string) (string, error) {
	link, err := storage.Get[storage.Identity](ctx, a.Engine, key)
	if errors.Is(err, storage.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return link.Record.User, nil
}
