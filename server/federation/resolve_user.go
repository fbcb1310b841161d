package federation

import (
	"context"
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/wechat"
)

// resolvedUser is the user of a login.
type resolvedUser struct {
	// user is the stored user.
	user storage.User
	// epoch and clientEpoch are those of the user as first read, so that an end of all grants in the meantime ends this one too.
	epoch, clientEpoch int64
	// phoneError is the error of the phone number in the login; empty without one.
	phoneError string
}

// resolveUser finds or creates the user of a login, by the method of the request. It returns identity.ErrUnknownUser for an
// unknown user if the policy requires registration first.
func (f *Service) resolveUser(
	ctx context.Context, client *oauth2.Client, request grants.Exchange, v *Request, login identity.Login,
) (resolvedUser, error) {
	if v.method == bindPhone || v.method == "" && v.web != nil && v.web.provisions() {
		if err := f.checkNewUser(ctx, v, login); err != nil {
			return resolvedUser{}, err
		}
	}
	switch v.method {
	case "":
		return f.signIn(ctx, client, request, v, login)
	case bindRegister:
		return f.register(ctx, client, v, login)
	case bindPhone:
		return f.attachByPhone(ctx, client, request, v, login)
	case bindPassword:
		return f.attachByPassword(ctx, client, v, login)
	case bindSession:
		return f.attachBySession(ctx, client, v, login)
	default:
		return resolvedUser{}, errors.New("federation: unknown method of bindUser")
	}
}

// signIn is a login without binding. The client's policy defines whether it creates an unknown user.
func (f *Service) signIn(
	ctx context.Context, client *oauth2.Client, request grants.Exchange, v *Request, login identity.Login,
) (resolvedUser, error) {
	if v.web != nil {
		return f.signInNative(ctx, client, v)
	}
	found, err := f.resolve(ctx, client, v, login)
	if err != nil {
		return resolvedUser{}, err
	}
	if request.PhoneCode == "" {
		return found, nil
	}
	found.phoneError, err = f.linkPhone(ctx, client, v, request.PhoneCode, &found)
	return found, err
}

func (f *Service) resolve(ctx context.Context, client *oauth2.Client, v *Request, login identity.Login) (resolvedUser, error) {
	if client.Record().Federation.Provisioning != storage.ProvisionBind {
		return f.register(ctx, client, v, login)
	}
	resolution, err := f.Users.Resolve(ctx, login, false)
	if err != nil {
		return resolvedUser{}, err
	}
	return f.updated(ctx, client, v, login, resolution)
}

// register signs a known user in, and creates an unknown one with the profile that the mini-program asserts.
func (f *Service) register(ctx context.Context, client *oauth2.Client, v *Request, login identity.Login) (resolvedUser, error) {
	if rejected := f.rejectsNewUser(v); rejected != nil {
		resolution, err := f.Users.Resolve(ctx, login, false)
		if errors.Is(err, identity.ErrUnknownUser) {
			return resolvedUser{}, rejected
		}
		if err != nil {
			return resolvedUser{}, err
		}
		return f.updated(ctx, client, v, login, resolution)
	}
	if v.web != nil {
		resolution, err := f.WebUsers.Register(ctx, v.web, v.asserted())
		if err != nil {
			return resolvedUser{}, err
		}
		return f.updated(ctx, client, v, login, resolution)
	}
	if v.profile == nil {
		resolution, err := f.Users.Resolve(ctx, login, true)
		if err != nil {
			return resolvedUser{}, err
		}
		return userOf(client, resolution), nil
	}
	resolution, err := f.Users.Register(ctx, login, *v.profile)
	if err != nil {
		return resolvedUser{}, err
	}
	return f.updated(ctx, client, v, login, resolution)
}

// updated applies the asserted profile to a known user, if the client may.
func (f *Service) updated(
	ctx context.Context, client *oauth2.Client, v *Request, login identity.Login, resolution *identity.Resolution,
) (resolvedUser, error) {
	found := userOf(client, resolution)
	federation := client.Record().Federation
	if v.profile == nil || resolution.Created || federation == nil || !federation.UpdateProfile {
		return found, nil
	}
	update := *v.profile
	update.AppID = login.AppID
	user, err := f.Users.UpdateProfile(ctx, found.user.Directory, found.user.ID, update, identity.Self(found.user.ID))
	if err != nil {
		return resolvedUser{}, err
	}
	found.user = user.Record
	return found, nil
}

// attachByPhone is bindUser's method phone: it links the account with the proven number, within the directory's policy.
func (f *Service) attachByPhone(
	ctx context.Context, client *oauth2.Client, request grants.Exchange, v *Request, login identity.Login,
) (resolvedUser, error) {
	issuer := v.Issuer
	failures, guesser := f.Linker.Passwords.Lockout, ratelimit.OpenIDKey(issuer.Directory, login)
	if err := failures.Check(ctx, guesser); err != nil {
		return resolvedUser{}, err
	}
	number, err := f.phoneNumber(ctx, client, v, request.PhoneCode)
	switch {
	case endpoint.IsClass(err, wechat.ClassCode):
		failures.Failed(ctx, guesser)
		return resolvedUser{}, f.proofFailed(ctx, v.pending, newPhoneCode(err))
	case endpoint.IsClass(err, wechat.ClassAmbiguous), endpoint.IsClass(err, wechat.ClassUnknown):
		return resolvedUser{}, newPhoneCode(err) // It may be spent.
	case err != nil:
		return resolvedUser{}, err
	}
	resolution, err := f.Users.AttachByPhone(ctx, login, number, issuer.Directory.Policy, client.Record().FirstParty)
	if err != nil {
		return resolvedUser{}, err
	}
	return f.updated(ctx, client, v, login, resolution)
}

// linkPhone links a verified number to a user who just signed in. A user's existing number remains. An error does not fail the
// login: failure describes it.
func (f *Service) linkPhone(ctx context.Context, client *oauth2.Client, v *Request, code string, to *resolvedUser) (failure string, err error) {
	number, err := f.phoneNumber(ctx, client, v, code)
	if err == nil {
		var user *storage.Entry[storage.User]
		if user, err = f.Users.LinkPhone(ctx, to.user.Directory, to.user.ID, number, client.Record().Federation.AppID); err == nil {
			to.user = user.Record
			return "", nil
		}
	}
	if errors.Is(err, identity.ErrUserDisabled) || errors.Is(err, identity.ErrDeletionPending) {
		return "", err
	}
	v.unfinished = endpoint.IsUnavailable(err) // The code of the number is spent; the next login can contain it again.
	failure = phoneFailure(err)
	f.Logger.WarnContext(ctx, "phone number not linked at login", "request_id", v.ID, "phone_error", failure, "cause", endpoint.OperatorText(err))
	return failure, nil
}

// phoneNumber spends the code of the phone number button and returns the number in E.164.
func (f *Service) phoneNumber(ctx context.Context, client *oauth2.Client, v *Request, code string) (string, error) {
	app, err := f.app(client)
	if err != nil {
		return "", err
	}
	proven, err := f.Results.phoneNumber(v, client, code, func() (wechat.PhoneNumber, error) { return f.WeChat.PhoneNumber(ctx, app, code) })
	if err != nil {
		return "", err
	}
	return "+" + proven.CountryCode + proven.PureNumber, nil
}

// phoneFailure returns the value of "phone_error", one of those of "reason".
func phoneFailure(err error) string {
	reason := grants.FromWeChat(err).Reason
	switch {
	case errors.Is(err, identity.ErrAccountConflict), errors.Is(err, identity.ErrOtherNumber):
		return codeAccountConflict
	case reason == grants.ReasonNewCode:
		return reasonNewPhoneCode
	case reason == "":
		return grants.ReasonRetry
	default:
		return reason
	}
}

func userOf(client *oauth2.Client, resolution *identity.Resolution) resolvedUser {
	user := resolution.User.Record
	return resolvedUser{user: user, epoch: user.Epoch, clientEpoch: user.ClientEpoch(client.GetID())}
}

// The error codes of bindUser that no specification registers.
const (
	codeAlreadyBound    = "already_bound"
	codeAccountConflict = "account_conflict"
)

// reasonNewPhoneCode means that the user has to tap the phone number button again.
const reasonNewPhoneCode = "new_phone_code"

func newPhoneCode(cause error) error {
	return &grants.Error{
		Protocol: endpoint.Describe(fosite.ErrInvalidRequest, "The phone_code is unknown, expired, used, or was lost on the way. Call wx.login again, let the user tap the phone number button again, and send both codes.", cause),
		Reason:   reasonNewPhoneCode,
	}
}

// userError maps the error for a user who cannot sign in or be bound to the error for the mini-program's backend.
func userError(err error) error {
	var invalid *identity.InvalidError
	switch {
	case errors.Is(err, identity.ErrUserDisabled):
		return grants.UserDisabled()
	case errors.Is(err, identity.ErrDeletionPending):
		return grants.DeletionPending()
	case errors.Is(err, identity.ErrSnapshotUser):
		return grants.Blocked(err)
	case errors.Is(err, identity.ErrAlreadyBound):
		return conflict(codeAlreadyBound)
	case errors.Is(err, identity.ErrAccountConflict), errors.Is(err, identity.ErrOtherNumber):
		return conflict(codeAccountConflict)
	case errors.Is(err, identity.ErrChanged):
		return grants.NewCode("The account signed out everywhere, or changed how one signs in, while this request was under way. Call wx.login again and start over with its code.", err)
	case errors.As(err, &invalid):
		return endpoint.NewError(fosite.ErrInvalidRequest, invalid.Member+" "+invalid.Reason.String()+".")
	}
	if _, ok := errors.AsType[*wechat.Error](err); ok {
		return grants.FromWeChat(err)
	}
	return err
}

// conflict returns 409 with one of bindUser's error codes.
func conflict(code string) error {
	description := "This WeChat user belongs to another account already. The operator can merge the two; nothing merges by itself."
	if code == codeAccountConflict {
		description = "Another account holds this phone number and cannot be attached by it, or this account has another number. The operator can change a number, and sees two accounts as a merge candidate."
	}
	return &grants.Error{Protocol: &fosite.RFC6749Error{ErrorField: code, DescriptionField: description, CodeField: http.StatusConflict}}
}
