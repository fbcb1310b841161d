package metrics

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/wechat"
)

// loginAPI is the call that logins make, as an Observation names it.
const loginAPI = "code2Session"

// MeasureWeChat returns what wechat.Config.Observe counts and times calls with, in minifed_wechat_calls_total and
// minifed_wechat_call_duration_seconds.
func MeasureWeChat(registry prometheus.Registerer) (observe func(wechat.Observation), err error) {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "minifed_wechat_calls_total",
		Help: "Calls to WeChat, including attempts that were rejected before they were sent, by API and outcome: ok, or the class of the errcode.",
	}, []string{"api", "outcome"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "minifed_wechat_call_duration_seconds",
		Help:    "How long calls to WeChat took, by API.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"api"})
	if err := errors.Join(registry.Register(calls), registry.Register(durations)); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	// The series of logins are there from the start: Prometheus sees no increase in a counter that appears with its first event.
	calls.WithLabelValues(loginAPI, "ok")
	for class := wechat.ClassAmbiguous; class <= wechat.ClassUnknown; class++ {
		calls.WithLabelValues(loginAPI, class.String())
	}
	return func(seen wechat.Observation) {
		calls.WithLabelValues(seen.API, seen.Outcome).Inc()
		durations.WithLabelValues(seen.API).Observe(seen.Duration.Seconds())
	}, nil
}
