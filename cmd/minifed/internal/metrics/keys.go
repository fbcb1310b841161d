package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/keys"
)

// keyMetrics reports the signing keys in memory at each scrape. Directories are no label: there may be many, and
// `minifed keys list` names the one that a number is about.
type keyMetrics struct {
	ring                      *keys.Ring
	now                       func() time.Time
	count, age, next, copyAge *prometheus.Desc
}

// MeasureKeys registers the state of a ring's signing keys.
func MeasureKeys(ring *keys.Ring, registry prometheus.Registerer, now func() time.Time) error {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("minifed_signing_"+name, help, labels, nil)
	}
	return registry.Register(&keyMetrics{
		ring: ring, now: now,
		count:   describe("keys", "Signing keys of all directories by algorithm and state.", "algorithm", "state"),
		age:     describe("key_age_seconds", "For how long the oldest active key of an algorithm has signed.", "algorithm"),
		next:    describe("key_next_step_timestamp_seconds", "When the earliest next step of rotation of an algorithm is due, in Unix time.", "algorithm"),
		copyAge: describe("key_copy_age_seconds", "How old this instance's oldest copy of signing keys is; too old a copy signs nothing."),
	})
}

// Describe implements prometheus.Collector.
func (m *keyMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{m.count, m.age, m.next, m.copyAge} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *keyMetrics) Collect(to chan<- prometheus.Metric) {
	type counted struct {
		algorithm string
		state     keys.State
	}
	count, signing, due := map[counted]int{}, map[string]time.Time{}, map[string]time.Time{}
	now := m.now()
	oldest := now
	for _, held := range m.ring.CachedKeys() {
		oldest = earlier(oldest, held.ReadAt)
		due[held.Algorithm] = earlier(due[held.Algorithm], held.DueAt)
		for _, key := range held.Keys {
			count[counted{held.Algorithm, key.State}]++
			if key.State == keys.StateActive {
				signing[held.Algorithm] = earlier(signing[held.Algorithm], key.SignAt)
			}
		}
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for of, n := range count {
		gauge(m.count, float64(n), of.algorithm, string(of.state))
	}
	for algorithm, since := range signing {
		gauge(m.age, now.Sub(since).Seconds(), algorithm)
	}
	for algorithm, at := range due {
		if !at.IsZero() {
			gauge(m.next, float64(at.Unix()), algorithm)
		}
	}
	gauge(m.copyAge, now.Sub(oldest).Seconds())
}

// earlier is the earlier of two times, of which the zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
