package page

import (
	"context"
	"errors"
	"strings"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/mail"
	"github.com/minifed/minifed/server/ratelimit"
	"github.com/minifed/minifed/server/sms"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// Notifications notifies users, in their language or that of the browser: by mail, or by SMS where they have only a phone number.
type Notifications struct {
	Queue   *mail.Queue
	Locales *Locales
	SMS     *sms.Sender
	Lockout *ratelimit.Lockout
}

// Notify notifies a user of a change of the account. key names the text.
func (l Notifications) Notify(ctx context.Context, r *endpoint.Request, user storage.User, key string) error {
	return l.NotifyWithLink(ctx, r, user, key, endpoint.AccountPath)
}

// CanNotify reports whether a user can be notified.
func (l Notifications) CanNotify(issuer *oauth2.Issuer, user storage.User) bool {
	return l.CanMail(user) || canPhone(issuer, user)
}

// CanMail reports whether a user can be notified by mail.
func (l Notifications) CanMail(user storage.User) bool {
	return user.EmailVerified && l.Queue.Enabled()
}

// canPhone reports whether a user can be notified by SMS. The number may be one that WeChat verified, or an old one: a notice has no
// name and no link.
func canPhone(issuer *oauth2.Issuer, user storage.User) bool {
	directory := issuer.Directory
	return user.Phone != "" && !user.PhoneVerifiedAt.IsZero() && directory.SMS.SendsNotices() && directory.SMS.Allows(user.Phone)
}

// NotifyWithLink is Notify with a link to another page of the issuer, for a mail.
func (l Notifications) NotifyWithLink(ctx context.Context, r *endpoint.Request, user storage.User, key, path string) error {
	if !l.CanMail(user) {
		return l.notifyPhone(ctx, r, user, key)
	}
	message, err := l.Compose(r.Issuer, l.Locales.of(user.Profile.Locale), user, user.Email, key, r.Issuer.URL+path)
	if err == nil {
		l.Queue.Send(ctx, r.ID, message)
	}
	return err
}

// errNoticeLimit means that a limit of the notices by SMS is reached.
var errNoticeLimit = errors.New("page: a limit is reached, and the notice was not sent by SMS: see --sms-daily-limit for that of the directory")

// notifyPhone sends a notice to the phone of a user: what has changed. Each SMS costs money, so that they are limited by user and by
// directory.
func (l Notifications) notifyPhone(ctx context.Context, r *endpoint.Request, user storage.User, key string) error {
	if !canPhone(r.Issuer, user) {
		return nil
	}
	directory, locale := r.Issuer.Directory, l.Locales.of(user.Profile.Locale)
	change, err := locale.Text("sms." + strings.TrimPrefix(key, "mail."))
	if err != nil {
		return err
	}
	l.Queue.Do(ctx, r.ID, "notice", func(ctx context.Context) error {
		for _, limit := range []ratelimit.Key{ratelimit.NoticeKey(user), ratelimit.CodeDirectoryKey(directory, storage.SignInPhoneCode)} {
			free, err := l.Lockout.IsFree(ctx, limit)
			if err == nil && !free {
				err = errNoticeLimit
			}
			if err != nil {
				return err
			}
		}
		return l.SMS.SendFor(ctx, directory, sms.Message{To: user.Phone, Change: change, Chinese: locale.Tag != localeEnglish})
	})
	return nil
}

// NotifySignIn notifies a user of a new sign-in. A mail has the browser, the way to the operator and a link to a page of the issuer.
// key names the text.
func (l Notifications) NotifySignIn(ctx context.Context, r *endpoint.Request, user storage.User, key, browser, path string) error {
	if !l.CanMail(user) {
		return l.notifyPhone(ctx, r, user, key)
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
