package onetimecode

import (
	"errors"
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
)

// Phone is /account/phone, where a user adds, replaces or removes a phone number. A code proves the number; it is then proven here,
// because no backend of a client can start the session.
type Phone struct{ *Service }

// choiceRemove removes the number.
const choiceRemove = "remove"

// Mount implements endpoint.Endpoint.
func (e *Phone) Mount(t *endpoint.RouteTable) {
	e.MountPage(t, "account_phone", account.PhonePath, e.serve, http.MethodGet, http.MethodPost)
}

func (e *Phone) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	by, user := phone(), current.User
	if !e.works(r, by) && user.Phone == "" {
		return endpoint.NotFound()
	}
	visit := &phoneVisit{e, by, current}
	if r.URL.Query().Has(choiceRemove) {
		return visit.remove(w, r)
	}
	if !r.URL.Query().Has(sentParameter) {
		return visit.number(w, r)
	}
	ticket, err := e.open(r, by, scopeOf(current), r.URL.Query().Get(sentParameter))
	if errors.Is(err, endpoint.ErrInvalidEnvelope) {
		return page.Redirect(w, r, by.account)
	}
	if err != nil {
		return err
	}
	return visit.code(w, r, ticket)
}

// scopeOf is the scope of the codes of a session.
func scopeOf(current *authorize.CurrentSession) string { return "session " + current.Record.ID }

// phoneVisit is a request of a signed-in user to the pages of the number.
type phoneVisit struct {
	*Phone
	by      channel
	current *authorize.CurrentSession
}

func (v *phoneVisit) page(title string, form page.Form) page.Page {
	return page.Page{Template: "form", Title: v.by.text(title), Data: form}
}

// number asks for the number, and sends a code to it.
func (v *phoneVisit) number(w http.ResponseWriter, r *endpoint.Request) error {
	user := v.current.User
	form := func(typed string) page.Form {
		form := page.Form{
			ID: "send", Back: account.BackToAccount(), Lead: v.by.text("account_lead"), Submit: v.by.text("send"),
			Fields: append([]page.Field{v.by.addressField(typed)}, account.CurrentPassword(user)...),
		}
		if user.Phone != "" {
			form.Else = &page.Link{Text: v.by.text("remove"), Path: v.by.account, Parameters: []string{choiceRemove, "1"}}
		}
		return form
	}
	if r.Method != http.MethodPost {
		return v.Pages.Render(w, r, v.page("account_title", form(v.SuggestedPhone(r, user))))
	}
	submitted, err := v.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	typed := submitted.Get(v.by.field)
	envelope, err := v.ask(w, r, typed, submitted.Get("current_password"))
	if problem, member, text := v.by.addressProblem(err); problem != nil {
		v.Pages.RenderInvalid(w, r, v.page("account_title", form(typed).WithError(member, text)), problem, err)
		return nil
	}
	if err != nil {
		return v.ShowError(w, r, v.page("account_title", form(typed)), form(typed), err)
	}
	return page.Redirect(w, r, v.by.account, sentParameter, envelope)
}

func (v *phoneVisit) ask(w http.ResponseWriter, r *endpoint.Request, typed, password string) (envelope string, err error) {
	number, err := v.by.parse(r.Issuer.Directory, typed)
	if err != nil {
		return "", err
	}
	if err := v.ReauthenticateSelf(r.Request, v.current, password); err != nil {
		return "", err
	}
	browser, err := v.Pages.CSRF.Browsers.Ensure(w, r)
	if err != nil {
		return "", err
	}
	return v.begin(r, order{by: v.by, address: number, scope: scopeOf(v.current), browser: browser, own: &v.current.User})
}

// code asks for the code, and stores the number.
func (v *phoneVisit) code(w http.ResponseWriter, r *endpoint.Request, ticket sent) error {
	form := page.Form{
		ID: "verify", Back: account.BackToAccount(), Lead: v.by.text("sent", ticket.Address), Submit: page.Text("code.submit"), Fields: []page.Field{codeField()},
		Else: &page.Link{Text: page.Text("onetime.again"), Path: v.by.account},
	}
	if r.Method != http.MethodPost {
		return v.Pages.Render(w, r, v.page("code_title", form))
	}
	submitted, err := v.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	err = v.store(r, ticket, submitted.Get("code"))
	if errors.Is(err, errUsed) {
		return page.Redirect(w, r, endpoint.AccountPath)
	}
	if problem, member, text := codeProblem(v.by, err); problem != nil {
		v.Pages.RenderInvalid(w, r, v.page("code_title", form.WithError(member, text)), problem, err)
		return nil
	}
	if err != nil {
		return err
	}
	return v.RedirectDone(w, r, "phone")
}

// store stores a number that the code proves.
func (v *phoneVisit) store(r *endpoint.Request, ticket sent, typed string) error {
	if v.current.Record.BackendInitiated {
		return endpoint.ErrInvalidEnvelope
	}
	if _, err := v.verify(r, v.by, ticket, typed); err != nil {
		return err
	}
	user := v.current.User
	if _, err := v.Users.ProvePhone(r.Context(), user.Directory, user.ID, ticket.Address, identity.Self(user.ID)); err != nil {
		return err
	}
	return v.Notifications.Notify(r.Context(), r, user, "mail.phone_changed")
}

// remove asks whether to remove the number, and removes it.
func (v *phoneVisit) remove(w http.ResponseWriter, r *endpoint.Request) error {
	user := v.current.User
	form := page.Form{
		ID: "remove", Back: account.BackToAccount(), Lead: v.by.text("remove_lead", user.Phone), Submit: v.by.text("remove"), Fields: account.CurrentPassword(user),
	}
	return v.RemoveAddress(w, r, v.current, account.AddressRemoval{
		Page: v.page("account_title", form), Form: form, Done: "phone_removed", Letter: "mail.phone_changed",
		Remove: func(how identity.Removal) error { return v.Users.RemovePhone(r.Context(), user, how) },
	})
}
