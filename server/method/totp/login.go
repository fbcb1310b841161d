package totp

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
)

// Login is /login/code, the second factor of users with an authenticator app.
type Login struct {
	*account.Account
	Service *Service
}

const (
	// amrCode and amrTwoFactors are the methods of a password with a code (RFC 8176).
	amrCode       = "otp"
	amrTwoFactors = "mfa"

	recoveryParameter = "recovery"
	reasonWrongCode   = "wrong_code"
)

// Mount implements endpoint.Endpoint.
func (e *Login) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "login_code", Path: account.CodePath, Methods: []string{http.MethodGet, http.MethodPost},
		Serve: e.SignIns.WithUnfinished(account.CodePath, e.serve), ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Login) serve(w http.ResponseWriter, r *endpoint.Request, unfinished *account.Unfinished) error {
	shown := page.Page{Template: "form", Title: page.Text("code.title")}
	if unfinished.Pending != nil {
		shown.UILocales = unfinished.Pending.Request.UILocales()
	}
	form := loginForm(r)
	shown.Data = form
	if r.Method != http.MethodPost {
		return e.Pages.Render(w, r, shown)
	}
	submitted, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	r.SignIn = endpoint.SignIn{Method: authorize.MethodTOTP, User: unfinished.User.ID}
	recovery, err := e.Service.verify(r, unfinished.User, submitted.Get("code"))
	if problem, text := codeProblem(err); problem != nil {
		shown.Data = form.WithError("code", text)
		e.Pages.RenderInvalid(w, r, shown, problem, err)
		return nil
	}
	if err != nil {
		return err
	}
	if recovery {
		if err := e.Notifications.Notify(r.Context(), r, unfinished.User, "mail.recovery_used"); err != nil {
			return err
		}
	}
	return e.SignIns.Complete(w, r, unfinished.Pending, unfinished.User, twoFactors(unfinished.How, e.Now()))
}

// twoFactors adds a code to what the user has proven.
func twoFactors(how authorize.Authentication, now time.Time) authorize.Authentication {
	return authorize.Authentication{Time: now, AMR: append(slices.Clone(how.AMR), amrCode, amrTwoFactors), ACR: authorize.ACRTwoFactors}
}

// loginForm is the form for a code of the app, or for a recovery code.
func loginForm(r *endpoint.Request) page.Form {
	carried := []string{account.SignInParameter, r.URL.Query().Get(account.SignInParameter)}
	if r.URL.Query().Has(recoveryParameter) {
		return page.Form{
			ID: "verify", Lead: page.Text("code.recovery.lead"), Submit: page.Text("code.submit"),
			Fields: []page.Field{{
				Name: "code", Label: page.Text("field.recovery_code"), Type: "text", Autocomplete: "off", Limit: maxTyped, Plain: true, Focus: true,
			}},
			Else: &page.Link{Text: page.Text("code.lost"), Path: lostPath, Parameters: carried},
		}
	}
	return page.Form{
		ID: "verify", Lead: page.Text("code.lead"), Submit: page.Text("code.submit"), Fields: []page.Field{codeField()},
		Else: &page.Link{Text: page.Text("code.recovery"), Path: account.CodePath, Parameters: append(carried, recoveryParameter, "1")},
	}
}

// codeField is the input for a code of the app.
func codeField() page.Field {
	return page.Field{
		Name: "code", Label: page.Text("field.code"), Type: "text", Autocomplete: "one-time-code", Mode: "numeric", Limit: maxTyped, Plain: true, Focus: true,
	}
}

// codeProblem maps a failed verification to the error for the log and the page. It is nil for an error of the server.
func codeProblem(err error) (*grants.Error, page.Message) {
	limited, ok := errors.AsType[*grants.Error](err)
	switch {
	case errors.Is(err, errWrongCode):
		problem := endpoint.NewError(fosite.ErrAccessDenied, "The code is wrong, was used before, or is too old.")
		problem.Protocol.CodeField, problem.Reason = http.StatusBadRequest, reasonWrongCode
		return problem, page.Text("code.wrong")
	case ok && limited.Reason == endpoint.ReasonRateLimited:
		return limited, page.Text("login.wait", account.WaitText(limited.RetryAfter))
	default:
		return nil, page.Message{}
	}
}
