package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
)

// mailTimeout bounds the check of what sends mail.
const mailTimeout = 10 * time.Second

// checkMail sees whether what sends mail can be reached and lets this server in. It sends none.
func (e *examination) checkMail(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	c := e.config.Mail
	switch c.Sender {
	case config.SenderLog:
		e.ok("mail", "goes to the log, where whoever reads it can sign in")
	case config.SenderSMTP:
		e.checkSMTP(ctx, c)
	case config.SenderWebhook:
		e.checkWebhook(ctx, c)
	default:
		e.ok("mail", "none is sent: people cannot set a forgotten password by themselves")
	}
}

func (e *examination) checkSMTP(ctx context.Context, c config.Mail) {
	if err := c.SMTPMailer(e.Now).Check(ctx); err != nil {
		e.fail("mail", c.SMTP.Address+": "+err.Error(),
			"look at mail.smtp, DNS and firewall: the server must speak TLS with a certificate of its name, and take the username and password")
		return
	}
	e.ok("mail", "%s takes mail from %s", c.SMTP.Address, c.From)
}

// checkWebhook asks for nothing but an answer, whatever that says: services know what they make of HEAD.
func (e *examination) checkWebhook(ctx context.Context, c config.Mail) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, c.Webhook.URL, nil)
	if err != nil {
		e.fail("mail", "the URL of the mail service is malformed", "correct mail.webhook.url")
		return
	}
	answer, err := c.WebhookMailer(e.Now).Client.Do(request)
	if err != nil {
		cause := err.Error()
		if failed, ok := errors.AsType[*url.Error](err); ok { // The URL may hold a key.
			cause = failed.Err.Error()
		}
		e.fail("mail", request.URL.Host+" cannot be reached: "+cause, "look at mail.webhook.url, DNS, firewall and egress proxy (HTTPS_PROXY, NO_PROXY)")
		return
	}
	_ = answer.Body.Close() // of HEAD
	e.ok("mail", "%s answers", request.URL.Host)
}
