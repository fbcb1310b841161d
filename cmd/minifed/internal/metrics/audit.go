package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/audit/webhook"
)

// auditMetrics reports the audit of this process at each scrape.
type auditMetrics struct {
	trail                            *audit.Trail
	entries, failures, waiting, lost *prometheus.Desc
	verified, verifiedProblems       *prometheus.Desc
}

// MeasureAudit registers the state of the audit.
func MeasureAudit(trail *audit.Trail, registry prometheus.Registerer) error {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("minifed_audit_"+name, help, nil, nil)
	}
	return registry.Register(&auditMetrics{
		trail:            trail,
		entries:          describe("entries_total", "Audit entries that this process wrote."),
		failures:         describe("write_failures_total", "Audit entries that this process could not write."),
		waiting:          describe("waiting_sign_ins", "Sign-ins that wait to be written to the audit."),
		lost:             describe("omitted_sign_ins_total", "Sign-ins that only their number is recorded of, because too many waited."),
		verified:         describe("last_verification_timestamp_seconds", "When the audit was last verified, in Unix time; 0 before the first time."),
		verifiedProblems: describe("last_verification_problems", "The problems that the last verification found."),
	})
}

// Describe implements prometheus.Collector.
func (m *auditMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{m.entries, m.failures, m.waiting, m.lost, m.verified, m.verifiedProblems} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *auditMetrics) Collect(to chan<- prometheus.Metric) {
	state := m.trail.State()
	verified := 0.0
	if !state.Verified.At.IsZero() {
		verified = float64(state.Verified.At.Unix())
	}
	to <- prometheus.MustNewConstMetric(m.entries, prometheus.CounterValue, float64(state.Entries))
	to <- prometheus.MustNewConstMetric(m.failures, prometheus.CounterValue, float64(state.Failures))
	to <- prometheus.MustNewConstMetric(m.waiting, prometheus.GaugeValue, float64(state.WaitingSignIns))
	to <- prometheus.MustNewConstMetric(m.lost, prometheus.CounterValue, float64(state.OmittedSignIns))
	to <- prometheus.MustNewConstMetric(m.verified, prometheus.GaugeValue, verified)
	to <- prometheus.MustNewConstMetric(m.verifiedProblems, prometheus.GaugeValue, float64(state.Verified.Found))
}

// webhookMetrics reports the webhook of the audit at each scrape.
type webhookMetrics struct {
	sender                *webhook.Sender
	now                   func() time.Time
	entries, calls, delay *prometheus.Desc
}

// MeasureWebhook registers the state of the audit's webhook.
func MeasureWebhook(sender *webhook.Sender, registry prometheus.Registerer, now func() time.Time) error {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("minifed_audit_webhook_"+name, help, labels, nil)
	}
	return registry.Register(&webhookMetrics{
		sender: sender, now: now,
		entries: describe("entries_total", "Audit entries by outcome: delivered to the receiver, or missed because they were deleted before.", "outcome"),
		calls:   describe("requests_total", "Requests to the receiver of the audit by outcome.", "outcome"),
		delay:   describe("lag_seconds", "How old the oldest audit entry is that this process has to deliver; 0 without one."),
	})
}

// Describe implements prometheus.Collector.
func (m *webhookMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{m.entries, m.calls, m.delay} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *webhookMetrics) Collect(to chan<- prometheus.Metric) {
	state, lag := m.sender.State(), 0.0
	if !state.WaitingSince.IsZero() {
		lag = max(0, m.now().Sub(state.WaitingSince).Seconds())
	}
	to <- prometheus.MustNewConstMetric(m.entries, prometheus.CounterValue, float64(state.Sent), "delivered")
	to <- prometheus.MustNewConstMetric(m.entries, prometheus.CounterValue, float64(state.Missed), "missed")
	to <- prometheus.MustNewConstMetric(m.calls, prometheus.CounterValue, float64(state.Accepted), "ok")
	to <- prometheus.MustNewConstMetric(m.calls, prometheus.CounterValue, float64(state.Failed), "failed")
	to <- prometheus.MustNewConstMetric(m.delay, prometheus.GaugeValue, lag)
}
