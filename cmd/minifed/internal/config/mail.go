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

// minWebhookSecret is how short the secret of a webhook may be, in bytes: what signs must not be guessed.
const minWebhookSecret = 16

// Mailer sends mail as the configuration says, or is nil where it says that none is sent. log is where the sender log writes.
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

// checkMail checks what the sender needs. What the other senders would need may be there, and counts for nothing.
func (r *reader) checkMail() {
	c := r.config.Mail
	r.checkOneOf("mail.sender", c.Sender, senderNone, SenderLog, SenderSMTP, SenderWebhook)
	if c.From != "" && checkSender(c.From) != nil {
		r.complain("mail.from", "must be an address in ASCII, such as no-reply@example.com or Example <no-reply@example.com>")
	}
	switch c.Sender {
	case SenderLog:
		if !r.config.Loopback() {
			r.complain("mail.sender", "log writes links that sign people in to the log: it is for a public_url on this machine, and this one is %s", r.config.PublicURL)
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
		r.complain("mail.from", "must name the sender of mail, such as no-reply@example.com")
	}
	if host, port, err := net.SplitHostPort(c.SMTP.Address); err != nil || host == "" || port == "" {
		r.complain("mail.smtp.address", "must be host:port of the mail server, such as smtp.example.com:587, or :465 for TLS from the start")
	}
	switch {
	case c.SMTP.Username != "" && c.SMTP.Password == "" && c.SMTP.PasswordFile == "":
		r.complain("mail.smtp.password_file", "must name the file with the password of mail.smtp.username, or set %s", VariableOf("mail.smtp.password"))
	case c.SMTP.Username == "" && c.SMTP.Password != "":
		r.complain("mail.smtp.username", "must say whose password mail.smtp.password_file holds")
	}
}

func (r *reader) checkWebhook() {
	c := r.config.Mail.Webhook
	parsed, err := url.Parse(c.URL)
	switch {
	case err != nil || parsed.Host == "" || parsed.User != nil || parsed.Fragment != "":
		r.complain("mail.webhook.url", "must be the URL that mail is posted to, such as https://mail.example.com/send")
	case parsed.Scheme != "https" && (parsed.Scheme != "http" || !storage.IsLoopback(parsed.Hostname())):
		r.complain("mail.webhook.url", "must be https, because mail holds links that sign people in; plain http is for localhost, 127.0.0.1 and [::1] alone")
	}
	unread := c.SecretFile != "" && c.Secret == "" // That was complained of.
	if len(c.Secret) < minWebhookSecret && !unread {
		r.complain("mail.webhook.secret_file", "must name a file with the secret that signs, of at least %d bytes, or set %s", minWebhookSecret, VariableOf("mail.webhook.secret"))
	}
}

// checkSender wants an address that goes into a header as it is.
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

// checkPasswords keeps to the bounds of package identity.
func (r *reader) checkPasswords() {
	c := r.config.Passwords
	if c.Argon2.Threads < 1 || c.Argon2.Threads > maxArgon2Threads {
		r.complain("passwords.argon2.threads", "must be between 1 and %d", maxArgon2Threads)
	} else if least := 8 * c.Argon2.Threads; c.Argon2.MemoryKiB < least || c.Argon2.MemoryKiB > maxArgon2Memory {
		r.complain("passwords.argon2.memory_kib", "must be between %d, which is 8 for each thread, and %d", least, maxArgon2Memory)
	}
	if c.Argon2.Time < 1 || c.Argon2.Time > maxArgon2Time {
		r.complain("passwords.argon2.time", "must be between 1 and %d", maxArgon2Time)
	}
	if c.Hashing < 0 || c.Hashing > maxHashing {
		r.complain("passwords.hashing", "must be between 0, which is as many as there are processors, and %d", maxHashing)
	}
}

// Weak reports whether hashes are made with less work than the second choice of the OWASP Password Storage Cheat Sheet.
func (c Argon2) Weak() bool { return c.MemoryKiB*c.Time < 12<<10*3 }

// Parameters are the configuration as package identity takes it.
func (c Argon2) Parameters() identity.Argon2 {
	return identity.Argon2{Memory: uint32(c.MemoryKiB), Time: uint32(c.Time), Threads: uint8(c.Threads)}
}
