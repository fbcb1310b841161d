package server

import (
	"context"
	"errors"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// attaching proves that an existing account is the caller's, for bindUser's methods password and session, and tells the
// account's owner.
type attaching struct {
	passwords *passwords
	proof     linkProof
	letters   letters
	engine    storage.Engine
}

// beforeCode checks, before the code is spent at WeChat, what a method of binding needs besides. Of the session it remembers whose
// it is.
func (f *federation) beforeCode(ctx context.Context, client fosite.Client, v *visit) error {
	record, err := federated(client)
	if err != nil {
		return err
	}
	switch v.method {
	case bindPassword:
		if !record.FirstParty || !record.Federation.PasswordBinding {
			return refusal(fosite.ErrUnauthorizedClient, "This client may not bind accounts by password. Its operator has to mark it as a first party and allow it.")
		}
	case bindSession:
		found, err := f.attaching.proof.acceptSession(ctx, v.issuer, v.accessToken, record.ID, record.Federation.LinkingPartners)
		if err != nil {
			return f.countedProof(ctx, v, err)
		}
		v.proven = &found.User
	}
	return nil
}

// countedProof counts a wrong proof against the ticket that was shown.
func (f *federation) countedProof(ctx context.Context, v *visit, refused error) error {
	if down(refused) {
		return refused
	}
	return f.proofFailed(ctx, v.pending, refused)
}

// attachByPassword is bindUser's method password: who knows username and password of an account gets it, at the pace of any
// other sign-in.
func (f *federation) attachByPassword(ctx context.Context, client *oauth2.Client, v *visit, login identity.Login) (person, error) {
	try, err := f.attaching.attempt(ctx, login, v.username)
	if err != nil {
		return person{}, err
	}
	user, err := f.attaching.passwords.verify(ctx, v.username, v.password, try)
	if errors.Is(err, identity.ErrWrongPassword) && !down(err) {
		return person{}, f.countedProof(ctx, v, &grants.Error{
			Protocol: as(fosite.ErrInvalidGrant, "The username or the password is wrong, or there were too many attempts. Call wx.login again and try once more, or later.", err),
			Reason:   reasonWrongPassword,
		})
	}
	if err != nil {
		return person{}, err
	}
	return f.attach(ctx, client, v, login, user.Record, identity.MethodPassword)
}

// attachBySession is bindUser's method session: who is signed in to an account gets it.
func (f *federation) attachBySession(ctx context.Context, client *oauth2.Client, v *visit, login identity.Login) (person, error) {
	return f.attach(ctx, client, v, login, *v.proven, identity.MethodSession)
}

func (f *federation) attach(
	ctx context.Context, client *oauth2.Client, v *visit, login identity.Login, user storage.User, method string,
) (person, error) {
	resolution, err := f.people.AttachToUser(ctx, login, user, method)
	if err != nil {
		return person{}, err
	}
	if err := f.attaching.letters.tell(ctx, v.issuer, resolution.User.Record, "mail.linked"); err != nil {
		return person{}, err
	}
	return f.updated(ctx, client, v, resolution)
}

// attempt is what the failures of a WeChat user at an account are counted by: the account is among it, unless the WeChat user
// has it already. Then nobody else can keep them out of it.
func (a *attaching) attempt(ctx context.Context, login identity.Login, name string) (attempt, error) {
	issuer, ok := oauth2.IssuerFrom(ctx)
	if !ok {
		return attempt{}, errNoRequest
	}
	own := throttledOpenID(issuer.Directory, login)
	holder, err := a.passwords.people.Holder(ctx, login.Directory, name)
	if err != nil {
		return attempt{}, err
	}
	linked, err := a.holder(ctx, storage.IdentityKey(login.Directory, storage.IdentityOpenID, login.AppID, login.OpenID))
	if err != nil {
		return attempt{}, err
	}
	if linked != "" && linked == holder {
		return attempt{told: []throttled{own}}, nil
	}
	folded := foldName(name)
	return attempt{
		told: []throttled{throttledName(issuer.Directory, folded), own}, account: throttledAccount(issuer.Directory, holder, folded),
	}, nil
}

// holder is the ID of the user that a link names; empty without a link.
func (a *attaching) holder(ctx context.Context, key string) (string, error) {
	link, err := storage.Get[storage.Identity](ctx, a.engine, key)
	if errors.Is(err, storage.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return link.Record.User, nil
}
