package account

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// FirstOwner is the page of the link by which the first owner creates an account. The secret stands in the fragment of the link, which
// browsers do not send: a script copies it into the form, and without scripts the operator pastes it. Opening the page changes
// nothing.
type FirstOwner struct {
	*Account
	// Open reports whether there is a valid link.
	Open func(ctx context.Context) (bool, error)
	// Create creates the owner. Its errors are those of package identity, and ErrFirstOwner for a wrong secret.
	Create func(r *endpoint.Request, secret string, account identity.Account) (storage.User, error)
}

// FirstOwnerPath is the path of the link.
const FirstOwnerPath = "/first-owner"

// ErrFirstOwner says that the secret is not that of a valid link.
var ErrFirstOwner = errors.New("account: not the secret of a valid link")

const (
	linkSecretField = "link_secret"
	maxLinkSecret   = 256
)

// Mount implements endpoint.Endpoint.
func (e *FirstOwner) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "first_owner", Path: FirstOwnerPath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
}

func (e *FirstOwner) serve(w http.ResponseWriter, r *endpoint.Request) error {
	open, err := e.Open(r.Context())
	if err != nil {
		return err
	}
	if !open {
		return endpoint.NotFound()
	}
	shown := page.Page{Template: "form", Title: page.Text("first_owner.title"), Script: page.FirstOwnerScript}
	if r.Method != http.MethodPost {
		shown.Data = firstOwnerForm(url.Values{})
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	user, err := e.create(r, form)
	if errors.Is(err, ErrFirstOwner) {
		shown.Data = firstOwnerForm(form).WithError(linkSecretField, page.Text("first_owner.wrong"))
		problem := endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusForbidden, "The secret is not that of a valid link to the console.")
		problem.Reason = "console_link"
		e.Pages.RenderInvalid(w, r, shown, problem, err)
		return nil
	}
	if err != nil {
		return e.showError(w, r, shown, firstOwnerForm(form), err)
	}
	return e.SignIns.Complete(w, r, nil, user, passwordAuthentication(e.Now()))
}

func (e *FirstOwner) create(r *endpoint.Request, form url.Values) (storage.User, error) {
	if err := e.Passwords.Lockout.Take(r.Context(), ratelimit.AddressKey(r.Issuer.Directory.ID, ratelimit.RegisterRule(), r.ClientIP)); err != nil {
		return storage.User{}, err
	}
	secret := form.Get(linkSecretField)
	if len(secret) > maxLinkSecret {
		return storage.User{}, ErrFirstOwner
	}
	return e.Create(r, secret, identity.Account{Username: form.Get("username"), Password: form.Get("new_password")})
}

func firstOwnerForm(typed url.Values) page.Form {
	secret := page.Field{
		Name: linkSecretField, Label: page.Text("field.link_secret"), Type: "text", Autocomplete: "off", Hint: page.Text("field.link_secret.hint"),
		Limit: maxLinkSecret, Plain: true, Value: typed.Get(linkSecretField),
	}
	return page.Form{
		ID: "first-owner", Lead: page.Text("first_owner.lead"), Submit: page.Text("first_owner.submit"),
		Fields: []page.Field{secret, newUsernameField(typed.Get("username")), page.NewPasswordField()},
	}
}
