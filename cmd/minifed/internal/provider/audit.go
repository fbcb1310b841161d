package provider

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/audit/webhook"
	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/metrics"
	"github.com/minifed/minifed/server/outbound"
)

// openAudit registers the metrics of the audit and the statistics, and prepares the webhook of the audit if the
// configuration names one.
func (p *Provider) openAudit(c *console.Console, registry prometheus.Registerer) error {
	if err := errors.Join(metrics.MeasureAudit(p.Audit, registry), metrics.MeasureStatistics(p.statistics, registry)); err != nil {
		return err
	}
	receiver := p.Config.Audit.Webhook
	if receiver.URL == "" {
		return nil
	}
	client := outbound.NewClient(outbound.Config{AllowPrivate: receiver.Fetch == config.FetchAny})
	var err error
	p.webhook, err = webhook.New(webhook.Config{
		Engine: p.Engine, Alone: ownedByOneProcess(p.Store), Now: p.Clock.Now, Random: c.Random, Logger: p.logger,
		Post: func(ctx context.Context, body []byte) error {
			return client.PostJSON(ctx, receiver.URL, body, outbound.Sign([]byte(receiver.Secret), body, c.Now()))
		},
	})
	if err != nil {
		return err
	}
	return metrics.MeasureWebhook(p.webhook, registry, p.Clock.Now)
}
