package server

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage/oauth2"
)

// loginEndpoint is /login: people say who they are, for the authorization request that the URL holds, or for their account
// page. There is no parameter that says where to go afterwards, so there is none to misuse.
type loginEndpoint struct {
	pages     *pages
	authorize *authorizeEndpoint
	passwords *passwords
	now       func() time.Time
	// ways are the ways to sign in beside a password.
	ways []pageLink
	// resets says that a forgotten password can be replaced.
	resets bool
}

// loginData is what the login page shows.
type loginData struct {
	// Client is the name of the application that asks; empty for the account page.
	Client   string
	Alert    message
	Fields   []field
	Ways     []pageLink
	Register bool
}

// chooseData is what the page shows that asks whether to go on as the user who is signed in.
type chooseData struct {
	Client string
	Person shownPerson
}

// otherParameter is the parameter of the login page that asks for the form even where somebody is signed in.
const otherParameter = "other"

func (e *loginEndpoint) mount(t *table) {
	t.handle(route{
		name: "login", path: loginPath, methods: []string{http.MethodGet, http.MethodPost}, serve: e.serve, surface: e.pages.failure,
	})
}

func (e *loginEndpoint) serve(w http.ResponseWriter, r *call) error {
	p, err := e.pending(r)
	if err != nil {
		return err
	}
	current, err := e.authorize.sessions.browserSession(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		return e.submit(w, r, p, current)
	}
	other := r.URL.Query().Has(otherParameter)
	switch {
	case current != nil && p == nil && !other:
		return goHome(w, r)
	case current != nil && p != nil && p.Step == stepAccount && !other:
		return e.choose(w, r, p, current)
	}
	if current != nil && p != nil && p.Step == stepLogin && !other {
		settled, err := e.authorize.settled(r.Request, p, current)
		if err != nil {
			return err
		}
		if settled { // In another tab the user has signed in meanwhile.
			return e.authorize.goTo(w, r, authorizePath, p.interaction)
		}
	}
	return e.pages.render(w, r, e.form(r, p, current))
}

// pending returns the authorization request that the page is about; nil when it is about none.
func (e *loginEndpoint) pending(r *call) (*waiting, error) {
	if !r.URL.Query().Has(interactionParameter) {
		return nil, nil
	}
	return waitingOn(e.pages, r, e.authorize)
}

// waitingOn returns the authorization request that a page is about. A language that was chosen on the page stays for the next one.
func waitingOn(p *pages, r *call, authorize *authorizeEndpoint) (*waiting, error) {
	found, err := authorize.waiting(r)
	if err != nil {
		return nil, err
	}
	// A button that is pressed twice gets the same code: see sameCode.
	if err := authorize.refuseUsed(r.Context(), found.request, pushedAnswered); err != nil {
		return nil, finished(r, found, err)
	}
	if !r.URL.Query().Has("ui_locales") {
		return found, nil
	}
	form := found.request.formWithoutHint()
	form.Set("ui_locales", p.tongues.choose(r.Request, nil).tag)
	if decodedSize(form) <= maxAuthorization {
		found.Form = form
	}
	return found, nil
}

// finished is the error for a page that was opened again after the pushed request which it is about got its code. err is what the
// client would be told.
func finished(r *call, p *waiting, err error) error {
	problem, refused := errors.AsType[*grants.Error](err)
	if !refused {
		return err
	}
	r.returns = returnLink{client: clientName(p.request.client.Record())}
	return pageRefusal(reasonAnswered, problem.Protocol.GetDescription())
}

// submit is what becomes of the form.
func (e *loginEndpoint) submit(w http.ResponseWriter, r *call, p *waiting, current *signedIn) error {
	form, err := e.pages.forgery.form(r)
	if err != nil {
		return err
	}
	switch form.Get("choice") {
	case "cancel":
		if p != nil {
			location, err := e.authorize.denied(r, p)
			if err != nil {
				return err
			}
			return e.pages.onward(w, r, p.request.uiLocales(), location)
		}
	case "continue":
		if p != nil && current != nil {
			return e.authorize.chosen(w, r, p, current)
		}
		return seeOther(w, r, loginPath)
	}
	user, err := e.passwords.signIn(w, r, form.Get("username"), form.Get("password"))
	if err != nil {
		return e.again(w, r, p, form.Get("username"), err)
	}
	signed, err := e.authorize.sessions.signIn(w, r, user.Record, byPassword(e.now()))
	if err != nil {
		return err
	}
	if p == nil {
		return goHome(w, r)
	}
	location, err := e.authorize.signedIn(r, p, signed)
	if err != nil {
		return err
	}
	return e.pages.onward(w, r, p.request.uiLocales(), location)
}

// goHome leads to the account page, or to what a mail has asked the user to confirm.
func goHome(w http.ResponseWriter, r *call) error {
	if proof := proofOf(r.Request); proof != nil {
		return seeOther(w, r, emailConfirmPath, proof...)
	}
	return seeOther(w, r, accountPath)
}

// form is the login page.
func (e *loginEndpoint) form(r *call, p *waiting, current *signedIn) page {
	name := ""
	if current != nil && !r.URL.Query().Has(otherParameter) {
		name = cmp.Or(current.user.Username, current.user.Email)
	}
	if p != nil {
		name = cmp.Or(p.request.loginHint(), name)
	}
	return e.page(r, p, name)
}

func (e *loginEndpoint) page(r *call, p *waiting, name string) page {
	data := loginData{Fields: loginFields(name, e.resets), Ways: e.ways}
	if issuer, ok := oauth2.IssuerFrom(r.Context()); ok {
		data.Register = issuer.Directory.Policy.SelfRegistration
	}
	shown := page{template: "login", title: say("login.title")}
	if p != nil {
		data.Client = clientName(p.request.client.Record())
		shown = concerning(p, shown)
	}
	shown.data = data
	return shown
}

func loginFields(name string, resets bool) []field {
	name = identity.TrimTyped(name[:min(len(name), maxName)])
	password := passwordField("password", say("field.password"), "current-password")
	if resets {
		password.Aside = &pageLink{Text: say("login.forgot"), Path: forgotPath}
	}
	username := field{
		Name: "username", Label: say("field.login"), Type: "text", Autocomplete: "username", Value: name, Limit: maxName, Plain: true,
	}
	username.Focus, password.Focus = name == "", name != ""
	return []field{username, password}
}

// again shows the form once more, and says what was wrong.
func (e *loginEndpoint) again(w http.ResponseWriter, r *call, p *waiting, name string, err error) error {
	problem, alert := loginProblem(err)
	if problem == nil {
		return err
	}
	if e.resets && errors.Is(err, identity.ErrWrongPassword) {
		alert = say("login.wrong.reset")
	}
	shown := e.page(r, p, name)
	data, _ := shown.data.(loginData)
	data.Alert = alert
	shown.data = data
	e.pages.refuse(w, r, shown, problem, err)
	return nil
}

// loginProblem says what a failed sign-in is: to the log and to whoever tried. It is nil for what is no fault of theirs.
func loginProblem(err error) (*grants.Error, message) {
	limited, ok := errors.AsType[*grants.Error](err)
	switch {
	case down(err):
		return nil, message{}
	case errors.Is(err, identity.ErrWrongPassword):
		problem := refusal(fosite.ErrAccessDenied, "The username or the password is wrong, or there were too many attempts.")
		problem.Protocol.CodeField, problem.Reason = http.StatusBadRequest, reasonWrongPassword
		return problem, say("login.wrong")
	case errors.Is(err, identity.ErrUserDisabled):
		return grants.UserDisabled(), say("login.disabled")
	case ok && limited.Reason == reasonRateLimited:
		return limited, say("login.wait", waitText(limited.RetryAfter))
	default:
		return nil, message{}
	}
}

// reasonWrongPassword is the reason of a username and password that do not match.
const reasonWrongPassword = "wrong_password"

// waitText says how long somebody has to wait: in seconds, or in minutes where it is longer.
func waitText(wait time.Duration) message {
	seconds := int((wait + time.Second - 1) / time.Second)
	if seconds > 90 {
		return say("wait.minutes", (seconds+59)/60)
	}
	return say("wait.seconds", seconds)
}

// choose asks whether to go on as the user who is signed in.
func (e *loginEndpoint) choose(w http.ResponseWriter, r *call, p *waiting, current *signedIn) error {
	return e.pages.render(w, r, concerning(p, page{
		template: "choose", leaves: true, title: say("choose.title"),
		data: chooseData{Client: clientName(p.request.client.Record()), Person: personView(current.user)},
	}))
}

// concerning is a page that asks something for an authorization request.
func concerning(p *waiting, shown page) page {
	shown.uiLocales = p.request.uiLocales()
	return shown
}
