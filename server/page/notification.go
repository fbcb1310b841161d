package page

import (
	"context"
	"strings"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/mail"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Notifications sends mail to users, in their language or that of the browser.
type Notifications struct {
	Queue   *mail.Queue
	Locales *Locales
}

// Notify sends a mail about a change of the account to the user's verified address. key names the text.
func (l Notifications) Notify(ctx context.Context, r *endpoint.Request, user storage.User, key string) error {
	return l.NotifyWithLink(ctx, r, user, key, endpoint.AccountPath)
}

// CanNotify reports whether a user can be notified by mail.
func (l Notifications) CanNotify(user storage.User) bool {
	return user.EmailVerified && l.Queue.Enabled()
}

// NotifyWithLink is Notify with a link to another page of the issuer.
func (l Notifications) NotifyWithLink(ctx context.Context, r *endpoint.Request, user storage.User, key, path string) error {
	if !user.EmailVerified {
		return nil
	}
	message, err := l.Compose(r.Issuer, l.Locales.of(user.Profile.Locale), user, user.Email, key, r.Issuer.URL+path)
	if err == nil {
		l.Queue.Send(ctx, r.ID, message)
	}
	return err
}

// NotifySignIn sends a mail about a new sign-in, with the browser, the way to the operator and a link to a page of the issuer. key names
// the text.
func (l Notifications) NotifySignIn(ctx context.Context, r *endpoint.Request, user storage.User, key, browser, path string) error {
	if !l.CanNotify(user) {
		return nil
	}
	locale := l.Locales.of(user.Profile.Locale)
	if browser == "" {
		unknown, err := locale.Text("mail.browser_unknown")
		if err != nil {
			return err
		}
		browser = unknown
	}
	support := r.Issuer.Directory.Branding.SupportURL
	if support != "" {
		support = " (" + support + ")"
	}
	message, err := l.Compose(r.Issuer, locale, user, user.Email, key, r.Issuer.URL+path, browser, support)
	if err == nil {
		l.Queue.Send(ctx, r.ID, message)
	}
	return err
}

// Compose returns a message of the directory about a user's account, with a link.
// The text has the directory, the user and the link as its first parameters, and then the further ones.
func (l Notifications) Compose(issuer *oauth2.Issuer, locale *Locale, user storage.User, to, key, link string, further ...any) (mail.Message, error) {
	name := ViewUser(user).Name
	subject, err := locale.Text(key+".subject", issuer.Directory.Name)
	if err != nil {
		return mail.Message{}, err
	}
	text, err := locale.Text(key+".text", append([]any{issuer.Directory.Name, name, link}, further...)...)
	return mail.Message{To: to, Subject: strings.Join(strings.Fields(subject), " "), Text: text}, err
}
