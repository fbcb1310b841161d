package account

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
)

// SetPassword is POST /federation/wechat/miniapp/password: a user of a mini-program sets the username and password for sign-ins
// elsewhere. It is a protected resource (RFC 6750): the access token needs this issuer in "aud", the
// scope urn:minifed:link, and an auth_time within five minutes. Members, as JSON or form: username, password, current_password.
// A user with a username can omit it. The response is the user's claims, as those of UserInfo for the scopes of the token,
// with preferred_username.
//
// The token proves only the request of the client's backend, so that it permits a first password only. To replace a password, the
// request needs current_password, or a token of a recent sign-in by that password. A forgotten one is reset by mail.
type SetPassword struct {
	Proof         token.LinkProof
	Users         *identity.Service
	Passwords     *Passwords
	Notifications page.Notifications
	Now           func() time.Time
}

const setPasswordPath = "/federation/wechat/miniapp/password"

// Mount implements endpoint.Endpoint.
func (e *SetPassword) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "set_password", Path: setPasswordPath, Methods: []string{http.MethodPost}, Serve: e.serve, ErrorWriter: endpoint.BearerErrors,
	})
}

// passwordChoice has the parameters of a request.
type passwordChoice struct {
	username, password, current string
}

func (e *SetPassword) serve(w http.ResponseWriter, r *endpoint.Request) error {
	// 1. The token and its user.
	shown, err := token.BearerToken(r.Request)
	if err != nil {
		return err
	}
	if shown == "" {
		return token.MissingToken()
	}
	holder, err := e.Proof.Accept(r.Context(), r.Issuer, shown)
	if err != nil {
		return err
	}
	r.ClientID = holder.Client.GetID()
	// 2. The parameters.
	form, err := endpoint.ReadParameters(r, endpoint.JSONParameters{Strings: []string{"username", "password", "current_password"}})
	if err != nil {
		return err
	}
	choice := passwordChoice{form.Get("username"), form.Get("password"), form.Get("current_password")}
	user := holder.User
	if choice.password == "" || choice.username == "" && user.Username == "" {
		return endpoint.NewError(fosite.ErrInvalidRequest, "The members username and password are needed; who has a username may leave that out.")
	}
	// 3. The proof, before anything changes.
	if err := e.mayChange(r.Request, holder, choice); err != nil {
		return err
	}
	if err := e.Users.CheckPassword(r.Context(), user, choice.username, choice.password); err != nil {
		return credentialError(err)
	}
	// 4. The username, which a password requires.
	if choice.username != "" {
		named, err := e.Users.SetUsername(r.Context(), user.Directory, user.ID, choice.username, identity.Self(user.ID))
		if err != nil {
			return credentialError(err)
		}
		user = named.Record
	}
	// 5. The password.
	changed, err := e.set(r, user, choice.password)
	if err != nil {
		return credentialError(err)
	}
	return e.respond(w, r, holder, changed)
}

// mayChange requires a proof of the existing password.
func (e *SetPassword) mayChange(r *http.Request, holder token.PresentedToken, choice passwordChoice) error {
	user := holder.User
	switch {
	case user.Password == "":
		return checkUsernameUnchanged(user, choice.username)
	case choice.current != "":
		return e.verify(r, holder, choice.current)
	case slices.Contains(holder.Grant.AMR, amrPassword): // The token is of a sign-in within five minutes: see token.LinkProof.
		return nil
	default:
		problem := endpoint.NewError(fosite.ErrInvalidRequest, "The user has a password. Send it in current_password, or have the user sign in by it; a forgotten one is reset by mail.")
		problem.Reason = reasonCurrentPassword
		return problem
	}
}

// checkUsernameUnchanged rejects a change of the username, which needs a password as proof.
func checkUsernameUnchanged(user storage.User, asked string) error {
	if asked == "" || user.Username == "" || FoldName(asked) == FoldName(user.Username) {
		return nil
	}
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusConflict, "The user has a username already. Leave username out.")
	problem.Reason = reasonUsernameSet
	return problem
}

// verify checks the current password. Failures are counted by client and user, so that guesses of a backend do not
// block the user elsewhere.
func (e *SetPassword) verify(r *http.Request, holder token.PresentedToken, password string) error {
	user := holder.User
	mine := ratelimit.Key{Directory: user.Directory, Rule: ratelimit.LinkRule(), Name: holder.Client.GetID() + " " + user.ID}
	proven, err := e.Passwords.Verify(r.Context(), cmp.Or(user.Username, user.Email), password, Attempt{Shown: []ratelimit.Key{mine}})
	if errors.Is(err, identity.ErrWrongPassword) && !endpoint.IsUnavailable(err) || err == nil && proven.Record.ID != user.ID {
		return &grants.Error{
			Protocol: endpoint.Describe(fosite.ErrInvalidGrant, "current_password is wrong.", err),
			Reason:   ReasonWrongPassword,
		}
	}
	return err
}

// set stores the first password or replaces the existing one, and notifies the user by mail.
func (e *SetPassword) set(r *endpoint.Request, user storage.User, password string) (storage.User, error) {
	self := identity.Self(user.ID)
	if user.Password != "" {
		changed, err := e.Users.ReplacePassword(r.Context(), user, password, self)
		if err != nil {
			return storage.User{}, err
		}
		return changed.Record, e.Notifications.Notify(r.Context(), r, changed.Record, "mail.password")
	}
	var from time.Time
	if e.Notifications.CanNotify(r.Issuer, user) {
		from = storage.Instant(e.Now().Add(firstMethodDelay))
	}
	changed, err := e.Users.SetFirstPassword(r.Context(), user, password, from, self)
	if err != nil {
		return storage.User{}, err
	}
	return changed.Record, e.Notifications.NotifyWithLink(r.Context(), r, changed.Record, "mail.first_password", endpoint.ForgotPath)
}

// delayedPassword is the response for a password that does not work yet.
type delayedPassword struct {
	Subject  string `json:"sub"`
	Username string `json:"preferred_username"`
	// From is when the password begins to work, in seconds.
	From int64 `json:"password_from"`
}

func (e *SetPassword) respond(w http.ResponseWriter, r *endpoint.Request, holder token.PresentedToken, changed storage.User) error {
	if !e.Now().Before(changed.PasswordFrom) {
		claims := token.ClaimsOf(r.Issuer.Directory).OfScopes(holder.Subject, token.WithPlaceholder(changed, holder.Client.Record(), holder.Subject), holder.Scopes)
		claims["preferred_username"] = changed.Username
		return endpoint.WriteJSON(w, claims)
	}
	return endpoint.WriteJSONStatus(w, http.StatusAccepted, delayedPassword{holder.Subject, changed.Username, changed.PasswordFrom.Unix()})
}

// The reasons why a username or password cannot be set.
const (
	reasonUsernameTaken   = "username_taken"
	reasonUsernameSet     = "username_set"
	reasonUsername        = "username_unacceptable"
	reasonPassword        = "password_unacceptable"
	reasonCurrentPassword = "current_password_needed"
)

// credentialError maps an unacceptable name or password to the error for the mini-program.
func credentialError(err error) error {
	invalid, ok := errors.AsType[*identity.InvalidError](err)
	switch {
	case ok:
		problem := endpoint.NewError(fosite.ErrInvalidRequest, "The "+invalid.Member+" "+invalid.Reason.String()+".")
		problem.Reason = reasonUsername
		if invalid.Member == "password" {
			problem.Reason = reasonPassword
		}
		return problem
	case errors.Is(err, identity.ErrTaken):
		problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusConflict, "Another user has this username.")
		problem.Reason = reasonUsernameTaken
		return problem
	case errors.Is(err, identity.ErrChanged):
		return endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusConflict, "The account changed in the meantime. Sign in again.")
	case errors.Is(err, identity.ErrUserDisabled):
		return grants.UserDisabled()
	case errors.Is(err, identity.ErrBusy):
		return endpoint.Unavailable(err)
	default:
		return err
	}
}
