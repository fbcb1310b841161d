package provider

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	terminal "github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/health"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/api"
	"github.com/minifed/minifed/server/admin/console"
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
func (p *Provider) openConsole(c *terminal.Console, registry prometheus.Gatherer) {
	if p.certificates != nil {
		settings := p.certificates.TLSConfig().Clone()
		settings.NextProtos = []string{"http/1.1"}
		p.adminTLS.Store(settings)
	}
	operators := p.handler.Operators()
	operators.Mount(console.Base, "console", p.atFirstRequest(func() (http.Handler, error) {
		return console.New(console.Config{
			Service: p.Admin, Actor: signedIn(operators.Session), SignIn: operators.SignIn, SignOut: server.SignOutPath, Account: server.AccountPath,
			PublicURL: p.Config.PublicURL, AdminURL: p.Config.Admin.PublicURL, DefaultDirectory: p.Config.DefaultDirectory,
			Master: p.Master, Now: p.Clock.Now, Random: c.Random, Logger: p.logger,
		})
	}))
	operators.Mount(api.Path+"/", "admin_api", p.atFirstRequest(func() (http.Handler, error) {
		return api.New(api.Config{
			Service: p.Admin, Actor: operators.Token, Engine: p.Engine, Master: p.Master, Now: p.Clock.Now, Random: c.Random, Logger: p.logger,
		})
	}))
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
}

// atFirstRequest returns a handler that is built at its first request. Templates and routes of the console and the admin API take
// as much memory as all other parts of an idle server, and many servers have no operator who visits them.
func (p *Provider) atFirstRequest(build func() (http.Handler, error)) http.Handler {
	built := sync.OnceValues(build)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, err := built()
		if err != nil {
			p.logger.Error("the console and the admin API cannot be served: report this error", "error", err)
			http.Error(w, "This part of the server cannot be served. The log of the server has the reason.", http.StatusInternalServerError)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// signedIn returns the actor of a session as the console expects it.
func signedIn(session func(*http.Request) (admin.Actor, error)) func(*http.Request) (admin.Actor, error) {
	return func(r *http.Request) (admin.Actor, error) {
		actor, err := session(r)
		if errors.Is(err, admin.ErrUnauthenticated) {
			err = console.ErrSignedOut
		}
		return actor, err
	}
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
