package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// accountEmail is /account/email, where people name an e-mail address, and /account/email/confirm, where the link in the mail to
// it leads: who follows it has proven the address.
type accountEmail struct{ *account }

const (
	// tokenOfMail is the parameter of a link in a mail.
	tokenOfMail = "proof"

	purposeEmail = "e-mail confirmation"
	emailLife    = 24 * time.Hour
	// maxEmail is the most characters of an address (RFC 5321 §4.5.3.1.3).
	maxEmail = 254
)

// emailProof is what a link to confirm an address holds, sealed. A new epoch of the user makes it worthless.
type emailProof struct {
	User    string `json:"u"`
	Epoch   int64  `json:"e"`
	Address string `json:"a"`
	Ends    int64  `json:"t"`
}

func (e *accountEmail) mount(t *table) {
	if !e.letters.post.offered() {
		return
	}
	e.page(t, "account_email", emailPath, e.serve, http.MethodGet, http.MethodPost)
	e.page(t, "account_email_confirm", emailConfirmPath, e.confirm, http.MethodGet, http.MethodPost)
}

func (e *accountEmail) serve(w http.ResponseWriter, r *call, current *signedIn) error {
	user := current.user
	shown := page{template: "form", title: say("email.title")}
	if r.Method != http.MethodPost {
		shown.data = emailForm(user, user.Email)
		return e.pages.render(w, r, shown)
	}
	form, err := e.pages.forgery.form(r)
	if err != nil {
		return err
	}
	err = e.reauthenticate(r.Request, current, form.Get("current_password"))
	if err == nil {
		err = e.ask(r, user, form.Get("email"))
	}
	if err != nil {
		return e.again(w, r, shown, emailForm(user, form.Get("email")), err)
	}
	return e.pages.render(w, r, page{
		template: "message", title: say("email.sent.title"),
		data: messageData{Text: say("email.sent.text", identity.TrimTyped(form.Get("email"))), Link: backToAccount()},
	})
}

func emailForm(user storage.User, typed string) formData {
	return formData{
		ID: "save", Back: backToAccount(), Lead: say("email.lead"), Submit: say("email.submit"),
		Fields: append([]field{emailField(typed)}, currentPassword(user)...),
	}
}

func emailField(typed string) field {
	return field{Name: "email", Label: say("field.email"), Type: "email", Autocomplete: "email", Value: typed, Limit: maxEmail, Plain: true}
}

// ask sends a link to an address, by which its owner says that it is the user's. So much can be asked for in a while.
func (a *account) ask(r *call, user storage.User, address string) error {
	address, err := identity.ParseEmail(address)
	if err != nil {
		return err
	}
	err = a.passwords.failures.ration(r.Context(),
		throttled{user.Directory, mailRule(), "of " + user.ID}, throttledMail(r.issuer.Directory, "to "+address))
	if err != nil {
		return err
	}
	text, err := json.Marshal(emailProof{user.ID, user.Epoch, address, a.now().Add(emailLife).Unix()})
	if err != nil {
		return err
	}
	sealed, err := a.sealer.seal(r.Context(), r.issuer, purposeEmail, text)
	if err != nil {
		return err
	}
	letter, err := a.letters.letter(r.Context(), r.issuer, a.letters.tongues.choose(r.Request, nil), user, address, "mail.email", mailLink(r, emailConfirmPath).with(sealed))
	if err == nil {
		a.letters.post.send(r.Context(), letter)
	}
	return err
}

// tokenLink is the address of a page that a mail leads to, without the token.
type tokenLink string

func mailLink(r *call, path string) tokenLink {
	link := r.issuer.URL + path + "?"
	if locales := r.URL.Query().Get("ui_locales"); locales != "" {
		link += url.Values{"ui_locales": {locales}}.Encode() + "&"
	}
	return tokenLink(link + tokenOfMail + "=")
}

// proofOf is the token of a mail that a URL holds, as a parameter for the next one.
func proofOf(r *http.Request) []string {
	if token := r.URL.Query().Get(tokenOfMail); token != "" {
		return []string{tokenOfMail, token}
	}
	return nil
}

// with is the address with a token, which is base64url.
func (l tokenLink) with(token string) string { return string(l) + token }

// confirm asks before it confirms: programs that look at mail follow links too.
func (e *accountEmail) confirm(w http.ResponseWriter, r *call, current *signedIn) error {
	user := current.user
	proof, err := e.proof(r)
	if errors.Is(err, errSealed) || err == nil && (proof.User != user.ID || proof.Epoch != user.Epoch) {
		return e.stale(w, r)
	}
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		return e.pages.render(w, r, page{template: "form", title: say("email.confirm.title"), data: formData{
			ID: "confirm", Lead: say("email.confirm.lead", proof.Address, cmp.Or(personView(user).Name, user.ID)), Submit: say("email.confirm.submit"),
			Else: backToAccount(),
		}})
	}
	if _, err := e.pages.forgery.form(r); err != nil {
		return err
	}
	_, err = e.people.SetEmail(r.Context(), user.Directory, user.ID, proof.Address, identity.Self(user.ID))
	if errors.Is(err, identity.ErrTaken) {
		return e.taken(w, r)
	}
	if err != nil {
		return err
	}
	if user.Email != proof.Address {
		if err := e.letters.tell(r.Context(), r.issuer, user, "mail.email_changed"); err != nil {
			return err
		}
	}
	return e.done(w, r, "email")
}

func (e *accountEmail) proof(r *call) (emailProof, error) {
	text, err := e.sealer.open(r.Context(), r.issuer, purposeEmail, r.URL.Query().Get(tokenOfMail))
	if err != nil {
		return emailProof{}, err
	}
	var proof emailProof
	if json.Unmarshal(text, &proof) != nil || storage.IsOver(time.Unix(proof.Ends, 0), emailLife, e.now()) {
		return emailProof{}, errSealed
	}
	return proof, nil
}

func (e *accountEmail) stale(w http.ResponseWriter, r *call) error {
	return e.pages.render(w, r, page{
		template: "message", title: say("link.stale.title"), status: http.StatusBadRequest, failed: true,
		data: messageData{Text: say("email.stale"), Link: backToAccount()},
	})
}

func (e *accountEmail) taken(w http.ResponseWriter, r *call) error {
	return e.pages.render(w, r, page{
		template: "message", title: say("email.taken.title"), status: http.StatusConflict, failed: true,
		data: messageData{Text: say("email.taken"), Link: backToAccount()},
	})
}
