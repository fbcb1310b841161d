package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// registerEndpoint is /register: people make an account for themselves, where the directory's policy lets anybody.
type registerEndpoint struct {
	*account
	login *loginEndpoint
}

func (e *registerEndpoint) mount(t *table) {
	t.handle(route{
		name: "register", path: registerPath, methods: []string{http.MethodGet, http.MethodPost}, serve: e.serve, surface: e.pages.failure,
	})
}

func (e *registerEndpoint) serve(w http.ResponseWriter, r *call) error {
	issuer := r.issuer
	if !issuer.Directory.Policy.SelfRegistration {
		return noSuchEndpoint()
	}
	p, err := e.login.pending(r)
	if err != nil {
		return err
	}
	shown := page{template: "form", title: say("register.title")}
	if p != nil {
		shown = concerning(p, shown)
	}
	if r.Method != http.MethodPost {
		shown.data = e.form(typedHint(p))
		return e.pages.render(w, r, shown)
	}
	form, err := e.pages.forgery.form(r)
	if err != nil {
		return err
	}
	user, err := e.create(r, issuer.Directory.ID, form)
	if err != nil {
		return e.again(w, r, shown, e.form(form), err)
	}
	signed, err := e.sessions.signIn(w, r, user, byPassword(e.now()))
	if err != nil {
		return err
	}
	if p == nil {
		return seeOther(w, r, accountPath)
	}
	location, err := e.login.authorize.signedIn(r, p, signed)
	if err != nil {
		return err
	}
	return e.pages.onward(w, r, p.request.uiLocales(), location)
}

// typedHint fills the form with the login_hint of a request.
func typedHint(p *waiting) url.Values {
	if p == nil {
		return url.Values{}
	}
	hint := identity.TrimTyped(p.request.loginHint())
	if address, err := identity.ParseEmail(hint); err == nil {
		return url.Values{"email": {address}}
	}
	if name, err := identity.ParseUsername(hint); err == nil {
		return url.Values{"username": {name.Display}}
	}
	return url.Values{}
}

// create makes the account. Who makes too many has to wait.
func (e *registerEndpoint) create(r *call, directory string, form url.Values) (storage.User, error) {
	address := identity.TrimTyped(form.Get("email"))
	if address != "" {
		if _, err := identity.ParseEmail(address); err != nil {
			return storage.User{}, err
		}
	}
	if err := e.passwords.failures.ration(r.Context(), throttledAddress(directory, registerRule(), r.remote)); err != nil {
		return storage.User{}, err
	}
	user, err := e.people.Create(r.Context(), directory, identity.Account{
		Username: form.Get("username"), Password: form.Get("new_password"), Profile: storage.Profile{Name: strings.TrimSpace(form.Get("name"))},
	}, identity.System)
	if err != nil {
		return storage.User{}, err
	}
	if address == "" || !e.letters.post.offered() {
		return user.Record, nil
	}
	err = e.ask(r, user.Record, address)
	if problem, ok := errors.AsType[*grants.Error](err); ok && problem.Reason == reasonRateLimited {
		err = nil // The account is there; the address can be named again later.
	}
	return user.Record, err
}

func (e *registerEndpoint) form(typed url.Values) formData {
	form := formData{
		ID: "register", Submit: say("register.submit"),
		Fields: []field{newUsernameField(typed.Get("username")), newPasswordField()},
		Else:   &pageLink{Before: say("register.known"), Text: say("login.title"), Path: loginPath},
	}
	name := field{Name: "name", Label: say("field.name"), Type: "text", Autocomplete: "name", Value: typed.Get("name"), Limit: 256, Optional: true}
	form.Fields = append(form.Fields, name)
	if e.letters.post.offered() {
		address := emailField(typed.Get("email"))
		address.Optional, address.Hint = true, say("register.email.hint")
		form.Fields = append(form.Fields, address)
	}
	form.Fields[0].Focus = true
	return form
}
