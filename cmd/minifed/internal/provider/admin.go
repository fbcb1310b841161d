package provider

import (
	"net"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/health"
	"github.com/minifed/minifed/server"
)

// adminFront is the handler of the admin listener. It serves health from the start of the process, and the console, the admin API
// and the sign-in of operators when the server is ready.
type adminFront struct {
	// paths are served without a check of the host: other programs call them by any name.
	paths map[string]http.Handler
	// operators is nil until the server is ready.
	operators atomic.Pointer[http.Handler]
}

const metricsPath = "/metrics"

// newAdminFront returns the handler of a server that starts.
func newAdminFront(serving *health.Health, registry prometheus.Gatherer, settings config.Admin) *adminFront {
	f := &adminFront{paths: map[string]http.Handler{health.LivePath: serving.Handler(), health.ReadyPath: serving.Handler()}}
	if settings.Metrics != config.MetricsAuthenticated {
		f.paths[metricsPath] = metricsHandler(registry)
	}
	return f
}

func metricsHandler(registry prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// ServeHTTP implements http.Handler.
func (f *adminFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := f.paths[r.URL.Path]; handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	if handler := f.operators.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, "The server starts. Try again in a moment.", http.StatusServiceUnavailable)
}

// openConsole serves the console and the admin API from now on.
func (p *Provider) openConsole(registry prometheus.Gatherer) error {
	if p.certificates != nil {
		settings := p.certificates.TLSConfig().Clone()
		settings.NextProtos = []string{"http/1.1"}
		p.adminTLS.Store(settings)
	}
	operators := p.handler.Operators()
	// The admin API and the console come here.
	operators.Mount(server.APIPath, "admin_api", http.NotFoundHandler())
	handler := http.Handler(operators)
	if p.Config.Admin.Metrics == config.MetricsAuthenticated {
		metrics := operators.Metrics(p.Admin, metricsHandler(registry))
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == metricsPath {
				metrics.ServeHTTP(w, r)
				return
			}
			operators.ServeHTTP(w, r)
		})
	}
	p.front.operators.Store(&handler)
	return nil
}

// adminServer returns the server of the admin listener, with profiles if only this machine reaches it.
func (p *Provider) adminServer(limits config.Listen, listener net.Listener) *http.Server {
	handler := http.Handler(p.front)
	if health.OnLoopback(listener) {
		handler = health.WithProfiles(handler)
	}
	serving := p.httpServer(limits, withTLSState(handler))
	serving.WriteTimeout, serving.ConnContext = health.ProfileTimeout, withEither
	return serving
}
