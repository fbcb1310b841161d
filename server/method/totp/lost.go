package totp

import (
	"errors"
	"net/http"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// Lost is /login/code/lost, where a user who has lost the app and the recovery codes requests the end of their use. It happens after
// 24 hours, and a mail notifies the user, who can object until then. Operators need another operator instead.
type Lost struct{ *account.Account }

const (
	lostPath  = account.CodePath + "/lost"
	lostDelay = 24 * time.Hour
)

// Mount implements endpoint.Endpoint.
func (e *Lost) Mount(t *endpoint.RouteTable) {
	t.Handle(endpoint.Route{
		Name: "login_code_lost", Path: lostPath, Methods: []string{http.MethodGet, http.MethodPost},
		Serve: e.SignIns.WithUnfinished(account.CodePath, e.serve), ErrorWriter: e.Pages.WriteError,
	})
}

func (e *Lost) serve(w http.ResponseWriter, r *endpoint.Request, unfinished *account.Unfinished) error {
	user := unfinished.User
	if r.Issuer.Directory.ID == storage.OperatorsDirectory || !e.Notifications.CanMail(user) {
		return e.show(w, r, page.Text("lost.operator"))
	}
	form := page.Form{
		ID: "lost", Lead: page.Text("lost.lead"), Submit: page.Text("lost.submit"),
		Else: &page.Link{Text: page.Text("code.app"), Path: account.CodePath, Parameters: carriedSignIn(r)},
	}
	shown := page.Page{Template: "form", Title: page.Text("lost.title"), Data: form}
	if r.Method != http.MethodPost {
		return e.Pages.Render(w, r, shown)
	}
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	err := e.Passwords.Lockout.Take(r.Context(), ratelimit.Key{Directory: user.Directory, Rule: ratelimit.MailRule(), Name: "of " + user.ID})
	if problem, text := codeProblem(err); problem != nil {
		shown.Data = form.WithError("", text)
		e.Pages.RenderInvalid(w, r, shown, problem, err)
		return nil
	}
	if err != nil {
		return err
	}
	at, err := e.Users.LoseTOTP(r.Context(), user, lostDelay, identity.Self(user.ID))
	if errors.Is(err, identity.ErrUnknownMethod) {
		return page.Redirect(w, r, account.CodePath, carriedSignIn(r)...)
	}
	if err != nil {
		return err
	}
	if err := e.Notifications.NotifyWithLink(r.Context(), r, user, "mail.totp_lost", account.TOTPPath); err != nil {
		return err
	}
	return e.show(w, r, page.Text("lost.sent", at))
}

func (e *Lost) show(w http.ResponseWriter, r *endpoint.Request, what page.Message) error {
	return e.Pages.Render(w, r, page.Page{Template: "message", Title: page.Text("lost.title"), Data: account.MessageData{
		Text: what, Link: &page.Link{Text: page.Text("code.app"), Path: account.CodePath, Parameters: carriedSignIn(r)},
	}})
}
