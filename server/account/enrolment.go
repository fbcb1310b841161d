package account

import (
	"net/http"
	"time"

	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Enrolment is a user who changes the sign-in methods: signed in recently, or in a sign-in that misses a factor.
type Enrolment struct {
	User storage.User
	// Unfinished is the sign-in that misses a factor; nil for a signed-in user.
	Unfinished *Unfinished
	// From is when the method begins to work; zero for at once.
	From time.Time
}

// enrolmentRoute serves a page that adds a sign-in method.
type enrolmentRoute func(w http.ResponseWriter, r *endpoint.Request, enrolment *Enrolment) error

// Route adds a page for signed-in users of a directory with passkeys and TOTP.
func (a *Account) Route(t *endpoint.RouteTable, name, path string, serve accountRoute, methods ...string) {
	a.page(t, name, path, func(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
		if r.Issuer.Directory.TwoFactor() == storage.TwoFactorOff {
			return endpoint.NotFound()
		}
		return serve(w, r, current)
	}, methods...)
}

// FreshRoute is Route for users who signed in within five minutes. Others see a page that asks them to sign in again.
func (a *Account) FreshRoute(t *endpoint.RouteTable, name, path string, serve accountRoute, methods ...string) {
	a.Route(t, name, path, func(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
		if !a.fresh(current) {
			return a.askToSignInAgain(w, r)
		}
		return serve(w, r, current)
	}, methods...)
}

// EnrolmentRoute adds a page that adds a sign-in method: for users who signed in recently, and for users without a method whose
// directory requires one. first means that the method is a way to sign in by itself: a user without one may add it in a session that
// the backend of a client could start.
func (a *Account) EnrolmentRoute(t *endpoint.RouteTable, name, path string, first bool, serve enrolmentRoute) {
	fromSignIn := a.SignIns.WithUnfinished(SetupPath, func(w http.ResponseWriter, r *endpoint.Request, unfinished *Unfinished) error {
		methods, err := a.Users.Methods(r.Context(), unfinished.User)
		if err != nil {
			return err
		}
		enrolment := &Enrolment{User: unfinished.User, Unfinished: unfinished}
		if unfinished.How.BackendInitiated {
			added, err := a.firstMethod(r, unfinished.User, unfinished.How.Time)
			if err != nil {
				return err
			}
			if !first || !added.Allowed {
				return a.askToSignInAgain(w, r)
			}
			enrolment.From = added.From
		}
		if len(methods.Passkeys) > 0 || methods.TOTP != nil { // Only the first method can be added without the others.
			return page.Redirect(w, r, authorize.LoginPath)
		}
		return serve(w, r, enrolment)
	})
	fromSession := a.signedIn(func(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
		added, err := a.firstOfSession(r, current)
		if err != nil {
			return err
		}
		if !a.fresh(current) && (!first || !added.Allowed) {
			return a.askToSignInAgain(w, r)
		}
		return serve(w, r, &Enrolment{User: current.User, From: added.From})
	})
	t.Handle(endpoint.Route{
		Name: name, Path: path, Methods: []string{http.MethodGet, http.MethodPost}, ErrorWriter: a.Pages.WriteError,
		Serve: func(w http.ResponseWriter, r *endpoint.Request) error {
			switch {
			case r.Issuer.Directory.TwoFactor() == storage.TwoFactorOff:
				return endpoint.NotFound()
			case r.URL.Query().Has(SignInParameter):
				return fromSignIn(w, r)
			default:
				return fromSession(w, r)
			}
		},
	})
}

// askToSignInAgain shows that the sign-in was too long ago, with a link to the login page.
func (a *Account) askToSignInAgain(w http.ResponseWriter, r *endpoint.Request) error {
	return a.Pages.Render(w, r, page.Page{
		Template: "message", Title: page.Text("again.title"), Status: http.StatusForbidden, Failed: true,
		Data: MessageData{
			Text: page.Text("again.text"),
			Link: &page.Link{Text: page.Text("login.title"), Path: authorize.LoginPath, Parameters: []string{OtherParameter, "1"}},
		},
	})
}

// Setup is /login/setup, where a user chooses the second factor that the directory requires.
type Setup struct{ *Account }

// setupData is what the page of the choice shows.
type setupData struct {
	Ways []page.Link
	// Passkeys and Codes mean that passkeys and authenticator apps are ways.
	Passkeys, Codes bool
}

// Mount implements endpoint.Endpoint.
func (e *Setup) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "login_setup", Path: SetupPath, Methods: []string{http.MethodGet}, Serve: e.SignIns.WithUnfinished(SetupPath, e.serve), ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Setup) serve(w http.ResponseWriter, r *endpoint.Request, unfinished *Unfinished) error {
	shown := page.Page{Template: "setup", Title: page.Text("setup.title")}
	if unfinished.Pending != nil {
		shown = forRequest(unfinished.Pending, shown)
	}
	carried := []string{SignInParameter, r.URL.Query().Get(SignInParameter)}
	data := setupData{Passkeys: PasskeysWork(r), Codes: !unfinished.How.BackendInitiated}
	if data.Passkeys {
		data.Ways = append(data.Ways, page.Link{Text: page.Text("setup.passkey"), Path: NewPasskeyPath, Parameters: carried})
	}
	if data.Codes { // In a session that a backend could start, only a way to sign in can be added.
		data.Ways = append(data.Ways, page.Link{Text: page.Text("setup.totp"), Path: NewTOTPPath, Parameters: carried})
	}
	shown.Data = data
	return e.Pages.Render(w, r, shown)
}
