package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// mailTimeout bounds the check of the mail server or service.
const mailTimeout = 10 * time.Second

// checkMail checks that the mail server or service can be reached and accepts this server. It sends no mail.
func (e *examination) checkMail(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	c := e.config.Mail
	switch c.Sender {
	case config.SenderLog:
		e.ok(locale.Text("doctor.mail"), locale.Text("doctor.mail.log"))
	case config.SenderSMTP:
		e.checkSMTP(ctx, c)
	case config.SenderWebhook:
		e.checkWebhook(ctx, c)
	default:
		e.ok(locale.Text("doctor.mail"), locale.Text("doctor.mail.none"))
	}
}

func (e *examination) checkSMTP(ctx context.Context, c config.Mail) {
	if err := c.SMTPMailer(e.Now).Check(ctx); err != nil {
		e.fail(locale.Text("doctor.mail"), locale.Text("problem.cause", c.SMTP.Address, err), locale.Text("doctor.mail.smtp.remedy"))
		return
	}
	e.ok(locale.Text("doctor.mail"), locale.Text("doctor.mail.smtp", c.SMTP.Address, c.From))
}

// checkWebhook sends a HEAD request. Any response will do, because services treat HEAD differently.
func (e *examination) checkWebhook(ctx context.Context, c config.Mail) {
	check := locale.Text("doctor.mail")
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, c.Webhook.URL, nil)
	if err != nil {
		e.fail(check, locale.Text("doctor.mail.url"), locale.Text("doctor.mail.url.remedy"))
		return
	}
	response, err := c.WebhookMailer(e.Now).Client.Do(request)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok { // The URL may hold a key.
			err = failed.Err
		}
		e.fail(check, locale.Text("doctor.unreachable", request.URL.Host, err), locale.Text("doctor.mail.webhook.remedy"))
		return
	}
	_ = response.Body.Close() // of HEAD
	e.ok(check, locale.Text("doctor.mail.webhook", request.URL.Host))
}
