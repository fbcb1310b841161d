package federation

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

// WebUsers finds the users of connections: of website apps, official accounts and mobile apps. All three share their users with the
// mini-programs of the same Open Platform account.
type WebUsers struct {
	WeChat WeChat
	Users  *identity.Service
	Master *keys.Master
	Logger *slog.Logger
}

// WebUser is the WeChat user of a code.
type WebUser struct {
	Login identity.Login

	connection storage.Connection
	app        wechat.App
	session    wechat.WebSession
	// profile and profileErr are the result of the call for the profile, if asked says that there was one.
	profile    wechat.WebProfile
	profileErr error
	asked      bool
}

// provisions reports whether the policy of the connection creates an unknown user.
func (u *WebUser) provisions() bool { return u.connection.Provisioning != storage.ProvisionBind }

// Prove spends a code. Without a UnionID in the response, it reads the profile, which may have it.
func (u *WebUsers) Prove(ctx context.Context, connection storage.Connection, code string) (*WebUser, error) {
	proven, err := u.spend(ctx, connection, code)
	if err == nil {
		u.complete(ctx, proven)
	}
	return proven, err
}

func (u *WebUsers) spend(ctx context.Context, connection storage.Connection, code string) (*WebUser, error) {
	secret, err := u.Master.Open(connection.AppSecret, keys.ConnectionSecretBinding(connection.Directory, connection.AppID))
	if err != nil {
		return nil, grants.Misconfigured(err)
	}
	app := wechat.App{ID: wechat.AppID(connection.AppID), Secret: wechat.AppSecret(secret)}
	session, err := u.WeChat.WebLogin(ctx, app, code)
	if err != nil {
		return nil, err
	}
	proven := &WebUser{connection: connection, app: app, session: session}
	proven.Login = identity.Login{
		Directory: connection.Directory, AppID: connection.AppID, OpenID: string(session.OpenID),
		OpenPlatform: connection.OpenPlatform, UnionID: string(session.UnionID),
	}
	return proven, nil
}

// complete reads the profile if the UnionID is missing.
func (u *WebUsers) complete(ctx context.Context, proven *WebUser) {
	if proven.connection.OpenPlatform == "" || proven.Login.UnionID != "" {
		return
	}
	u.readProfile(ctx, proven)
	proven.Login.UnionID = string(proven.profile.UnionID)
}

func (u *WebUsers) readProfile(ctx context.Context, proven *WebUser) {
	if !proven.asked {
		proven.profile, proven.profileErr = u.WeChat.WebProfile(ctx, proven.app, proven.session)
		proven.asked = true
	}
}

// Resolve returns the user. Under the policy bind, an unknown WeChat user is identity.ErrUnknownUser. A new user gets nickname and
// picture of WeChat as an unverified profile, replaced by the asserted members. While the UnionID cannot be read, an unknown user is
// the error of WeChat: the person could become a second user.
func (u *WebUsers) Resolve(ctx context.Context, proven *WebUser, asserted identity.ProfileUpdate) (*identity.Resolution, error) {
	return u.resolve(ctx, proven, asserted, proven.provisions())
}

// Register is Resolve for a user who requested registration: it creates an unknown user under the policy bind, too.
func (u *WebUsers) Register(ctx context.Context, proven *WebUser, asserted identity.ProfileUpdate) (*identity.Resolution, error) {
	return u.resolve(ctx, proven, asserted, true)
}

// Find is Resolve without the creation of a user.
func (u *WebUsers) Find(ctx context.Context, proven *WebUser) (*identity.Resolution, error) {
	return u.resolve(ctx, proven, identity.ProfileUpdate{}, false)
}

func (u *WebUsers) resolve(ctx context.Context, proven *WebUser, asserted identity.ProfileUpdate, provision bool) (*identity.Resolution, error) {
	if provision {
		return u.Users.RegisterBy(ctx, proven.Login, func(ctx context.Context) (identity.ProfileUpdate, error) {
			return u.profileOfNew(ctx, proven, asserted)
		})
	}
	resolution, err := u.Users.Resolve(ctx, proven.Login, false)
	if errors.Is(err, identity.ErrUnknownUser) {
		if err := u.checkUnknown(ctx, proven); err != nil {
			return nil, err
		}
	}
	return resolution, err
}

// checkUnknown returns the error of WeChat if the UnionID of an unknown user may be readable later.
func (u *WebUsers) checkUnknown(ctx context.Context, proven *WebUser) error {
	if proven.Login.UnionID == "" && isTransient(proven.profileErr) {
		return proven.profileErr
	}
	u.warnWithoutUnionID(ctx, proven)
	return nil
}

// profileOfNew returns the profile of a user who is created: what the app asserts, and otherwise what WeChat shows.
func (u *WebUsers) profileOfNew(ctx context.Context, proven *WebUser, asserted identity.ProfileUpdate) (identity.ProfileUpdate, error) {
	if err := u.checkUnknown(ctx, proven); err != nil {
		return identity.ProfileUpdate{}, err
	}
	u.readProfile(ctx, proven)
	if proven.profileErr != nil {
		u.Logger.InfoContext(ctx, "a new user has no profile of WeChat",
			"directory", proven.connection.Directory, "app_id", proven.connection.AppID, "cause", proven.profileErr.Error())
	}
	return asserted.Over(profileOf(proven.profile)).Canonical()
}

// isTransient reports whether the same call may succeed later.
func isTransient(err error) bool {
	failure, ok := errors.AsType[*wechat.Error](err)
	return ok && failure.Class != wechat.ClassConfig && failure.Class != wechat.ClassBlocked
}

// warnWithoutUnionID logs why a person may become two users.
func (u *WebUsers) warnWithoutUnionID(ctx context.Context, proven *WebUser) {
	if proven.connection.OpenPlatform != "" && proven.Login.UnionID == "" {
		u.Logger.WarnContext(ctx, "WeChat returns no UnionID for a new user, so that the person is another user than in the mini-program: bind the app to the Open Platform account at open.weixin.qq.com",
			"directory", proven.connection.Directory, "app_id", proven.connection.AppID, "open_platform", proven.connection.OpenPlatform)
	}
}

// maxNickname bounds a nickname, in characters.
const maxNickname = 256

// profileOf returns the profile of a new user. It leaves out what the directory does not accept: a nickname prevents no sign-in.
func profileOf(shown wechat.WebProfile) identity.ProfileUpdate {
	var update identity.ProfileUpdate
	nickname, picture := printable(shown.Nickname), shown.Picture
	if rest, plain := strings.CutPrefix(picture, "http://"); plain { // WeChat's pictures are at https as well.
		picture = "https://" + rest
	}
	if candidate := (identity.ProfileUpdate{Nickname: &nickname}); nickname != "" && isAcceptable(candidate) {
		update.Nickname = &nickname
	}
	if candidate := (identity.ProfileUpdate{Picture: &picture}); picture != "" && isAcceptable(candidate) {
		update.Picture = &picture
	}
	return update
}

func isAcceptable(update identity.ProfileUpdate) bool {
	_, err := update.Canonical()
	return err == nil
}

// printable replaces control characters by spaces, and cuts a text that is too long.
func printable(text string) string {
	clean := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
	if runes := []rune(clean); len(runes) > maxNickname {
		return string(runes[:maxNickname])
	}
	return clean
}
