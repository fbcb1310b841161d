package account

import (
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// SignInProblem maps a failed sign-in by another method than the password to the error for the log and the page. It is nil for an
// error of the server.
func SignInProblem(err error) (*grants.Error, page.Message) {
	problem, text := loginProblem(err)
	if errors.Is(err, errPasskeyNeeded) {
		text = page.Text("login.passkey_needed.other")
	}
	return problem, text
}

// SignIn returns the user of a name and password. It returns identity.ErrWrongPassword for any wrong input,
// identity.ErrUserDisabled, or an error with the wait.
func (p *Passwords) SignIn(r *endpoint.Request, name, password string) (*storage.Entry[storage.User], error) {
	if len(name) > MaxName {
		return nil, identity.ErrWrongPassword
	}
	return p.signIn(r, name, password)
}

// PasswordAuthentication is the authentication of a sign-in by password.
func PasswordAuthentication(now time.Time) authorize.Authentication {
	return passwordAuthentication(now)
}

// PasswordFields are the fields for a username and its password.
func PasswordFields(name string) []page.Field { return loginFields(name, false) }

// CompleteLinking is Complete for a user who also proved to be a WeChat user. The WeChat user is linked to the account after the last
// factor of the sign-in.
func (s *SignIns) CompleteLinking(
	w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, user storage.User, how authorize.Authentication, login identity.Login,
) error {
	return s.complete(w, r, &Unfinished{User: user, Pending: p, How: how, Link: &login})
}

// link links the WeChat user of a sign-in to the account, and notifies its owner.
func (s *SignIns) link(r *endpoint.Request, done *Unfinished) error {
	if done.Link == nil {
		return nil
	}
	_, err := s.Users.AttachToUser(r.Context(), *done.Link, done.User, identity.MethodPassword)
	switch {
	case errors.Is(err, identity.ErrAlreadyBound), errors.Is(err, identity.ErrAccountConflict), errors.Is(err, identity.ErrChanged):
		problem := endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusConflict, "The WeChat user belongs to another account, or the account has changed meanwhile.")
		problem.Reason = reasonAlreadyBound
		return problem
	case err != nil:
		return err
	}
	return s.Notifications.Notify(r.Context(), r, done.User, "mail.linked")
}

// reasonAlreadyBound is the reason of a WeChat user who cannot be linked.
const reasonAlreadyBound = "already_bound"
