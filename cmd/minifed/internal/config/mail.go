package config

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/minifed/minifed/identity"
	servermail "github.com/minifed/minifed/server/mail"
	"github.com/minifed/minifed/storage"
)

// The values of mail.sender.
const (
	senderNone    = "none"
	SenderLog     = "log"
	SenderSMTP    = "smtp"
	SenderWebhook = "webhook"
)

// minWebhookSecret is the minimum length of the secret of a webhook, in bytes, so that it cannot be guessed.
const minWebhookSecret = 16

// maxWebhookURL is the maximum length of the URL of the audit's receiver, which is that of the client that calls it.
const maxWebhookURL = 1024

// Mailer returns the mailer of the configured sender; nil for none. The sender log writes to log.
func (c Mail) Mailer(now func() time.Time, log io.Writer) servermail.Mailer {
	switch c.Sender {
	case SenderLog:
		return servermail.Writer{Writer: log}
	case SenderSMTP:
		return c.SMTPMailer(now)
	case SenderWebhook:
		return c.WebhookMailer(now)
	default:
		return nil
	}
}

// SMTPMailer returns the mailer of the sender smtp.
func (c Mail) SMTPMailer(now func() time.Time) servermail.SMTP {
	return servermail.SMTP{
		Address: c.SMTP.Address, From: c.From, Username: c.SMTP.Username, Password: string(c.SMTP.Password), Now: now,
	}
}

// WebhookMailer returns the mailer of the sender webhook.
func (c Mail) WebhookMailer(now func() time.Time) servermail.Webhook {
	return servermail.Webhook{
		URL: c.Webhook.URL, From: c.From, Secret: []byte(c.Webhook.Secret), Now: now,
		Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// checkMail checks the settings of the sender that is chosen. The settings of the other senders are ignored.
func (r *reader) checkMail() {
	c := r.config.Mail
	r.checkOneOf("mail.sender", c.Sender, senderNone, SenderLog, SenderSMTP, SenderWebhook)
	if c.From != "" && checkSender(c.From) != nil {
		r.complain("mail.from", "must.be_sender")
	}
	switch c.Sender {
	case SenderLog:
		if !r.config.Loopback() {
			r.complain("mail.sender", "mail.log_exposed", r.config.PublicURL)
		}
	case SenderSMTP:
		r.checkSMTP()
	case SenderWebhook:
		r.checkWebhook()
	}
}

func (r *reader) checkSMTP() {
	c := r.config.Mail
	if c.From == "" {
		r.complain("mail.from", "must.name_sender")
	}
	if host, port, err := net.SplitHostPort(c.SMTP.Address); err != nil || host == "" || port == "" {
		r.complain("mail.smtp.address", "must.be_mail_server")
	}
	switch {
	case c.SMTP.Username != "" && c.SMTP.Password == "" && c.SMTP.PasswordFile == "":
		r.complain("mail.smtp.password_file", "mail.password_missing", VariableOf("mail.smtp.password"))
	case c.SMTP.Username == "" && c.SMTP.Password != "":
		r.complain("mail.smtp.username", "mail.username_missing")
	}
}

func (r *reader) checkWebhook() {
	c := r.config.Mail.Webhook
	parsed, err := url.Parse(c.URL)
	switch {
	case !isWebhook(parsed, err):
		r.complain("mail.webhook.url", "must.be_webhook")
	case parsed.Scheme != "https" && (parsed.Scheme != "http" || !storage.IsLoopback(parsed.Hostname())):
		r.complain("mail.webhook.url", "mail.webhook_plain_http")
	}
	r.checkWebhookSecret("mail.webhook.secret", c.SecretFile, c.Secret)
}

func isWebhook(parsed *url.URL, err error) bool {
	return err == nil && parsed.Host != "" && parsed.User == nil && parsed.Fragment == ""
}

// checkWebhookSecret rejects a secret that can be guessed.
func (r *reader) checkWebhookSecret(path, file string, secret Secret) {
	unread := file != "" && secret == "" // That was reported.
	if len(secret) < minWebhookSecret && !unread {
		r.complain(path+"_file", "mail.webhook_secret", minWebhookSecret, VariableOf(path))
	}
}

// checkAuditWebhook checks the receiver of the audit, if there is one.
func (r *reader) checkAuditWebhook() {
	c := r.config.Audit.Webhook
	r.checkOneOf("audit.webhook.fetch", c.Fetch, fetchPublic, FetchAny)
	if c.URL == "" {
		return
	}
	parsed, err := url.Parse(c.URL)
	switch {
	case !isWebhook(parsed, err) || len(c.URL) > maxWebhookURL:
		r.complain("audit.webhook.url", "must.be_audit_webhook")
	case parsed.Scheme != "https" && (parsed.Scheme != "http" || c.Fetch != FetchAny):
		r.complain("audit.webhook.url", "audit.webhook_plain_http")
	}
	r.checkWebhookSecret("audit.webhook.secret", c.SecretFile, c.Secret)
}

// checkSender rejects an address that cannot go into a header as it is.
func checkSender(from string) error {
	parsed, err := mail.ParseAddress(from)
	if err != nil {
		return err
	}
	if strings.ContainsFunc(parsed.Address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("not ASCII")
	}
	return nil
}

const (
	maxArgon2Memory  = 1 << 20
	maxArgon2Time    = 32
	maxArgon2Threads = 32
	maxHashing       = 1024
)

// checkPasswords checks the limits of package identity.
func (r *reader) checkPasswords() {
	c := r.config.Passwords
	if c.Argon2.Threads < 1 || c.Argon2.Threads > maxArgon2Threads {
		r.complain("passwords.argon2.threads", "must.be_between", 1, maxArgon2Threads)
	} else if least := 8 * c.Argon2.Threads; c.Argon2.MemoryKiB < least || c.Argon2.MemoryKiB > maxArgon2Memory {
		r.complain("passwords.argon2.memory_kib", "passwords.memory", least, maxArgon2Memory)
	}
	if c.Argon2.Time < 1 || c.Argon2.Time > maxArgon2Time {
		r.complain("passwords.argon2.time", "must.be_between", 1, maxArgon2Time)
	}
	if c.Hashing < 0 || c.Hashing > maxHashing {
		r.complain("passwords.hashing", "passwords.hashing", maxHashing)
	}
}

// Weak reports whether hashes are computed with less work than the second choice of the OWASP Password Storage Cheat Sheet.
func (c Argon2) Weak() bool { return c.MemoryKiB*c.Time < 12<<10*3 }

// Parameters returns the parameters for package identity.
func (c Argon2) Parameters() identity.Argon2 {
	return identity.Argon2{Memory: uint32(c.MemoryKiB), Time: uint32(c.Time), Threads: uint8(c.Threads)}
}
