package account

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Password is /account/password. A new password ends every session and grant: others may have used the old one.
type Password struct{ *Account }

const passwordPath = endpoint.AccountPath + "/password"

// Mount implements endpoint.Endpoint.
func (e *Password) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_password", passwordPath, e.serve, http.MethodGet, http.MethodPost)
}

func (e *Password) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user := current.User
	if user.Username == "" && user.Email == "" {
		return page.Redirect(w, r, usernamePath) // A password needs a username.
	}
	if r.URL.Query().Has(removeParameter) && user.Password != "" {
		return e.remove(w, r, current)
	}
	shown := page.Page{Template: "form", Title: page.Text("password.title")}
	data := passwordForm(user)
	if r.Method != http.MethodPost {
		shown.Data = data
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	first, err := e.firstOfSession(r, current)
	if err != nil {
		return err
	}
	if first.Allowed {
		return e.setFirst(w, r, user, form.Get("new_password"), first)
	}
	if err := e.reauthenticate(r.Request, current, form.Get("current_password")); err != nil {
		return e.showError(w, r, shown, data, err)
	}
	changed, err := e.Users.ReplacePassword(r.Context(), user, form.Get("new_password"), identity.Self(user.ID))
	if errors.Is(err, identity.ErrChanged) {
		return page.Redirect(w, r, passwordPath) // Another request changed it first.
	}
	if err != nil {
		return e.showError(w, r, shown, data, err)
	}
	how := passwordAuthentication(e.Now())
	if session := current.Record; session.ACR == authorize.ACRTwoFactors { // The new session has the same factors.
		how = authorize.Authentication{Time: session.AuthTime, AMR: session.AMR, ACR: session.ACR}
	}
	if _, err := e.Sessions.SignIn(w, r, changed.Record, how); err != nil {
		return err
	}
	r.SignIn = endpoint.SignIn{} // The session continues.
	if err := e.Notifications.Notify(r.Context(), r, changed.Record, "mail.password"); err != nil {
		return err
	}
	return e.RedirectDone(w, r, "password")
}

// setFirst sets the first password in a session that the backend of a client could start. Sessions continue.
func (e *Password) setFirst(w http.ResponseWriter, r *endpoint.Request, user storage.User, password string, first firstMethod) error {
	_, err := e.Users.SetFirstPassword(r.Context(), user, password, first.From, identity.Self(user.ID))
	if errors.Is(err, identity.ErrChanged) {
		return page.Redirect(w, r, passwordPath) // Another request changed it first.
	}
	if err != nil {
		return e.showError(w, r, page.Page{Template: "form", Title: page.Text("password.title")}, passwordForm(user), err)
	}
	if first.From.IsZero() {
		return e.RedirectDone(w, r, "first_password")
	}
	if err := e.Notifications.NotifyWithLink(r.Context(), r, user, "mail.first_password", endpoint.ForgotPath); err != nil {
		return err
	}
	return e.RedirectDone(w, r, "password_delayed")
}

// remove asks whether to remove the password, and removes it. Sessions continue.
func (e *Password) remove(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user := current.User
	form := page.Form{
		ID: "remove", Back: backToAccount(), Lead: page.Text("password.remove_lead"), Submit: page.Text("password.remove"), Account: cmp.Or(user.Username, user.Email),
		Fields: currentPassword(user),
	}
	return e.RemoveAddress(w, r, current, AddressRemoval{
		Page: page.Page{Template: "form", Title: page.Text("password.title"), Data: form}, Form: form, Done: "password_removed", Letter: "mail.password_removed",
		Remove: func(how identity.Removal) error { return e.Users.RemovePassword(r.Context(), user, how) },
	})
}

func passwordForm(user storage.User) page.Form {
	form := page.Form{
		ID: "save", Back: backToAccount(), Lead: page.Text("password.lead"), Submit: page.Text("password.submit"), Account: cmp.Or(user.Username, user.Email),
		Fields: append(currentPassword(user), page.NewPasswordField()),
	}
	if user.Password != "" {
		form.Else = &page.Link{Text: page.Text("password.remove"), Path: passwordPath, Parameters: []string{removeParameter, "1"}}
	}
	return form
}
