package onetimecode

import (
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Login is /login/phone-code and /login/email-code: a page that asks for an address, and one that asks for the code.
type Login struct{ *Service }

// sentParameter is the parameter with the envelope of a code that was sent.
const sentParameter = "sent"

// Ways are the links of the login page.
func (s *Service) Ways() []account.Way {
	var ways []account.Way
	for _, by := range []channel{phone(), mail()} {
		ways = append(ways, account.Way{
			Method: by.method, Path: by.path, Text: by.text("way"),
			Works: func(r *endpoint.Request, _ *authorize.Pending) (bool, error) { return s.works(r, by), nil },
		})
	}
	return ways
}

// Mount implements endpoint.Endpoint.
func (e *Login) Mount(t *endpoint.RouteTable) {
	for _, by := range []channel{phone(), mail()} {
		t.Handle(endpoint.Route{
			Name: "login_" + by.method, Path: by.path, Methods: []string{http.MethodGet, http.MethodPost}, ErrorWriter: e.Pages.WriteError,
			Serve: func(w http.ResponseWriter, r *endpoint.Request) error { return e.serve(w, r, by) },
		})
	}
}

func (e *Login) serve(w http.ResponseWriter, r *endpoint.Request, by channel) error {
	if !r.Issuer.Directory.HasSignInMethod(by.method) || !e.works(r, by) {
		return endpoint.NotFound()
	}
	p, err := e.SignIns.Pending(r)
	if err != nil {
		return err
	}
	visit := &loginVisit{Login: e, by: by, p: p}
	if r.URL.Query().Has(captchaParameter) && r.Method != http.MethodPost {
		return visit.passed(w, r)
	}
	if !r.URL.Query().Has(sentParameter) {
		return visit.address(w, r, "")
	}
	ticket, err := e.open(r, by, account.InteractionID(p), r.URL.Query().Get(sentParameter))
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return page.Redirect(w, r, by.path)
	}
	if err != nil {
		return err
	}
	if r.URL.Query().Has(againParameter) {
		return visit.address(w, r, ticket.Address)
	}
	return visit.code(w, r, ticket)
}

// againParameter asks for another code.
const againParameter = "again"

// loginVisit is a request to the pages of a channel.
type loginVisit struct {
	*Login
	by channel
	// p is nil for the account page.
	p *authorize.Pending
}

// page is a page with a form.
func (v *loginVisit) page(title string, form page.Form) page.Page {
	shown := page.Page{Template: "form", Title: v.by.text(title), Data: form}
	if v.p != nil {
		shown.UILocales = v.p.Request.UILocales()
	}
	return shown
}

// addressForm is the form for an address.
func (v *loginVisit) addressForm(typed string) page.Form {
	return page.Form{
		ID: "send", Lead: v.by.text("lead"), Submit: v.by.text("send"), Fields: []page.Field{v.by.addressField(typed)},
		Else: &page.Link{Text: page.Text("onetime.other_way"), Path: authorize.LoginPath, Parameters: []string{account.OtherParameter, "1"}},
	}
}

// address asks for an address, and sends a code to it.
func (v *loginVisit) address(w http.ResponseWriter, r *endpoint.Request, known string) error {
	if r.Method != http.MethodPost {
		return v.Pages.Render(w, r, v.page("title", v.addressForm(v.hint(known))))
	}
	submitted, err := v.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	typed := submitted.Get(v.by.field)
	address, err := v.by.parse(r.Issuer.Directory, typed)
	if err == nil {
		asks, failed := v.needsCaptcha(r)
		if failed != nil {
			return failed
		}
		if asks {
			return v.toCaptcha(w, r, address)
		}
		err = v.ask(w, r, address)
	}
	if problem, member, text := v.by.addressProblem(err); problem != nil {
		v.Pages.RenderInvalid(w, r, v.page("title", v.addressForm(typed).WithError(member, text)), problem, err)
		return nil
	}
	return err
}

// passed handles a browser that comes back from the captcha.
func (v *loginVisit) passed(w http.ResponseWriter, r *endpoint.Request) error {
	address, passed, err := v.fromCaptcha(r)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return page.Redirect(w, r, v.by.path)
	}
	if err == nil && !passed {
		err = errCaptcha
	}
	if err == nil {
		err = v.ask(w, r, address)
	}
	if problem, member, text := v.by.addressProblem(err); problem != nil {
		v.Pages.RenderInvalid(w, r, v.page("title", v.addressForm(address).WithError(member, text)), problem, err)
		return nil
	}
	return err
}

// hint is the address of a page: the one that was typed before, else that of the authorization request.
func (v *loginVisit) hint(known string) string {
	if known == "" && v.p != nil {
		known = v.p.Request.LoginHint()
		if len(known) > maxTyped {
			return ""
		}
	}
	return known
}

// ask begins a sign-in by an address, and redirects to the page that asks for the code.
func (v *loginVisit) ask(w http.ResponseWriter, r *endpoint.Request, address string) error {
	browser, err := v.Pages.CSRF.Browsers.Ensure(w, r)
	if err != nil {
		return err
	}
	envelope, err := v.begin(r, order{by: v.by, address: address, scope: account.InteractionID(v.p), browser: browser})
	if err != nil {
		return err
	}
	return page.Redirect(w, r, v.by.path, sentParameter, envelope)
}

// code asks for the code, and signs in by it.
func (v *loginVisit) code(w http.ResponseWriter, r *endpoint.Request, ticket sent) error {
	lead := "sent"
	if !r.Issuer.Directory.Policy.SelfRegistration {
		lead = "sent_if_known"
	}
	form := page.Form{
		ID: "verify", Lead: v.by.text(lead, ticket.Address), Submit: page.Text("code.submit"), Fields: []page.Field{codeField()},
		Else: &page.Link{
			Text: page.Text("onetime.again"), Path: v.by.path, Parameters: []string{sentParameter, r.URL.Query().Get(sentParameter), againParameter, "1"},
		},
	}
	if r.Method != http.MethodPost {
		return v.Pages.Render(w, r, v.page("code_title", form))
	}
	submitted, err := v.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	user, err := v.user(r, ticket, submitted.Get("code"))
	if err == nil {
		err = v.SignIns.Complete(w, r, v.p, user, authorize.Authentication{Time: v.Now(), AMR: v.by.amr, ACR: authorize.ACRSingleFactor})
	}
	if errors.Is(err, errUsed) { // The button was pressed twice: the login page continues for a signed-in user.
		return page.Redirect(w, r, authorize.LoginPath)
	}
	if problem, member, text := codeProblem(v.by, err); problem != nil {
		v.Pages.RenderInvalid(w, r, v.page("code_title", form.WithError(member, text)), problem, err)
		return nil
	}
	return err
}

// user returns the user who has typed the right code.
func (v *loginVisit) user(r *endpoint.Request, ticket sent, typed string) (storage.User, error) {
	directory := r.Issuer.Directory
	r.SignIn = endpoint.SignIn{Method: v.by.method}
	code, err := v.verify(r, v.by, ticket, typed)
	r.SignIn.User = code.User
	if err != nil {
		return storage.User{}, err
	}
	user, err := account.SignedIn(v.Users.SignInByCode(r.Context(), directory, v.by.identity(directory.ID, ticket.Address), code.User))
	if errors.Is(err, identity.ErrUnknownUser) { // A guess, because nothing was sent.
		return storage.User{}, errWrongCode
	}
	return user, err
}

// addressProblem maps the error of an address to the error for the log and the page, with the field. It is nil for an error of the
// server.
func (c channel) addressProblem(err error) (problem *grants.Error, field string, text page.Message) {
	if errors.Is(err, errCaptcha) {
		return badRequest("captcha", "The captcha was not passed, or its proof is too old."), "", page.Text("onetime.captcha")
	}
	if errors.Is(err, errCountry) {
		return badRequest("country", "The directory sends no codes to this country."), c.field, c.text("country")
	}
	if _, what, invalid := page.ExplainInvalid(err); invalid {
		return badRequest("form", "The address is malformed."), c.field, what
	}
	problem, text = waitProblem(err)
	return problem, "", text
}

// codeProblem maps the error of a code to the error for the log and the page, with the field.
func codeProblem(by channel, err error) (problem *grants.Error, field string, text page.Message) {
	switch {
	case errors.Is(err, errWrongCode):
		return badRequest("wrong_code", "The code is wrong, was used before, or is too old."), "code", page.Text("onetime.wrong")
	case errors.Is(err, identity.ErrTaken):
		problem := endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusConflict, "An account has the address, and cannot sign in by it.")
		problem.Reason = "account_conflict"
		return problem, "", by.text("taken")
	}
	if problem, text = waitProblem(err); problem != nil {
		return problem, "", text
	}
	problem, text = account.SignInProblem(err)
	return problem, "", text
}

// waitProblem is the error of a caller who has to wait.
func waitProblem(err error) (*grants.Error, page.Message) {
	limited, ok := errors.AsType[*grants.Error](err)
	if !ok || limited.Reason != endpoint.ReasonRateLimited {
		return nil, page.Message{}
	}
	return limited, page.Text("onetime.wait", account.WaitText(limited.RetryAfter))
}

func badRequest(reason, description string) *grants.Error {
	problem := endpoint.NewErrorStatus(fosite.ErrAccessDenied, http.StatusBadRequest, description)
	problem.Reason = reason
	return problem
}
