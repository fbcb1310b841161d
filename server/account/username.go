package account

import (
	"net/http"

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
	shown := page.Page{Template: "form", Title: page.Text("username.title")}
	if r.Method != http.MethodPost {
		shown.Data = usernameForm(user, user.Username)
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	err = e.reauthenticate(r.Request, current, form.Get("current_password"))
	if err == nil {
		_, err = e.Users.SetUsername(r.Context(), user.Directory, user.ID, form.Get("username"), identity.Self(user.ID))
	}
	if err != nil {
		return e.showError(w, r, shown, usernameForm(user, form.Get("username")), err)
	}
	return e.redirectDone(w, r, "username")
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
