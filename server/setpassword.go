package server

import (
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// setPasswordEndpoint is POST /federation/wechat/miniapp/password: a user whom a mini-program signed in chooses the username and
// password to sign in with elsewhere. It is a protected resource (RFC 6750): the access token needs this issuer in "aud", the
// scope urn:minifed:link, and an auth_time within five minutes. Members, as JSON or form: username and password. A user who has
// a username may leave it out. The answer is the user's claims, as those of UserInfo for the scopes of the token, with
// preferred_username.
//
// It sets a forgotten password anew, too: WeChat has just vouched for the user. That ends every session and grant of the user,
// the caller's among them, and the mini-program signs in again with a new code.
type setPasswordEndpoint struct {
	proof   linkProof
	people  *identity.Service
	letters letters
}

const setPasswordPath = "/federation/wechat/miniapp/password"

func (e *setPasswordEndpoint) mount(t *table) {
	t.handle(route{
		name: "set_password", path: setPasswordPath, methods: []string{http.MethodPost}, serve: e.serve, surface: bearerErrors,
	})
}

func (e *setPasswordEndpoint) serve(w http.ResponseWriter, r *http.Request) error {
	// 1. Whose token it is.
	token, err := bearerHeader(r)
	if err != nil {
		return err
	}
	if token == "" {
		return noToken()
	}
	holder, err := e.proof.accept(r.Context(), token)
	if err != nil {
		return err
	}
	callOf(r.Context()).client = holder.Client.GetID()
	// 2. What it asks.
	form, err := readMembers(r, members{strings: []string{"username", "password"}})
	if err != nil {
		return err
	}
	user := holder.User
	if form.Get("password") == "" || form.Get("username") == "" && user.Username == "" {
		return refusal(fosite.ErrInvalidRequest, "The members username and password are needed; who has a username may leave that out.")
	}
	// 3. The name first: a password is worth nothing without it.
	if name := form.Get("username"); name != "" {
		named, err := e.people.SetUsername(r.Context(), user.Directory, user.ID, name, identity.Self(user.ID))
		if err != nil {
			return refusedCredential(err)
		}
		user = named.Record
	}
	// 4. The password.
	changed, err := e.set(r, user, form.Get("password"))
	if err != nil {
		return refusedCredential(err)
	}
	claims := standardClaims(holder.Subject, changed, holder.scopes)
	claims["preferred_username"] = changed.Username
	return writeJSON(w, claims)
}

// set gives the first password, or replaces the one there is.
func (e *setPasswordEndpoint) set(r *http.Request, user storage.User, password string) (storage.User, error) {
	self := identity.Self(user.ID)
	var changed *storage.Entry[storage.User]
	var err error
	if user.Password == "" {
		changed, err = e.people.SetPassword(r.Context(), user.Directory, user.ID, password, self)
	} else {
		changed, err = e.people.ReplacePassword(r.Context(), user, password, self)
	}
	if err != nil {
		return storage.User{}, err
	}
	return changed.Record, e.letters.tell(r.Context(), changed.Record, "mail.password")
}

// The reasons why a username or password cannot be set.
const (
	reasonUsernameTaken = "username_taken"
	reasonUsername      = "username_unacceptable"
	reasonPassword      = "password_unacceptable"
)

// refusedCredential says what a mini-program is told whose user chose a name or password that cannot be.
func refusedCredential(err error) error {
	refused, ok := errors.AsType[*identity.InvalidError](err)
	switch {
	case ok:
		problem := refusal(fosite.ErrInvalidRequest, "The "+refused.Member+" "+refused.Reason+".")
		problem.Reason = reasonUsername
		if refused.Member == "password" {
			problem.Reason = reasonPassword
		}
		return problem
	case errors.Is(err, identity.ErrTaken):
		problem := refusalStatus(fosite.ErrInvalidRequest, http.StatusConflict, "Somebody else has this username.")
		problem.Reason = reasonUsernameTaken
		return problem
	case errors.Is(err, identity.ErrChanged):
		return refusalStatus(fosite.ErrInvalidRequest, http.StatusConflict, "The account changed in the meantime. Sign in again.")
	case errors.Is(err, identity.ErrUserDisabled):
		return grants.UserDisabled()
	case errors.Is(err, identity.ErrBusy):
		return unavailable(err)
	default:
		return err
	}
}
