package account

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/mail"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Reset is /account/forgot, where end-users request a new password, and /account/reset, the page of the link in the mail. The first
// responds in the same way and time to an unknown address.
type Reset struct{ *Account }

const (
	resetPath = endpoint.AccountPath + "/reset"

	purposeReset = "password reset"
	resetLife    = 30 * time.Minute
)

// resetProof is the sealed content of the link in a mail. A change of the password or of the epoch invalidates it. Its use changes
// both, so that it works once and nothing has to be stored.
type resetProof struct {
	sealedUser

	Ends int64 `json:"t"`
}

// Mount implements endpoint.Endpoint.
func (e *Reset) Mount(t *endpoint.RouteTable) {
	if !e.Notifications.Queue.Enabled() {
		return
	}
	for path, serve := range map[string]func(http.ResponseWriter, *endpoint.Request) error{endpoint.ForgotPath: e.forgot, resetPath: e.reset} {
		t.Handle(endpoint.Route{
			Name: "account_" + strings.TrimPrefix(path, endpoint.AccountPath+"/"), Path: path,
			Methods: []string{http.MethodGet, http.MethodPost}, Serve: serve, ErrorWriter: e.Pages.WriteError,
		})
	}
}

func (e *Reset) forgot(w http.ResponseWriter, r *endpoint.Request) error {
	shown := page.Page{Template: "form", Title: page.Text("forgot.title")}
	if r.Method != http.MethodPost {
		shown.Data = forgotForm("")
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	if err := e.request(r, form.Get("email")); err != nil {
		return e.showError(w, r, shown, forgotForm(form.Get("email")), err)
	}
	return e.Pages.Render(w, r, page.Page{
		Template: "message", Title: page.Text("forgot.sent.title"),
		Data: MessageData{
			Text: page.Text("forgot.sent.text"), More: []page.Message{page.Text("forgot.sent.spam"), page.Text("forgot.sent.other")},
			Link: &page.Link{Text: page.Text("forgot.back"), Path: authorize.LoginPath},
		},
	})
}

func forgotForm(typed string) page.Form {
	return page.Form{
		ID: "send", Lead: page.Text("forgot.lead"), Submit: page.Text("forgot.submit"), Fields: []page.Field{emailField(typed)},
		Else: &page.Link{Text: page.Text("forgot.back"), Path: authorize.LoginPath},
	}
}

// request sends the link to the owner of an address. Work that depends on the owner happens after the response.
func (e *Reset) request(r *endpoint.Request, address string) error {
	address, err := identity.ParseEmail(address)
	if err != nil {
		return err
	}
	directory, remote := r.Issuer.Directory, r.ClientIP
	err = e.Passwords.Lockout.Take(r.Context(),
		ratelimit.Key{Directory: directory.ID, Rule: ratelimit.MailRule(), Name: directory.Within("reset of " + address + " from " + ratelimit.Network(remote))},
		ratelimit.MailAddressKey(directory, "reset of "+address), ratelimit.AddressKey(directory.ID, ratelimit.AddressRule(), remote))
	if err != nil {
		return err
	}
	locale, link := e.Notifications.Locales.Choose(r.Request, nil), mailLink(r, resetPath)
	e.Notifications.Queue.SendLater(r.Context(), r.ID, func(ctx context.Context) (mail.Message, error) {
		return e.resetMessage(ctx, r.Issuer, locale, directory.ID, address, link)
	})
	return nil
}

// resetMessage is the mail with the link; it has no recipient if the address is unknown.
func (e *Reset) resetMessage(ctx context.Context, issuer *oauth2.Issuer, locale *page.Locale, directory, address string, link tokenLink) (mail.Message, error) {
	user, err := e.owner(ctx, directory, address)
	if errors.Is(err, identity.ErrUnknownUser) || err == nil && user.Status != storage.UserActive {
		return mail.Message{}, nil
	}
	if err != nil {
		return mail.Message{}, err
	}
	text, err := json.Marshal(resetProof{sealUser(user), e.Now().Add(resetLife).Unix()})
	if err != nil {
		return mail.Message{}, err
	}
	sealed, err := e.Sealer.Seal(ctx, issuer, purposeReset, text)
	if err != nil {
		return mail.Message{}, err
	}
	return e.Notifications.Compose(issuer, locale, user, address, "mail.reset", link.with(sealed))
}

// owner returns the user who has proven an address.
func (e *Reset) owner(ctx context.Context, directory, address string) (storage.User, error) {
	link, err := storage.Get[storage.Identity](ctx, e.Engine, storage.IdentityKey(directory, storage.IdentityEmail, "", address))
	if errors.Is(err, storage.ErrNotFound) {
		return storage.User{}, identity.ErrUnknownUser
	}
	if err != nil {
		return storage.User{}, err
	}
	user, err := e.Users.User(ctx, directory, link.Record.User)
	if err != nil {
		return storage.User{}, err
	}
	if user.Record.Email != address || !user.Record.EmailVerified {
		return storage.User{}, identity.ErrUnknownUser
	}
	return user.Record, nil
}

func (e *Reset) reset(w http.ResponseWriter, r *endpoint.Request) error {
	user, err := e.proven(r)
	if errors.Is(err, endpoint.ErrInvalidEnvelope) || errors.Is(err, identity.ErrUnknownUser) {
		return e.stale(w, r)
	}
	if err != nil {
		return err
	}
	shown := page.Page{Template: "form", Title: page.Text("reset.title")}
	if r.Method != http.MethodPost {
		shown.Data = resetForm(user)
		return e.Pages.Render(w, r, shown)
	}
	form, err := e.Pages.CSRF.ReadForm(r)
	if err != nil {
		return err
	}
	changed, err := e.Users.ReplacePassword(r.Context(), user, form.Get("new_password"), identity.Self(user.ID))
	if errors.Is(err, identity.ErrChanged) {
		return e.stale(w, r)
	}
	if err != nil {
		return e.showError(w, r, shown, resetForm(user), err)
	}
	if err := e.Users.DropDelayedPasskeys(r.Context(), changed.Record, identity.Self(user.ID)); err != nil {
		return err
	}
	if err := e.Notifications.Notify(r.Context(), r, changed.Record, "mail.password"); err != nil {
		return err
	}
	// Guesses by others must not lock out the owner.
	if _, err := e.Passwords.Devices.rememberUser(w, r, changed.Record.ID); err != nil {
		return err
	}
	return e.Pages.Render(w, r, page.Page{
		Template: "message", Title: page.Text("reset.done.title"),
		Data: MessageData{Text: page.Text("reset.done.text"), Link: &page.Link{Text: page.Text("reset.done.login"), Path: authorize.LoginPath}},
	})
}

// proven returns the user that a mail's link proves, or endpoint.ErrInvalidEnvelope for a link that is used, expired or not ours.
func (e *Reset) proven(r *endpoint.Request) (storage.User, error) {
	text, err := e.Sealer.Open(r.Context(), r.Issuer, purposeReset, r.URL.Query().Get(tokenOfMail))
	if err != nil {
		return storage.User{}, err
	}
	var proof resetProof
	if json.Unmarshal(text, &proof) != nil || storage.IsOver(time.Unix(proof.Ends, 0), resetLife, e.Now()) {
		return storage.User{}, endpoint.ErrInvalidEnvelope
	}
	user, err := e.Users.User(r.Context(), r.Issuer.Directory.ID, proof.User)
	if err != nil {
		return storage.User{}, err
	}
	seen := user.Record
	if seen.Status != storage.UserActive || sealUser(seen) != proof.sealedUser {
		return storage.User{}, endpoint.ErrInvalidEnvelope
	}
	return seen, nil
}

// resetForm contains the username, so that a password manager stores the new password with it.
func resetForm(user storage.User) page.Form {
	return page.Form{
		ID: "save", Lead: page.Text("reset.lead"), Submit: page.Text("reset.submit"), Account: user.Username,
		Fields: []page.Field{page.NewPasswordField()},
	}
}

func (e *Reset) stale(w http.ResponseWriter, r *endpoint.Request) error {
	return e.Pages.Render(w, r, page.Page{
		Template: "message", Title: page.Text("link.stale.title"), Status: http.StatusBadRequest, Failed: true,
		Data: MessageData{Text: page.Text("reset.stale"), Link: &page.Link{Text: page.Text("forgot.title"), Path: endpoint.ForgotPath}},
	})
}
