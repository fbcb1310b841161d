package account

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
)

// Email is /account/email, where end-users enter an e-mail address, and /account/email/confirm, the page of the link in the mail.
// Confirmation on that page proves the address.
type Email struct{ *Account }

const (
	purposeEmail = "e-mail confirmation"
	emailLife    = 24 * time.Hour
	// maxEmail is the most characters of an address (RFC 5321 §4.5.3.1.3).
	maxEmail = 254
)

// emailProof is the content of a link that confirms an address. A new epoch of the user invalidates it.
type emailProof struct {
	User    string `json:"u"`
	Epoch   int64  `json:"e"`
	Address string `json:"a"`
	Ends    int64  `json:"t"`
}

// Mount implements endpoint.Endpoint.
func (e *Email) Mount(t *endpoint.RouteTable) {
	if !e.Notifications.Queue.Enabled() {
		return
	}
	e.page(t, "account_email", endpoint.EmailPath, e.serve, http.MethodGet, http.MethodPost)
	e.page(t, "account_email_confirm", endpoint.EmailConfirmPath, e.confirm, http.MethodGet, http.MethodPost)
}

func (e *Email) serve(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user := current.User
	if r.URL.Query().Has(removeParameter) {
		return e.remove(w, r, current)
	}
	return e.serveEdit(w, r, editPage{
		title:  page.Text("email.title"),
		form:   func(values url.Values) page.Form { return emailForm(user, values.Get("email")) },
		stored: url.Values{"email": {user.Email}},
		change: func(values url.Values) error {
			if err := e.reauthenticate(r.Request, current, values.Get("current_password")); err != nil {
				return err
			}
			return e.ConfirmEmail(r, user, values.Get("email"))
		},
		changed: func(values url.Values) error {
			return e.Pages.Render(w, r, page.Page{
				Template: "message", Title: page.Text("email.sent.title"),
				Data: MessageData{Text: page.Text("email.sent.text", identity.TrimTyped(values.Get("email"))), Link: backToAccount()},
			})
		},
	})
}

// removeParameter asks for the removal of an address or the password.
const removeParameter = "remove"

// remove asks whether to remove the address, and removes it.
func (e *Email) remove(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user := current.User
	form := page.Form{
		ID: "remove", Back: backToAccount(), Lead: page.Text("email.remove_lead", user.Email), Submit: page.Text("email.remove"), Fields: currentPassword(user),
	}
	return e.RemoveAddress(w, r, current, AddressRemoval{
		Page: page.Page{Template: "form", Title: page.Text("email.title"), Data: form}, Form: form, Done: "email_removed", Letter: "mail.email_removed",
		Remove: func(how identity.Removal) error { return e.Users.RemoveEmail(r.Context(), user, how) },
	})
}

func emailForm(user storage.User, typed string) page.Form {
	form := page.Form{
		ID: "save", Back: backToAccount(), Lead: page.Text("email.lead"), Submit: page.Text("email.submit"),
		Fields: append([]page.Field{emailField(typed)}, currentPassword(user)...),
	}
	if user.Email != "" {
		form.Else = &page.Link{Text: page.Text("email.remove"), Path: endpoint.EmailPath, Parameters: []string{removeParameter, "1"}}
	}
	return form
}

func emailField(typed string) page.Field {
	return page.Field{Name: "email", Label: page.Text("field.email"), Type: "email", Autocomplete: "email", Value: typed, Limit: maxEmail, Plain: true}
}

// ConfirmEmail sends a link to an address, by which its owner confirms that it is the user's. The number of mails is limited.
func (a *Account) ConfirmEmail(r *endpoint.Request, user storage.User, address string) error {
	address, err := identity.ParseEmail(address)
	if err != nil {
		return err
	}
	err = a.Passwords.Lockout.Take(r.Context(),
		ratelimit.Key{Directory: user.Directory, Rule: ratelimit.MailRule(), Name: "of " + user.ID}, ratelimit.MailAddressKey(r.Issuer.Directory, "to "+address))
	if err != nil {
		return err
	}
	text, err := json.Marshal(emailProof{user.ID, user.Epoch, address, a.Now().Add(emailLife).Unix()})
	if err != nil {
		return err
	}
	sealed, err := a.Sealer.Seal(r.Context(), r.Issuer, purposeEmail, text)
	if err != nil {
		return err
	}
	message, err := a.Notifications.Compose(r.Issuer, a.Notifications.Locales.Choose(r.Request, nil), user, address, "mail.email", mailLink(r, endpoint.EmailConfirmPath).with(sealed))
	if err == nil {
		a.Notifications.Queue.Send(r.Context(), r.ID, message)
	}
	return err
}

// confirm shows a button, which confirms the address: mail scanners follow links too.
func (e *Email) confirm(w http.ResponseWriter, r *endpoint.Request, current *authorize.CurrentSession) error {
	user := current.User
	proof, err := e.proof(r)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) || err == nil && (proof.User != user.ID || proof.Epoch != user.Epoch) {
		return e.stale(w, r)
	}
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		return e.Pages.Render(w, r, page.Page{Template: "form", Title: page.Text("email.confirm.title"), Data: page.Form{
			ID: "confirm", Lead: page.Text("email.confirm.lead", proof.Address, cmp.Or(page.ViewUser(user).Name, user.ID)), Submit: page.Text("email.confirm.submit"),
			Else: backToAccount(),
		}})
	}
	if _, err := e.Pages.CSRF.ReadForm(r); err != nil {
		return err
	}
	_, err = e.Users.SetEmail(r.Context(), user.Directory, user.ID, proof.Address, identity.Self(user.ID))
	if errors.Is(err, identity.ErrTaken) {
		return e.taken(w, r)
	}
	if err != nil {
		return err
	}
	if user.Email != proof.Address {
		if err := e.Notifications.Notify(r.Context(), r, user, "mail.email_changed"); err != nil {
			return err
		}
	}
	return e.RedirectDone(w, r, "email")
}

func (e *Email) proof(r *endpoint.Request) (emailProof, error) {
	text, err := e.Sealer.Open(r.Context(), r.Issuer, purposeEmail, r.URL.Query().Get(tokenOfMail))
	if err != nil {
		return emailProof{}, err
	}
	var proof emailProof
	if json.Unmarshal(text, &proof) != nil || storage.IsOver(time.Unix(proof.Ends, 0), emailLife, e.Now()) {
		return emailProof{}, endpoint.ErrInvalidEnvelope
	}
	return proof, nil
}

func (e *Email) stale(w http.ResponseWriter, r *endpoint.Request) error {
	return e.Pages.Render(w, r, page.Page{
		Template: "message", Title: page.Text("link.stale.title"), Status: http.StatusBadRequest, Failed: true,
		Data: MessageData{Text: page.Text("email.stale"), Link: backToAccount()},
	})
}

func (e *Email) taken(w http.ResponseWriter, r *endpoint.Request) error {
	return e.Pages.Render(w, r, page.Page{
		Template: "message", Title: page.Text("email.taken.title"), Status: http.StatusConflict, Failed: true,
		Data: MessageData{Text: page.Text("email.taken"), Link: backToAccount()},
	})
}
