package wechatweb

import (
	"errors"
	"net/http"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/account"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// unknownForm is the page for a WeChat user without an account, at a connection with the policy bind.
type unknownForm struct {
	State    string
	Client   string
	Alert    page.Message
	Fields   []page.Field
	Register bool
}

// unknownPath is where the form of the page is sent.
const unknownPath = authorize.LoginPath + "/wechat"

// The choices of the page.
const (
	choiceRegister = "register"
	choiceLink     = "link"
)

// askUnknown asks a WeChat user for an account: an existing one with its password, or a new one where people may register.
func (e *Callback) askUnknown(w http.ResponseWriter, r *endpoint.Request, v *visit, form unknownForm) error {
	return e.Pages.Render(w, r, e.unknownPage(r, v, form))
}

func (e *Callback) unknownPage(r *endpoint.Request, v *visit, form unknownForm) page.Page {
	directory := r.Issuer.Directory
	form.State, form.Register = v.state, directory.Policy.SelfRegistration
	if directory.HasSignInMethod(storage.SignInPassword) {
		form.Fields = account.PasswordFields("")
	}
	shown := page.Page{Template: "wechat_unknown", Title: page.Text("wechat_unknown.title")}
	if v.pending != nil {
		form.Client, shown.UILocales = endpoint.ClientName(v.pending.Request.Client.Record()), v.pending.Request.UILocales()
	}
	shown.Data = form
	return shown
}

// decide handles the form of the page.
func (e *Callback) decide(w http.ResponseWriter, r *endpoint.Request) error {
	if r.Method != http.MethodPost { // A reload, or another language.
		return page.Redirect(w, r, authorize.LoginPath)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	v, err := e.visit(r, form.Get("state"))
	if err != nil {
		return e.showFailure(w, r, err)
	}
	if v.entry.Record.User != "" && e.Now().Before(v.entry.Record.ClaimedAt.Add(repeatWindow)) { // The button was pressed twice.
		return e.respond(w, r, v, v.entry.Record)
	}
	pending := v.entry.Record.Pending
	if pending == nil || v.entry.Record.JoinTo != "" {
		return e.showFailure(w, r, newFailure(reasonOver, errState))
	}
	login := v.login(*pending)
	switch directory := r.Issuer.Directory; {
	case form.Get("choice") == choiceRegister && directory.Policy.SelfRegistration:
		return e.register(w, r, v, login)
	case form.Get("choice") == choiceLink && directory.HasSignInMethod(storage.SignInPassword):
		return e.link(w, r, v, login, form.Get("username"), form.Get("password"))
	default:
		return endpoint.NotFound()
	}
}

// register creates a user, and signs the user in.
func (e *Callback) register(w http.ResponseWriter, r *endpoint.Request, v *visit, login identity.Login) error {
	resolution, err := e.Users.Resolve(r.Context(), login, true)
	if err != nil {
		return e.showFailure(w, r, err)
	}
	user := resolution.User.Record
	result, err := e.storeUser(r, v, v.entry.Record, user)
	if err != nil {
		return err
	}
	return e.respond(w, r, v, result)
}

// storeUser stores the user of a WeChat user who was unknown, so that a repeated request has the same result.
func (e *Callback) storeUser(r *endpoint.Request, v *visit, result storage.WebLogin, user storage.User) (storage.WebLogin, error) {
	result.User, result.UserEpoch, result.AuthTime, result.Pending = user.ID, user.Epoch, result.Pending.ProvenAt, nil
	result.ClaimedAt = storage.Instant(e.Now())
	entry, err := storage.Get[storage.WebLogin](r.Context(), e.Engine, v.entry.Record.Document().ID)
	if err == nil {
		_, err = entry.Replace(r.Context(), e.Engine, result)
	}
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	return result, err
}

// link signs a user in by the password, and links the WeChat user to the account when all factors are proven.
func (e *Callback) link(w http.ResponseWriter, r *endpoint.Request, v *visit, login identity.Login, name, password string) error {
	user, err := account.SignedIn(e.Passwords.SignIn(r, name, password))
	if err == nil {
		err = e.SignIns.CompleteLinking(w, r, v.pending, user, account.PasswordAuthentication(e.Now()), login)
	}
	if err == nil {
		return nil
	}
	problem, alert := account.SignInProblem(err)
	if problem == nil {
		return e.showFailure(w, r, err)
	}
	e.Pages.RenderInvalid(w, r, e.unknownPage(r, v, unknownForm{Alert: alert}), problem, err)
	return nil
}
