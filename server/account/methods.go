package account

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// The pages of the sign-in methods, which packages under server/method serve.
const (
	// PasskeyLoginPath is the page that signs in with a passkey.
	PasskeyLoginPath = authorize.LoginPath + "/passkey"
	// PasskeysPath lists the passkeys of a user. NewPasskeyPath adds one.
	PasskeysPath   = endpoint.AccountPath + "/passkeys"
	NewPasskeyPath = PasskeysPath + "/new"
	// TOTPPath shows the authenticator app of a user. NewTOTPPath adds or replaces it.
	TOTPPath    = endpoint.AccountPath + "/totp"
	NewTOTPPath = TOTPPath + "/new"
	// PhonePath is the page of the phone number of a user.
	PhonePath = endpoint.AccountPath + "/phone"
)

// PasskeysWork reports whether the browser of r can use passkeys of its issuer. WebAuthn needs a host name (Web Authentication
// §5.1.2), and the browser in WeChat does not have it.
func PasskeysWork(r *endpoint.Request) bool {
	u, err := url.Parse(r.Issuer.URL)
	if err != nil || strings.Contains(r.UserAgent(), "MicroMessenger") {
		return false
	}
	_, notAddress := netip.ParseAddr(u.Hostname())
	return notAddress != nil
}

// Method is a sign-in method that a user has set up. Type is password, passkey or totp.
type Method struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Name      string    `json:"name,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UsedAt    time.Time `json:"used_at,omitzero"`
}

// The types of methods, which are also the IDs of a password and an authenticator app.
const (
	TypePassword = "password"
	TypePasskey  = "passkey"
	TypeTOTP     = "totp"
)

// MethodsOf returns the methods that a user has set up.
func (a *Account) MethodsOf(r *endpoint.Request, user storage.User) ([]Method, error) {
	shown := []Method{}
	if user.Password != "" {
		shown = append(shown, Method{ID: TypePassword, Type: TypePassword, CreatedAt: user.PasswordChangedAt})
	}
	methods, err := a.Users.Methods(r.Context(), user)
	if err != nil {
		return nil, err
	}
	for _, entry := range methods.Passkeys {
		passkey := entry.Record
		shown = append(shown, Method{ID: passkey.ID(), Type: TypePasskey, Name: passkey.Name, CreatedAt: passkey.CreatedAt, UsedAt: passkey.UsedAt})
	}
	if methods.TOTP != nil {
		shown = append(shown, Method{ID: TypeTOTP, Type: TypeTOTP, CreatedAt: methods.TOTP.Record.CreatedAt, UsedAt: methods.TOTP.Record.UsedAt})
	}
	return shown, nil
}

// MethodPages returns the pages on which a user adds or changes methods, by the type of the method. What proves a method, such as a
// passkey, is for this issuer's own pages: the client of an app never sees it.
func (*Account) MethodPages(r *endpoint.Request, user storage.User) map[string]string {
	pages := map[string]string{TypePassword: r.Issuer.URL + passwordPath}
	if user.Username == "" && user.Email == "" {
		pages[TypePassword] = r.Issuer.URL + usernamePath // A password needs a username.
	}
	if r.Issuer.Directory.TwoFactor() != storage.TwoFactorOff {
		pages[TypePasskey], pages[TypeTOTP] = r.Issuer.URL+PasskeysPath, r.Issuer.URL+TOTPPath
	}
	return pages
}

// RemoveMethodOf removes the password, a passkey or the authenticator app of a user, by its ID, and notifies the user. It returns the errors of package
// identity.
func (a *Account) RemoveMethodOf(r *endpoint.Request, user storage.User, id string) error {
	letter, err := "mail.passkey_removed", error(nil)
	switch id {
	case TypePassword:
		letter, err = "mail.password_removed", a.Users.RemovePassword(r.Context(), user, a.removal(r, user))
	case TypeTOTP:
		letter, err = "mail.totp_removed", a.Users.RemoveTOTP(r.Context(), user, a.removal(r, user))
	default:
		err = a.Users.RemovePasskey(r.Context(), user, id, a.removal(r, user))
	}
	if err != nil {
		return err
	}
	return a.Notifications.Notify(r.Context(), r, user, letter)
}

// methodRows are the rows of the account page about passkeys and the authenticator app.
func methodRows(r *endpoint.Request, methods identity.Methods) []accountRow {
	passkeys := accountRow{Label: page.Text("field.passkeys"), Note: page.Text("account.none"), Edit: changeLink(false, NewPasskeyPath, "passkey")}
	if len(methods.Passkeys) > 0 {
		passkeys.Note, passkeys.Edit = page.Text("account.passkeys", len(methods.Passkeys)), changeLink(true, PasskeysPath, "passkey")
	}
	if !PasskeysWork(r) {
		passkeys.Edit = nil
	}
	totp := accountRow{Label: page.Text("field.totp"), Note: page.Text("account.none"), Edit: changeLink(false, NewTOTPPath, "totp")}
	if methods.TOTP != nil {
		totp.Note, totp.Edit = page.Text("account.totp.since", methods.TOTP.Record.CreatedAt), changeLink(true, TOTPPath, "totp")
	}
	return []accountRow{passkeys, totp}
}

// MethodRemoval is what the pages of passkeys and of the authenticator app differ in when the user removes a method.
type MethodRemoval struct {
	// Remove removes the method. Its errors are those of package identity.
	Remove func(identity.Removal) error
	// Absent is the path of the page for a method that the user does not have.
	Absent string
	// Page is the page of the method with an alert.
	Page func(alert page.Message) (page.Page, error)
	// Letter is the name of the text of the notification, and Done that of the text on the account page.
	Letter, Done string
}

// RemoveMethod removes a sign-in method of the user, and notifies the user. The last way to sign in remains.
func (a *Account) RemoveMethod(w http.ResponseWriter, r *endpoint.Request, user storage.User, removal MethodRemoval) error {
	err := removal.Remove(a.removal(r, user))
	switch {
	case errors.Is(err, identity.ErrUnknownMethod):
		return page.Redirect(w, r, removal.Absent)
	case errors.Is(err, identity.ErrLastMethod):
		shown, failed := removal.Page(page.Text("method.last"))
		if failed != nil {
			return failed
		}
		a.Pages.RenderInvalid(w, r, shown, LastMethod(), err)
		return nil
	case err != nil:
		return err
	}
	if err := a.Notifications.Notify(r.Context(), r, user, removal.Letter); err != nil {
		return err
	}
	return a.RedirectDone(w, r, removal.Done)
}

// removal is how a user removes a way to sign in, with the ways that remain possible in the directory.
func (a *Account) removal(r *endpoint.Request, user storage.User) identity.Removal {
	return identity.Removal{
		Actor: identity.Self(user.ID), Directory: r.Issuer.Directory,
		// A forgotten password is reset by mail.
		ByMail: a.Notifications.Queue.Enabled() && r.Issuer.Directory.HasSignInMethod(storage.SignInPassword),
	}
}

// LastMethod is the error for the removal of the last way to sign in.
func LastMethod() *grants.Error {
	problem := endpoint.NewErrorStatus(fosite.ErrInvalidRequest, http.StatusConflict, "This is the last way to sign in. Add another one first.")
	problem.Reason = reasonLastMethod
	return problem
}

// reasonLastMethod is the reason for the removal of the last way to sign in.
const reasonLastMethod = "last_method"
