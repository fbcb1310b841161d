package account

import (
	"net/http"
	"net/url"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Username is /account/username.
type Username struct{ *Account }

const usernamePath = endpoint.AccountPath + "/username"

// Mount implements endpoint.Endpoint.
func (e *Username) Mount(t *endpoint.RouteTable) {
	e.page(t, "account_username", usernamePath, e.serve, http.MethodGet, http.MethodPost)
}

func (e *Username) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user := current.User
	return e.serveEdit(w, r, editPage{
		title:  page.Text("username.title"),
		form:   func(values url.Values) page.Form { return usernameForm(user, values.Get("username")) },
		stored: url.Values{"username": {user.Username}},
		change: func(values url.Values) error {
			first, err := e.firstOfSession(r, current)
			if err != nil {
				return err
			}
			if first.Allowed && user.Username == "" { // A first password needs a username.
				_, err := e.Users.SetUsername(r.Context(), user.Directory, user.ID, values.Get("username"), identity.Self(user.ID))
				return err
			}
			if err := e.reauthenticate(r.Request, current, values.Get("current_password")); err != nil {
				return err
			}
			return e.ChangeUsername(r, user, values.Get("username"))
		},
		changed: func(url.Values) error { return e.RedirectDone(w, r, "username") },
	})
}

func usernameForm(user storage.User, typed string) page.Form {
	return page.Form{
		ID: "save", Back: backToAccount(), Lead: page.Text("username.lead"), Submit: page.Text("form.save"),
		Fields: append([]page.Field{newUsernameField(typed)}, currentPassword(user)...),
	}
}

// newUsernameField is the input for a new username.
func newUsernameField(typed string) page.Field {
	return page.Field{
		Name: "username", Label: page.Text("field.username"), Type: "text", Autocomplete: "username", Value: typed, Limit: 64, Plain: true,
		Hint: page.Text("field.username.hint"),
	}
}

// ChangeUsername changes the username of a user, and notifies the user.
func (a *Account) ChangeUsername(r *endpoint.Request, user storage.User, username string) error {
	if _, err := a.Users.SetUsername(r.Context(), user.Directory, user.ID, username, identity.Self(user.ID)); err != nil {
		return err
	}
	return a.Notifications.Notify(r.Context(), r, user, "mail.username")
}
