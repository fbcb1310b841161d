package main

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
)

const (
	// verifyWithin is how long ago the audit should have been verified.
	verifyWithin = 30 * 24 * time.Hour
	// deliverWithin is how long an entry may wait for the webhook.
	deliverWithin = 5 * time.Minute
)

// checkAudit checks when the audit was last verified, and whether the receiver of the webhook accepts it.
func (e *examination) checkAudit(ctx context.Context, opened *deployment.Deployment) {
	check := locale.Text("doctor.audit")
	last, err := opened.Audit.LastVerification(ctx)
	verify := locale.Text("doctor.audit.remedy")
	switch {
	case err != nil:
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
	case last.Found > 0:
		e.fail(check, locale.Text("doctor.audit.problems", stamp(last.At), last.Found), locale.Text("audit.problems.remedy"))
	case last.At.IsZero() && e.young(ctx, opened, verifyWithin):
		e.ok(check, locale.Text("doctor.audit.young"))
	case last.At.IsZero():
		e.warn(check, locale.Text("doctor.audit.never"), verify)
	case e.Now().Sub(last.At) > verifyWithin:
		e.warn(check, locale.Text("doctor.audit.old", stamp(last.At)), verify)
	default:
		e.ok(check, locale.Text("doctor.audit.ok", stamp(last.At), last.Entries))
	}
	if e.config.Audit.Webhook.URL != "" {
		e.checkAuditWebhook(ctx, opened)
	}
	e.checkStatistics(ctx, opened)
}

// checkAuditWebhook calls the receiver, and reads what the instance that sends wrote last.
func (e *examination) checkAuditWebhook(ctx context.Context, opened *deployment.Deployment) {
	check, settings := locale.Text("doctor.webhook"), e.config.Audit.Webhook
	host := ""
	if parsed, err := url.Parse(settings.URL); err == nil {
		host = parsed.Host
	}
	client := outbound.NewClient(outbound.Config{AllowPrivate: settings.Fetch == config.FetchAny})
	if err := client.Reach(ctx, settings.URL); err != nil {
		e.fail(check, locale.Text("doctor.unreachable", host, err), locale.Text("doctor.webhook.remedy"))
		return
	}
	sender, err := storage.Get[storage.AuditSender](ctx, opened.Engine, storage.AuditSenderID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		e.ok(check, locale.Text("doctor.webhook.unused", host))
	case err != nil:
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
	case !sender.Record.WaitingSince.IsZero() && e.Now().Sub(sender.Record.WaitingSince) > deliverWithin:
		e.fail(check, locale.Text("doctor.webhook.late", host, stamp(sender.Record.WaitingSince), sender.Record.Failure), locale.Text("doctor.webhook.late.remedy"))
	default:
		e.ok(check, locale.Text("doctor.webhook.ok", host, stamp(sender.Record.SentAt)))
	}
}

// checkStatistics reports the newest counts.
func (e *examination) checkStatistics(ctx context.Context, opened *deployment.Deployment) {
	check := locale.Text("doctor.statistics")
	newest, _, err := storage.List[storage.Statistics](ctx, opened.Engine, storage.Query{Order: storage.ByCreatedDescending, Limit: 1})
	switch {
	case err != nil:
		e.failBy(check, err, locale.Text("doctor.look_at_store"))
	case len(newest) == 0:
		e.ok(check, locale.Text("doctor.statistics.none"))
	default:
		e.ok(check, locale.Text("doctor.statistics.ok", stamp(newest[0].Record.CreatedAt)))
	}
}
