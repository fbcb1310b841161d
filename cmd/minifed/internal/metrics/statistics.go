package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/statistics"
)

// statisticsMetrics reports the writes of the statistics at each scrape.
type statisticsMetrics struct {
	counter         *statistics.Counter
	writes, waiting *prometheus.Desc
}

// MeasureStatistics registers the state of the statistics.
func MeasureStatistics(counter *statistics.Counter, registry prometheus.Registerer) error {
	return registry.Register(&statisticsMetrics{
		counter: counter,
		writes:  prometheus.NewDesc("minifed_statistics_writes_total", "Documents of the statistics that this process wrote, and writes that failed.", []string{"outcome"}, nil),
		waiting: prometheus.NewDesc("minifed_statistics_waiting_series", "Series of the statistics whose last counts are not written.", nil, nil),
	})
}

// Describe implements prometheus.Collector.
func (m *statisticsMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.writes
	to <- m.waiting
}

// Collect implements prometheus.Collector.
func (m *statisticsMetrics) Collect(to chan<- prometheus.Metric) {
	state := m.counter.State()
	to <- prometheus.MustNewConstMetric(m.writes, prometheus.CounterValue, float64(state.Written), "ok")
	to <- prometheus.MustNewConstMetric(m.writes, prometheus.CounterValue, float64(state.Failures), "failed")
	to <- prometheus.MustNewConstMetric(m.waiting, prometheus.GaugeValue, float64(state.Waiting))
}
