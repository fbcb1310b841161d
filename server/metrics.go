package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/pushevent"
)

// metrics counts the responses of the provider.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	// logoutsLost counts the clients that a session has no room for.
	logoutsLost prometheus.Counter
	// candidates counts new merge candidates.
	candidates *prometheus.CounterVec
	// pushEvents counts the push events of WeChat.
	pushEvents *prometheus.CounterVec
}

// newMetrics creates the collectors, and registers them unless registry is nil.
func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minifed_requests_total",
			Help: "Requests by endpoint, grant type, status and OAuth error code.",
		}, []string{"endpoint", "grant", "status", "error"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "minifed_request_duration_seconds",
			Help:    "How long requests took, by endpoint.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"endpoint"}),
		logoutsLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "minifed_backchannel_logout_clients_over_limit_total",
			Help: "Authorizations of clients that get no logout token, because the session has the most clients that it can have.",
		}),
		candidates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minifed_merge_candidates_total",
			Help: "Pairs of accounts that were recorded as merge candidates, by what they share.",
		}, []string{"reason"}),
		pushEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minifed_push_events_total",
			Help: "Push events of WeChat that were applied, by what came of them, and failed attempts.",
		}, []string{"event", "outcome"}),
	}
	for _, reason := range []string{identity.ReasonUnionID, identity.ReasonPhone} {
		m.candidates.WithLabelValues(reason) // Prometheus sees no increase in a counter that appears with its first event.
	}
	for _, event := range pushevent.Events() {
		m.pushEvents.WithLabelValues(event, pushevent.OutcomeFailed)
	}
	if registry == nil {
		return m, nil
	}
	for _, collector := range []prometheus.Collector{m.requests, m.duration, m.logoutsLost, m.candidates, m.pushEvents} {
		if err := registry.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// observe counts one request. Every label is one of few values that no caller chooses.
func (m *metrics) observe(c *endpoint.Request, status int, elapsed time.Duration) {
	failure := ""
	if c.Failure != nil {
		failure = c.Failure.Protocol.ErrorField
	}
	m.requests.WithLabelValues(c.EndpointName(), c.GrantType, strconv.Itoa(status), failure).Inc()
	m.duration.WithLabelValues(c.EndpointName()).Observe(elapsed.Seconds())
}
