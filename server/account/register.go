package account

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// Register is /register: users create an account, if the directory's policy allows it.
type Register struct{ *Account }

// Mount implements endpoint.Endpoint.
func (e *Register) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "register", Path: authorize.RegisterPath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Register) serve(w http.ResponseWriter, r *endpoint.Request) error {
	issuer := r.Issuer
	if !issuer.Directory.Policy.SelfRegistration {
		return endpoint.NotFound()
	}
	p, err := e.SignIns.Pending(r)
	if err != nil {
		return err
	}
	shown := page.Page{Template: "form", Title: page.Text("register.title")}
	if p != nil {
		shown = forRequest(p, shown)
	}
	if r.Method != http.MethodPost {
		shown.Data = e.form(typedHint(p))
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	user, err := e.create(r, issuer.Directory.ID, form)
	if err != nil {
		return e.showError(w, r, shown, e.form(form), err)
	}
	return e.SignIns.Complete(w, r, p, user, passwordAuthentication(e.Now()))
}

// typedHint fills the form with the login_hint of a request.
func typedHint(p *authorize.Pending) url.Values {
	if p == nil {
		return url.Values{}
	}
	hint := identity.TrimTyped(p.Request.LoginHint())
	if address, err := identity.ParseEmail(hint); err == nil {
		return url.Values{"email": {address}}
	}
	if name, err := identity.ParseUsername(hint); err == nil {
		return url.Values{"username": {name.Display}}
	}
	return url.Values{}
}

// create creates the account, within the limit of the network.
func (e *Register) create(r *endpoint.Request, directory string, form url.Values) (storage.User, error) {
	address := identity.TrimTyped(form.Get("email"))
	if address != "" {
		if _, err := identity.ParseEmail(address); err != nil {
			return storage.User{}, err
		}
	}
	if err := e.Passwords.Lockout.Take(r.Context(), ratelimit.AddressKey(directory, ratelimit.RegisterRule(), r.ClientIP)); err != nil {
		return storage.User{}, err
	}
	user, err := e.Users.Create(r.Context(), directory, identity.Account{
		Username: form.Get("username"), Password: form.Get("new_password"), Profile: storage.Profile{Name: strings.TrimSpace(form.Get("name"))},
	}, identity.System)
	if err != nil {
		return storage.User{}, err
	}
	if address == "" || !e.Notifications.Queue.Enabled() {
		return user.Record, nil
	}
	err = e.ConfirmEmail(r, user.Record, address)
	if problem, ok := errors.AsType[*grants.Error](err); ok && problem.Reason == endpoint.ReasonRateLimited {
		err = nil // The account exists, and the address can be entered again later.
	}
	return user.Record, err
}

func (e *Register) form(typed url.Values) page.Form {
	form := page.Form{
		ID: "register", Submit: page.Text("register.submit"),
		Fields: []page.Field{newUsernameField(typed.Get("username")), page.NewPasswordField()},
		Else:   &page.Link{Before: page.Text("register.known"), Text: page.Text("login.title"), Path: authorize.LoginPath},
	}
	name := page.Field{Name: "name", Label: page.Text("field.name"), Type: "text", Autocomplete: "name", Value: typed.Get("name"), Limit: 256, Optional: true}
	form.Fields = append(form.Fields, name)
	if e.Notifications.Queue.Enabled() {
		address := emailField(typed.Get("email"))
		address.Optional, address.Hint = true, page.Text("register.email.hint")
		form.Fields = append(form.Fields, address)
	}
	form.Fields[0].Focus = true
	return form
}
