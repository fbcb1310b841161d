package account

import (
	"errors"
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// MountPage adds a route for signed-in users.
func (a *Account) MountPage(t *endpoint.RouteTable, name, path string, serve func(http.ResponseWriter, *endpoint.Request, *authorize.CurrentSession) error, methods ...string) {
	a.page(t, name, path, serve, methods...)
}

// ReauthenticateSelf verifies the current password, or that the sign-in is recent, before a change of the ways to sign in. A session
// that the backend of a client could start never permits it.
func (a *Account) ReauthenticateSelf(r *http.Request, current *authorize.CurrentSession, password string) error {
	if current.Record.BackendInitiated {
		return errNotFresh
	}
	return a.reauthenticate(r, current, password)
}

// CurrentPassword is the field for the current password; none for a user without a password.
func CurrentPassword(user storage.User) []page.Field { return currentPassword(user) }

// BackToAccount is the link back to the account page.
func BackToAccount() *page.Link { return backToAccount() }

// ShowError renders a form again with an error of the user. It returns any other error.
func (a *Account) ShowError(w http.ResponseWriter, r *endpoint.Request, shown page.Page, form page.Form, err error) error {
	return a.showError(w, r, shown, form, err)
}

// AddressRemoval is what the pages of a phone number, an e-mail address and a password differ in when the user removes it.
type AddressRemoval struct {
	// Page asks for the confirmation, by Form.
	Page page.Page
	Form page.Form
	// Remove removes it. Its errors are those of package identity.
	Remove func(identity.Removal) error
	// Letter is the name of the text of the notification, and Done that of the text on the account page.
	Letter, Done string
}

// RemoveAddress asks whether to remove an address or the password of the user, and removes it. The last way to sign in remains.
func (a *Account) RemoveAddress(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession, removal AddressRemoval) error {
	if r.Method != http.MethodPost {
		return a.Pages.Render(w, r, removal.Page)
	}
	submitted, err := a.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	user := current.User
	err = a.ReauthenticateSelf(r.Request, current, submitted.Get("current_password"))
	if err == nil {
		err = removal.Remove(a.removal(r, user))
	}
	switch {
	case errors.Is(err, identity.ErrUnknownMethod):
		return a.RedirectDone(w, r, removal.Done)
	case errors.Is(err, identity.ErrLastMethod):
		shown := removal.Page
		shown.Data = removal.Form.WithError("", page.Text("method.last"))
		a.Pages.RenderInvalid(w, r, shown, LastMethod(), err)
		return nil
	case err != nil:
		return a.showError(w, r, removal.Page, removal.Form, err)
	}
	if err := a.Notifications.Notify(r.Context(), r, user, removal.Letter); err != nil {
		return err
	}
	return a.RedirectDone(w, r, removal.Done)
}
