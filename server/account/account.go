package account

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Account has the dependencies of the pages under /account, where end-users manage their own account.
type Account struct {
	Pages         *page.Renderer
	Sessions      *authorize.Sessions
	Users         *identity.Service
	Passwords     *Passwords
	Notifications page.Notifications
	Sealer        endpoint.Sealer
	Engine        storage.Engine
	Clients       oauth2.Clients
	Now           func() time.Time
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

// redirectDone redirects to the account page, which shows what was changed.
func (*Account) redirectDone(w http.ResponseWriter, r *endpoint.Request, what string) error {
	return page.Redirect(w, r, endpoint.AccountPath, doneParameter, what)
}

// doneTexts are the changes that the account page can show.
func doneTexts() []string {
	return []string{"profile", "username", "password", "email", "session", "app"}
}

// Overview is /account, the page that links to all others.
type Overview struct{ *Account }

// accountData is what the account page shows.
type accountData struct {
	Done            page.Message
	Person          page.UserView
	Profile, SignIn []accountRow
	Sessions        []shownSession
	Apps            []shownApp
}

// accountRow is a label and a value of the account.
type accountRow struct {
	Label page.Message
	Value string
	Note  page.Message
	Edit  *rowLink
}

// rowLink links to the page that changes the value. Whole is the link text for screen readers.
type rowLink struct {
	page.Link
	Whole page.Message
}

// Mount implements endpoint.Endpoint.
func (e *Overview) Mount(t *endpoint.RouteTable) {
	e.page(t, "account", endpoint.AccountPath, e.serve, http.MethodGet)
	// The URL of the issuer redirects here, for users who type it.
	t.Handle(endpoint.Route{
		Name: "home", Path: "/", Methods: []string{http.MethodGet}, ErrorWriter: e.Pages.WriteError,
		Serve: func(w http.ResponseWriter, r *endpoint.Request) error {
			return page.Redirect(w, r, endpoint.AccountPath)
		},
	})
}

func (e *Overview) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user := current.User
	sessions, err := e.shownSessions(r, current)
	if err != nil {
		return err
	}
	apps, err := e.shownApps(r, user)
	if err != nil {
		return err
	}
	links, err := e.Users.Identities(r.Context(), user)
	if err != nil {
		return err
	}
	data := accountData{
		Person: page.ViewUser(user), Profile: profileRows(user.Profile), SignIn: e.signInRows(user, links), Sessions: sessions, Apps: apps,
	}
	if what := r.URL.Query().Get(doneParameter); slices.Contains(doneTexts(), what) {
		data.Done = page.Text("done." + what)
	}
	return e.Pages.Render(w, r, page.Page{
		Template: "account", Title: page.Text("account.title"), Wide: true, Zoneinfo: user.Profile.Zoneinfo, Data: data,
	})
}

// profileRows are the members of a profile that are not empty.
func profileRows(profile storage.Profile) []accountRow {
	var rows []accountRow
	for _, member := range profileFields() {
		if value := *member.of(&profile); value != "" {
			rows = append(rows, accountRow{Label: page.Text("field." + member.name), Value: value})
		}
	}
	return rows
}

func (e *Overview) signInRows(user storage.User, links []*storage.Entry[storage.Identity]) []accountRow {
	rows := []accountRow{
		{
			Label: page.Text("field.username"), Value: user.Username, Note: notSet(user.Username),
			Edit: changeLink(user.Username != "", usernamePath, "username"),
		},
		{
			Label: page.Text("field.password"), Note: passwordNote(user),
			Edit: changeLink(user.Password != "", passwordPath, "password"),
		},
	}
	if e.Notifications.Queue.Enabled() || user.Email != "" {
		row := accountRow{Label: page.Text("field.email"), Value: user.Email, Note: notSet(user.Email)}
		if e.Notifications.Queue.Enabled() {
			row.Edit = changeLink(user.Email != "", endpoint.EmailPath, "email")
		}
		rows = append(rows, row)
	}
	if user.Phone != "" {
		rows = append(rows, accountRow{Label: page.Text("field.phone"), Value: user.Phone})
	}
	apps := slices.DeleteFunc(links, func(link *storage.Entry[storage.Identity]) bool {
		return link.Record.Type != storage.IdentityOpenID
	})
	if len(apps) > 0 {
		rows = append(rows, accountRow{Label: page.Text("field.wechat"), Note: page.Text("account.wechat", len(apps))})
	}
	return rows
}

// notSet returns a value to show, or the text for an empty one.
func notSet(value string) page.Message {
	if value != "" {
		return page.Message{}
	}
	return page.Text("account.none")
}

func passwordNote(user storage.User) page.Message {
	if user.Password == "" {
		return page.Text("account.none")
	}
	return page.Text("account.password.since", user.PasswordChangedAt)
}

// changeLink links to the page that changes a value, or sets it for the first time.
func changeLink(has bool, path, what string) *rowLink {
	if has {
		return &rowLink{page.Link{Text: page.Text("account.change"), Path: path}, page.Text("account.change." + what)}
	}
	return &rowLink{page.Link{Text: page.Text("account.set"), Path: path}, page.Text("account.set." + what)}
}

// freshness is the maximum age of a sign-in that permits a change of the sign-in methods without a password.
const freshness = 5 * time.Minute

// fresh reports whether the user has just signed in.
func (a *Account) fresh(current *authorize.CurrentSession) bool {
	return a.Now().Sub(current.Record.AuthTime) <= freshness
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
