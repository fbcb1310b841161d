package server

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// accountPassword is /account/password. A new password ends every session and grant: others may have used the old one.
type accountPassword struct{ *account }

const passwordPath = accountPath + "/password"

func (e *accountPassword) mount(t *table) {
	e.page(t, "account_password", passwordPath, e.serve, http.MethodGet, http.MethodPost)
}

func (e *accountPassword) serve(w http.ResponseWriter, r *call, current *signedIn) error {
	user := current.user
	if user.Username == "" && user.Email == "" {
		return seeOther(w, r, usernamePath) // A password without a name to go with it opens nothing.
	}
	shown := page{template: "form", title: say("password.title")}
	data := passwordForm(user)
	if r.Method != http.MethodPost {
		shown.data = data
		return e.pages.render(w, r, shown)
	}
	form, err := e.pages.forgery.form(r)
	if err != nil {
		return err
	}
	if err := e.reauthenticate(r.Request, current, form.Get("current_password")); err != nil {
		return e.again(w, r, shown, data, err)
	}
	changed, err := e.people.ReplacePassword(r.Context(), user, form.Get("new_password"), identity.Self(user.ID))
	if errors.Is(err, identity.ErrChanged) {
		return seeOther(w, r, passwordPath) // Somebody was faster: look again.
	}
	if err != nil {
		return e.again(w, r, shown, data, err)
	}
	if _, err := e.sessions.signIn(w, r, changed.Record, byPassword(e.now())); err != nil {
		return err
	}
	if err := e.letters.tell(r.Context(), r.issuer, changed.Record, "mail.password"); err != nil {
		return err
	}
	return e.done(w, r, "password")
}

func passwordForm(user storage.User) formData {
	return formData{
		ID: "save", Back: backToAccount(), Lead: say("password.lead"), Submit: say("password.submit"), Account: cmp.Or(user.Username, user.Email),
		Fields: append(currentPassword(user), newPasswordField()),
	}
}
