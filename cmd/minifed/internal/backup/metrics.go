package backup

import (
	"github.com/prometheus/client_golang/prometheus"
)

// collector reports the backups at each scrape.
type collector struct {
	backups                     *Backups
	interval, last, size, total *prometheus.Desc
}

// Measure registers the metrics of the backups.
func (b *Backups) Measure(registry prometheus.Registerer) error {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("minifed_backup"+name, help, labels, nil)
	}
	return registry.Register(&collector{
		backups:  b,
		interval: describe("_interval_seconds", "The time between two backups of the store, as configured."),
		last:     describe("_last_success_timestamp_seconds", "When the last good backup was taken, in Unix time; 0 without one."),
		size:     describe("_last_success_size_bytes", "The size of the last good backup."),
		total:    describe("s_total", "Backups of this process by outcome.", "outcome"),
	})
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.interval, c.last, c.size, c.total} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	b := c.backups
	last, _ := b.State()
	seconds := 0.0
	if !last.TakenAt.IsZero() {
		seconds = float64(last.TakenAt.Unix())
	}
	b.mu.Lock()
	taken, failed := b.taken, b.failed
	b.mu.Unlock()
	to <- prometheus.MustNewConstMetric(c.interval, prometheus.GaugeValue, b.Every.Seconds())
	to <- prometheus.MustNewConstMetric(c.last, prometheus.GaugeValue, seconds)
	to <- prometheus.MustNewConstMetric(c.size, prometheus.GaugeValue, float64(last.Bytes))
	to <- prometheus.MustNewConstMetric(c.total, prometheus.CounterValue, float64(taken), "ok")
	to <- prometheus.MustNewConstMetric(c.total, prometheus.CounterValue, float64(failed), "failed")
}
