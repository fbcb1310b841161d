package passkey

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// Login is /login/passkey, where a user signs in with a passkey. It needs a script, which asks the browser for the passkey; without
// one the page leads to the password.
type Login struct {
	*account.Account
	Service *Service
}

// Way is the link of the login page.
func Way() account.Way {
	return account.Way{
		Method: storage.SignInPasskey, Path: account.PasskeyLoginPath, Text: page.Text("login.passkey"),
		Works: func(r *endpoint.Request, _ *authorize.Pending) (bool, error) {
			return r.Issuer.Directory.TwoFactor() != storage.TwoFactorOff && account.PasskeysWork(r), nil
		},
	}
}

// loginData is what the page shows.
type loginData struct {
	prompt
	Alert page.Message
	// Client is the name of the requesting application; empty for the account page.
	Client string
}

// Mount implements endpoint.Endpoint.
func (e *Login) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "login_passkey", Path: account.PasskeyLoginPath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Login) serve(w http.ResponseWriter, r *endpoint.Request) error {
	if r.Issuer.Directory.TwoFactor() == storage.TwoFactorOff || !r.Issuer.Directory.HasSignInMethod(storage.SignInPasskey) {
		return endpoint.NotFound()
	}
	if !account.PasskeysWork(r) {
		return page.Redirect(w, r, authorize.LoginPath)
	}
	p, err := e.SignIns.Pending(r)
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		shown, err := e.page(w, r, p, page.Message{})
		if err != nil {
			return err
		}
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	user, how, err := e.verify(r, response{form.Get("challenge"), form.Get("credential"), account.InteractionID(p)})
	if err == nil {
		err = e.SignIns.Complete(w, r, p, user, how)
	}
	if err != nil {
		return e.showError(w, r, p, user, err)
	}
	return nil
}

// verify verifies the response of an authenticator, within the limit of the network.
func (e *Login) verify(r *endpoint.Request, given response) (storage.User, authorize.Authentication, error) {
	network := ratelimit.AddressKey(r.Issuer.Directory.ID, ratelimit.AddressRule(), r.ClientIP)
	if wait := e.Passwords.Lockout.Wait(network); wait > 0 { // In memory is enough: signatures cannot be guessed.
		return storage.User{}, authorize.Authentication{}, ratelimit.TooManyRequests(wait)
	}
	user, how, err := e.Service.login(r, given)
	if errors.Is(err, errInvalid) || errors.Is(err, errUnknown) || errors.Is(err, errSuspect) {
		e.Passwords.Lockout.Failed(r.Context(), network)
	}
	return user, how, err
}

func (e *Login) page(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, alert page.Message) (page.Page, error) {
	asked, err := e.Service.beginLogin(w, r, account.InteractionID(p))
	if err != nil {
		return page.Page{}, err
	}
	data := loginData{prompt: asked, Alert: alert}
	shown := page.Page{Template: "passkey_login", Title: page.Text("passkey.login.title"), Script: page.PasskeyScript}
	if p != nil {
		data.Client, shown.UILocales = endpoint.ClientName(p.Request.Client.Record()), p.Request.UILocales()
	}
	shown.Data = data
	return shown, nil
}

// showError renders the page again, with a new challenge. It returns an error of the server.
func (e *Login) showError(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, user storage.User, err error) error {
	problem, alert := loginProblem(err)
	if problem == nil {
		return err
	}
	if errors.Is(err, errSuspect) {
		if err := e.Notifications.Notify(r.Context(), r, user, "mail.passkey_suspect"); err != nil {
			return err
		}
	}
	shown, failed := e.page(w, r, p, alert)
	if failed != nil {
		return failed
	}
	e.Pages.RenderInvalid(w, r, shown, problem, err)
	return nil
}

// loginProblem maps a failed ceremony to the error for the log and the page. It is nil for an error of the server.
func loginProblem(err error) (*grants.Error, page.Message) {
	limited, ok := errors.AsType[*grants.Error](err)
	for _, known := range []struct {
		cause       error
		reason      string
		description string
	}{
		{errChallenge, "passkey_challenge", "The page was open for too long, or was used before."},
		{errNoScript, "passkey_script", "The page was sent without the response of an authenticator: passkeys need scripts."},
		{errSuspect, "passkey_suspect", "The signature counter went back: the passkey may have been copied."},
		{errDelayed, "passkey_delayed", "The passkey was added in a session that a client's backend could start, and does not work yet."},
		{errOtherDirectory, "passkey_other_directory", "The passkey is of another directory at this host."},
		{errUnknown, "passkey_unknown", "The directory does not have this passkey."},
		{errInvalid, "passkey_invalid", "The authenticator's response does not verify."},
		{identity.ErrTaken, "passkey_known", "The passkey was added before."},
		{identity.ErrMethodLimit, "passkey_limit", "The user has too many passkeys."},
	} {
		if errors.Is(err, known.cause) && !endpoint.IsUnavailable(err) {
			problem := endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusBadRequest, known.description)
			problem.Reason = known.reason
			return problem, page.Text(known.reason)
		}
	}
	switch {
	case errors.Is(err, identity.ErrUserDisabled):
		return grants.UserDisabled(), page.Text("login.disabled")
	case ok && limited.Reason == endpoint.ReasonRateLimited:
		return limited, page.Text("login.wait", account.WaitText(limited.RetryAfter))
	default:
		return nil, page.Message{}
	}
}

// shownNames are the names of a user that the authenticator shows: with the directory, because the host may have others.
func shownNames(user storage.User, directory storage.Directory) (name, displayName string) {
	of := " · " + directory.Name
	shown := cmp.Or(page.ViewUser(user).Name, user.ID)
	return cmp.Or(user.Username, user.Email, shown) + of, shown + of
}
