package server

import (
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// accountUsername is /account/username.
type accountUsername struct{ *account }

const usernamePath = accountPath + "/username"

func (e *accountUsername) mount(t *table) {
	e.page(t, "account_username", usernamePath, e.serve, http.MethodGet, http.MethodPost)
}

func (e *accountUsername) serve(w http.ResponseWriter, r *call, current *signedIn) error {
	user := current.user
	shown := page{template: "form", title: say("username.title")}
	if r.Method != http.MethodPost {
		shown.data = usernameForm(user, user.Username)
		return e.pages.render(w, r, shown)
	}
	form, err := e.pages.forgery.form(r)
	if err != nil {
		return err
	}
	err = e.reauthenticate(r.Request, current, form.Get("current_password"))
	if err == nil {
		_, err = e.people.SetUsername(r.Context(), user.Directory, user.ID, form.Get("username"), identity.Self(user.ID))
	}
	if err != nil {
		return e.again(w, r, shown, usernameForm(user, form.Get("username")), err)
	}
	return e.done(w, r, "username")
}

func usernameForm(user storage.User, typed string) formData {
	return formData{
		ID: "save", Back: backToAccount(), Lead: say("username.lead"), Submit: say("form.save"),
		Fields: append([]field{newUsernameField(typed)}, currentPassword(user)...),
	}
}

// newUsernameField is an input for a username that is being chosen.
func newUsernameField(typed string) field {
	return field{
		Name: "username", Label: say("field.username"), Type: "text", Autocomplete: "username", Value: typed, Limit: 64, Plain: true,
		Hint: say("field.username.hint"),
	}
}
