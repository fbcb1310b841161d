package passkey

import (
	"cmp"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Manage is /account/passkeys, where a user sees, adds and removes passkeys. Only adding needs a script.
type Manage struct {
	*account.Account
	Service *Service
}

const (
	removePath = account.PasskeysPath + "/remove"
	// maxName is the maximum number of characters of a passkey's name.
	maxName = 64
)

// manageData is what the list shows.
type manageData struct {
	Alert    page.Message
	Passkeys []shownPasskey
	// Add is the link to add another one; nil where the browser cannot.
	Add *page.Link
}

// shownPasskey is a passkey of the list. UsedAt and SuspectAt are zero for never, and ValidFrom for a passkey that works.
type shownPasskey struct {
	ID, Name                     string
	CreatedAt, UsedAt, SuspectAt time.Time
	ValidFrom                    time.Time
	BackedUp                     bool
}

// Mount implements endpoint.Endpoint.
func (e *Manage) Mount(t *endpoint.RouteTable) {
	e.Route(t, "account_passkeys", account.PasskeysPath, e.list, http.MethodGet)
	e.FreshRoute(t, "account_passkey_remove", removePath, e.remove, http.MethodPost)
	e.EnrolmentRoute(t, "account_passkey_new", account.NewPasskeyPath, true, e.add)
}

func (e *Manage) list(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	shown, err := e.page(r, current.User, page.Message{})
	if err != nil {
		return err
	}
	return e.Pages.Render(w, r, shown)
}

func (e *Manage) page(r *endpoint.Request, user storage.User, alert page.Message) (page.Page, error) {
	methods, err := e.Users.Methods(r.Context(), user)
	if err != nil {
		return page.Page{}, err
	}
	data := manageData{Alert: alert}
	for _, entry := range methods.Passkeys {
		passkey := entry.Record
		from := passkey.ValidFrom
		if !e.Now().Before(from) {
			from = time.Time{}
		}
		data.Passkeys = append(data.Passkeys, shownPasskey{
			ID: passkey.ID(), Name: passkey.Name, CreatedAt: passkey.CreatedAt, UsedAt: passkey.UsedAt,
			SuspectAt: passkey.SuspectAt, BackedUp: passkey.BackedUp, ValidFrom: from,
		})
	}
	if account.PasskeysWork(r) {
		data.Add = &page.Link{Text: page.Text("passkey.add"), Path: account.NewPasskeyPath}
	}
	return page.Page{Template: "passkeys", Title: page.Text("passkeys.title"), Zoneinfo: user.Profile.Zoneinfo, Data: data}, nil
}

func (e *Manage) remove(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	user := current.User
	return e.RemoveMethod(w, r, user, account.MethodRemoval{
		Remove: func(how identity.Removal) error {
			return e.Users.RemovePasskey(r.Context(), user, form.Get("passkey"), how)
		},
		Absent: account.PasskeysPath,
		Page:   func(alert page.Message) (page.Page, error) { return e.page(r, user, alert) },
		Letter: "mail.passkey_removed", Done: "passkey_removed",
	})
}

// addData is what the page for a new passkey shows.
type addData struct {
	prompt
	Alert page.Message
	Back  *page.Link
	Name  page.Field
}

// add is /account/passkeys/new.
func (e *Manage) add(w http.ResponseWriter, r *endpoint.Request, enrolment *account.Enrolment) error {
	if !account.PasskeysWork(r) {
		return endpoint.NotFound()
	}
	if r.Method != http.MethodPost {
		shown, err := e.addPage(w, r, enrolment, authorize.BrowserLabel(r.UserAgent()), page.Message{})
		if err != nil {
			return err
		}
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	name := cmp.Or(canonicalName(form.Get("name")), authorize.BrowserLabel(r.UserAgent()))
	how, err := e.Service.add(r, enrolment, name, response{form.Get("challenge"), form.Get("credential"), interactionOf(enrolment)})
	if err == nil {
		err = e.notify(r, enrolment)
		if err == nil {
			return e.added(w, r, enrolment, how)
		}
	}
	problem, alert := loginProblem(err)
	if problem == nil {
		return err
	}
	shown, failed := e.addPage(w, r, enrolment, name, alert)
	if failed != nil {
		return failed
	}
	e.Pages.RenderInvalid(w, r, shown, problem, err)
	return nil
}

// notify notifies the user of a new passkey. The mail about a delayed one leads to the page that ends it.
func (e *Manage) notify(r *endpoint.Request, enrolment *account.Enrolment) error {
	if enrolment.From.IsZero() {
		return e.Notifications.Notify(r.Context(), r, enrolment.User, "mail.passkey_added")
	}
	return e.Notifications.NotifyWithLink(r.Context(), r, enrolment.User, "mail.first_passkey", endpoint.ForgotPath)
}

// added shows the account page, or completes the sign-in that missed a factor: the authenticator has just verified the user.
func (e *Manage) added(w http.ResponseWriter, r *endpoint.Request, enrolment *account.Enrolment, how authorize.Authentication) error {
	switch {
	case enrolment.Unfinished == nil && enrolment.From.IsZero():
		return e.RedirectDone(w, r, "passkey")
	case enrolment.Unfinished == nil:
		return e.RedirectDone(w, r, "passkey_delayed")
	case !enrolment.From.IsZero():
		return e.Pages.Render(w, r, page.Page{
			Template: "message", Title: page.Text("passkey.new.title"), Data: account.MessageData{Text: page.Text("done.passkey_delayed")},
		})
	}
	return e.SignIns.Complete(w, r, enrolment.Unfinished.Pending, enrolment.User, how)
}

func (e *Manage) addPage(w http.ResponseWriter, r *endpoint.Request, enrolment *account.Enrolment, name string, alert page.Message) (page.Page, error) {
	asked, err := e.Service.beginAdd(w, r, enrolment.User, interactionOf(enrolment))
	if err != nil {
		return page.Page{}, err
	}
	data := addData{prompt: asked, Alert: alert, Name: page.Field{
		Name: "name", Label: page.Text("field.passkey_name"), Hint: page.Text("field.passkey_name.hint"), Type: "text", Autocomplete: "off", Value: name,
		Limit: maxName, Optional: true,
	}}
	shown := page.Page{Template: "passkey_new", Title: page.Text("passkey.new.title"), Script: page.PasskeyScript}
	switch {
	case enrolment.Unfinished == nil:
		data.Back = &page.Link{Text: page.Text("account.back"), Path: endpoint.AccountPath}
	case enrolment.Unfinished.Pending != nil:
		shown.UILocales = enrolment.Unfinished.Pending.Request.UILocales()
	}
	shown.Data = data
	return shown, nil
}

func interactionOf(enrolment *account.Enrolment) string {
	if enrolment.Unfinished == nil {
		return ""
	}
	return account.InteractionID(enrolment.Unfinished.Pending)
}

// canonicalName returns the name of a passkey without what cannot be displayed, at most maxName characters.
func canonicalName(typed string) string {
	typed = strings.Map(func(letter rune) rune {
		if letter == utf8.RuneError || !unicode.IsPrint(letter) {
			return -1
		}
		return letter
	}, typed)
	if letters := []rune(strings.TrimSpace(typed)); len(letters) > maxName {
		return string(letters[:maxName])
	}
	return strings.TrimSpace(typed)
}
