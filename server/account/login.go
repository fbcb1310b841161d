package account

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Login is /login, where end-users sign in, for the authorization request in the URL or for their account page. No parameter
// contains the next URL, so that the page is no open redirector.
type Login struct {
	Pages     *page.Renderer
	Authorize *authorize.Endpoint
	Passwords *Passwords
	Now       func() time.Time
	SignIns   *SignIns
	// Ways are the sign-in methods in addition to the password.
	Ways []Way
	// Resets means that a forgotten password can be reset by mail.
	Resets bool
}

// loginData is what the login page shows.
type loginData struct {
	// Client is the name of the requesting application; empty for the account page.
	Client   string
	Alert    page.Message
	Fields   []page.Field
	Register bool
	// Join is the text for a signed-in user who signs in to another account, and Back leads to the own one.
	Join page.Message
	Back *page.Link
	loginWays
}

// chooseAccountData is what the page of the account choice shows.
type chooseAccountData struct {
	Client string
	Person page.UserView
}

// OtherParameter is the parameter of the login page that requests the form even if a user is signed in.
const OtherParameter = "other"

// Mount implements endpoint.Endpoint.
func (e *Login) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "login", Path: authorize.LoginPath, Methods: []string{http.MethodGet, http.MethodPost}, Serve: e.serve, ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Login) serve(w http.ResponseWriter, r *endpoint.Request) error {
	p, err := e.SignIns.Pending(r)
	if err != nil {
		return err
	}
	current, err := e.Authorize.Sessions.Current(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		return e.submit(w, r, p, current)
	}
	join, err := e.SignIns.joinOf(r, p)
	if err != nil {
		return err
	}
	other := r.URL.Query().Has(OtherParameter) || join != nil
	switch {
	case current != nil && p == nil && !other:
		return redirectHome(w, r)
	case current != nil && p != nil && p.Step == authorize.StepAccount && !other:
		return e.chooseAccount(w, r, p, current)
	}
	if current != nil && p != nil && p.Step == authorize.StepLogin && !other {
		settled, err := e.Authorize.IsSignedIn(r, p, current)
		if err != nil {
			return err
		}
		if settled { // The user signed in in another tab.
			return e.Authorize.GoTo(w, r, authorize.AuthorizePath, p.Interaction)
		}
	}
	shown, err := e.form(r, p, current)
	if err != nil {
		return err
	}
	return e.Pages.Render(w, r, shown)
}

// pendingRequest returns the authorization request in the URL. It sets the language that was chosen on the page for the next pages.
func pendingRequest(p *page.Renderer, r *endpoint.Request, flow *authorize.Endpoint) (*authorize.Pending, error) {
	found, err := flow.Pending(r)
	if err != nil {
		return nil, err
	}
	// A button that is pressed twice gets the same code: see sameCode.
	if err := flow.RejectUsed(r.Context(), found.Request, authorize.PushedCodeIssued); err != nil {
		return nil, alreadyFinished(r, found, err)
	}
	if !r.URL.Query().Has("ui_locales") {
		return found, nil
	}
	form := found.Request.FormWithoutHint()
	form.Set("ui_locales", p.Locales.Choose(r.Request, nil).Tag)
	if endpoint.DecodedSize(form) <= authorize.MaxAuthorization {
		found.Form = form
	}
	return found, nil
}

// alreadyFinished is the error for a page whose pushed request already has its code. err is the error for the client.
func alreadyFinished(r *endpoint.Request, p *authorize.Pending, err error) error {
	problem, rejected := errors.AsType[*grants.Error](err)
	if !rejected {
		return err
	}
	r.ReturnLink = endpoint.ReturnLink{Client: endpoint.ClientName(p.Request.Client.Record())}
	return authorize.PageError(endpoint.ReasonAnswered, problem.Protocol.GetDescription())
}

// submit handles the submitted form.
func (e *Login) submit(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	switch form.Get("choice") {
	case "cancel":
		if p != nil {
			location, err := e.Authorize.Denied(r, p)
			if err != nil {
				return err
			}
			return e.Pages.Onward(w, r, p.Request.UILocales(), location)
		}
	case "continue":
		if p != nil && current != nil {
			return e.Authorize.AfterAccountChoice(w, r, p, current)
		}
		return page.Redirect(w, r, authorize.LoginPath)
	}
	if !r.Issuer.Directory.HasSignInMethod(storage.SignInPassword) {
		return endpoint.NotFound()
	}
	user, err := SignedIn(e.Passwords.signIn(r, form.Get("username"), form.Get("password")))
	if err == nil {
		err = e.SignIns.Complete(w, r, p, user, passwordAuthentication(e.Now()))
	}
	if err != nil {
		return e.showError(w, r, p, form.Get("username"), err)
	}
	return nil
}

// redirectHome redirects to the home of the user, or to the page that confirms an e-mail address.
func redirectHome(w http.ResponseWriter, r *endpoint.Request) error {
	if proof := proofOf(r.Request); proof != nil {
		return page.Redirect(w, r, endpoint.EmailConfirmPath, proof...)
	}
	if address, operator := consoleHome(w, r); operator {
		RedirectTo(w, address)
		return nil
	}
	path, parameters := userHome(w, r)
	return page.Redirect(w, r, path, parameters...)
}

// form is the login page.
func (e *Login) form(r *endpoint.Request, p *authorize.Pending, current *authorize.CurrentSession) (page.Page, error) {
	name := ""
	joining, err := e.SignIns.joinOf(r, p)
	if err != nil {
		return page.Page{}, err
	}
	if current != nil && joining == nil && !r.URL.Query().Has(OtherParameter) {
		name = cmp.Or(current.User.Username, current.User.Email)
	}
	if p != nil {
		name = cmp.Or(p.Request.LoginHint(), name)
	}
	return e.page(r, p, name)
}

func (e *Login) page(r *endpoint.Request, p *authorize.Pending, name string) (page.Page, error) {
	ways, err := e.offered(r, p)
	if err != nil {
		return page.Page{}, err
	}
	join, err := e.SignIns.joinOf(r, p)
	if err != nil {
		return page.Page{}, err
	}
	data := loginData{Fields: loginFields(name, e.Resets), Register: r.Issuer.Directory.Policy.SelfRegistration, loginWays: ways}
	shown := page.Page{Template: "login", Title: page.Text("login.title")}
	if join != nil {
		shown.Title = page.Text("join.title")
		data.join(*join)
	}
	if p != nil {
		data.Client = endpoint.ClientName(p.Request.Client.Record())
		shown = forRequest(p, shown)
	}
	shown.Data = data
	return shown, nil
}

// join changes the page for a signed-in user who signs in to another account.
func (d *loginData) join(join Join) {
	d.Register, d.Join = false, page.Text("join.lead")
	d.Back = &page.Link{Text: page.Text("account.back"), Path: MergePath}
	if !join.WeChat {
		return
	}
	d.Join, d.Back.Path = page.Text("join.lead.wechat"), identitiesPath
	noWeChat := func(way Way) bool { return !slices.Contains(wechatMethods(), way.Method) }
	d.Before, d.After = slices.DeleteFunc(append(d.Before, d.After...), noWeChat), nil
	d.Password = false
}

func loginFields(name string, resets bool) []page.Field {
	name = identity.TrimTyped(name[:min(len(name), MaxName)])
	password := page.PasswordField("password", page.Text("field.password"), "current-password")
	if resets {
		password.Aside = &page.Link{Text: page.Text("login.forgot"), Path: endpoint.ForgotPath}
	}
	username := page.Field{
		Name: "username", Label: page.Text("field.login"), Type: "text", Autocomplete: "username", Value: name, Limit: MaxName, Plain: true,
	}
	username.Focus, password.Focus = name == "", name != ""
	return []page.Field{username, password}
}

// showError renders the form again with the error.
func (e *Login) showError(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, name string, err error) error {
	problem, alert := loginProblem(err)
	if problem == nil {
		return err
	}
	if e.Resets && errors.Is(err, identity.ErrWrongPassword) {
		alert = page.Text("login.wrong.reset")
	}
	shown, failed := e.page(r, p, name)
	if failed != nil {
		return failed
	}
	data, _ := shown.Data.(loginData)
	data.Alert = alert
	shown.Data = data
	e.Pages.RenderInvalid(w, r, shown, problem, err)
	return nil
}

// loginProblem maps a failed sign-in to the error for the log and the page. It is nil for an error of the server.
func loginProblem(err error) (*grants.Error, page.Message) {
	limited, ok := errors.AsType[*grants.Error](err)
	switch {
	case endpoint.IsUnavailable(err):
		return nil, page.Message{}
	case errors.Is(err, identity.ErrWrongPassword):
		problem := endpoint.NewError(fosite.ErrAccessDenied, "The username or the password is wrong, or there were too many attempts.")
		problem.Protocol.CodeField, problem.Reason = http.StatusBadRequest, ReasonWrongPassword
		return problem, page.Text("login.wrong")
	case errors.Is(err, errPasskeyNeeded):
		problem := endpoint.NewError(fosite.ErrAccessDenied, "The directory requires two factors, and the user's second factor is a passkey.")
		problem.Protocol.CodeField, problem.Reason = http.StatusBadRequest, reasonPasskeyNeeded
		return problem, page.Text("login.passkey_needed")
	case errors.Is(err, errBrowserUnseen):
		problem := endpoint.NewError(fosite.ErrAccessDenied, "The directory requires a passkey for a browser that is new to the user.")
		problem.Protocol.CodeField, problem.Reason = http.StatusBadRequest, reasonPasskeyNeeded
		return problem, page.Text("login.browser_unseen")
	case errors.Is(err, identity.ErrUserDisabled):
		return grants.UserDisabled(), page.Text("login.disabled")
	case errors.Is(err, identity.ErrDeletionPending):
		return grants.DeletionPending(), page.Text("login.deletion_pending")
	case ok && limited.Reason == endpoint.ReasonRateLimited:
		return limited, page.Text("login.wait", WaitText(limited.RetryAfter))
	default:
		return nil, page.Message{}
	}
}

const reasonPasskeyNeeded = "passkey_needed"

// ReasonWrongPassword is the reason of a username and password that do not match.
const ReasonWrongPassword = "wrong_password"

// WaitText returns the wait in seconds, or in minutes if it is longer.
func WaitText(wait time.Duration) page.Message {
	seconds := int((wait + time.Second - 1) / time.Second)
	if seconds > 90 {
		return page.Text("wait.minutes", (seconds+59)/60)
	}
	return page.Text("wait.seconds", seconds)
}

// chooseAccount asks whether to continue as the signed-in user.
func (e *Login) chooseAccount(w http.ResponseWriter, r *endpoint.Request, p *authorize.Pending, current *authorize.CurrentSession) error {
	return e.Pages.Render(w, r, forRequest(p, page.Page{
		Template: "choose", Leaves: true, Title: page.Text("choose.title"),
		Data: chooseAccountData{Client: endpoint.ClientName(p.Request.Client.Record()), Person: page.ViewUser(current.User)},
	}))
}

// forRequest adds the languages of an authorization request to a page.
func forRequest(p *authorize.Pending, shown page.Page) page.Page {
	shown.UILocales = p.Request.UILocales()
	return shown
}
