package account

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/server/token"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Account has the dependencies of the pages under /account, where end-users manage their own account.
type Account struct {
	Pages         *page.Renderer
	Sessions      *authorize.Sessions
	Users         *identity.Service
	Passwords     *Passwords
	SignIns       *SignIns
	Notifications page.Notifications
	Sealer        endpoint.Sealer
	Engine        storage.Engine
	Clients       oauth2.Clients
	Store         *oauth2.Store
	Subjects      token.Subjects
	Connections   *endpoint.Connections
	Resources     *endpoint.Resources
	// Ways are the sign-in methods in addition to the password.
	Ways []Way
	Now  func() time.Time
}

const (
	doneParameter  = "done"
	maxShownGrants = 500
)

// accountRoute serves a page for signed-in users.
type accountRoute func(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error

// signedIn redirects to the login page without a session. It passes on the token of a mail's link.
func (a *Account) signedIn(serve accountRoute) func(http.ResponseWriter, *endpoint.Request) error {
	return func(w http.ResponseWriter, r *endpoint.Request) error {
		current, err := a.Sessions.Current(r)
		if err != nil {
			return err
		}
		if current == nil {
			return page.Redirect(w, r, authorize.LoginPath, proofOf(r.Request)...)
		}
		return serve(w, r, current)
	}
}

// page adds a route for signed-in users.
func (a *Account) page(t *endpoint.RouteTable, name, path string, serve accountRoute, methods ...string) {
	t.Handle(endpoint.Route{Name: name, Path: path, Methods: methods, Serve: a.signedIn(serve), ErrorWriter: a.Pages.WriteError})
}

// RedirectDone redirects to the account page, which shows what was changed.
func (*Account) RedirectDone(w http.ResponseWriter, r *endpoint.Request, what string) error {
	return page.Redirect(w, r, endpoint.AccountPath, doneParameter, what)
}

// freshness is the maximum age of a sign-in that permits a change of the sign-in methods without a password.
const freshness = 5 * time.Minute

// fresh reports whether the user has just signed in. A session that the backend of a client could start without its user never
// counts: otherwise that backend could add a sign-in method of its own.
func (a *Account) fresh(current *authorize.CurrentSession) bool {
	return !current.Record.BackendInitiated && a.Now().Sub(current.Record.AuthTime) <= freshness
}

// reauthenticate verifies the current password, or for a user without one that the sign-in is recent. Its errors belong to the
// field current_password.
func (a *Account) reauthenticate(r *http.Request, current *authorize.CurrentSession, password string) error {
	user := current.User
	if user.Password == "" {
		if a.fresh(current) {
			return nil
		}
		return errNotFresh
	}
	mine := ratelimit.Key{Directory: user.Directory, Rule: ratelimit.OwnRule(), Name: user.ID}
	proven, err := a.Passwords.Verify(r.Context(), cmp.Or(user.Username, user.Email), password, Attempt{Shown: []ratelimit.Key{mine}})
	if err == nil && proven.Record.ID != user.ID {
		return identity.ErrWrongPassword
	}
	return err
}

// errNotFresh means that the user has to sign in again first.
var errNotFresh = errors.New("account: signed in too long ago")

// currentPassword is the field for the current password; none for a user without a password.
func currentPassword(user storage.User) []page.Field {
	if user.Password == "" {
		return nil
	}
	return []page.Field{page.PasswordField("current_password", page.Text("field.current_password"), "current-password")}
}

// backToAccount is the link back to the account page.
func backToAccount() *page.Link {
	return &page.Link{Text: page.Text("account.back"), Path: endpoint.AccountPath}
}

// showError renders a form again with an error of the user. It returns any other error.
func (a *Account) showError(w http.ResponseWriter, r *endpoint.Request, shown page.Page, form page.Form, err error) error {
	if endpoint.IsUnavailable(err) {
		return err
	}
	problem, what := loginProblem(err)
	member, reason, invalid := page.ExplainInvalid(err)
	switch {
	case invalid:
		problem, form = unacceptableForm(), form.WithError(formField(form, member), reason)
	case errors.Is(err, identity.ErrTaken):
		problem, form = unacceptableForm(), form.WithError("username", page.Text("invalid.taken"))
	case errors.Is(err, errNotFresh):
		problem, form = unacceptableForm(), form.WithError("", page.Text("account.stale"))
	case errors.Is(err, identity.ErrWrongPassword):
		form = form.WithError("current_password", page.Text("invalid.current_password"))
	case problem != nil:
		form = form.WithError("", what)
	default:
		return err
	}
	shown.Data = form
	a.Pages.RenderInvalid(w, r, shown, problem, err)
	return nil
}

// unacceptableForm is the error for a form with an invalid value.
func unacceptableForm() *grants.Error {
	problem := endpoint.NewError(fosite.ErrInvalidRequest, "The form holds something that cannot be accepted.")
	problem.Reason = "form"
	return problem
}

// formField returns the form field of a member of package identity. A new password has its own name.
func formField(form page.Form, member string) string {
	for _, f := range form.Fields {
		if f.Name == "new_"+member {
			return f.Name
		}
	}
	return strings.TrimSpace(member)
}
