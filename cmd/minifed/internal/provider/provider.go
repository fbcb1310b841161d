package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/audit/webhook"
	"github.com/minifed/minifed/cmd/minifed/internal/backup"
	"github.com/minifed/minifed/cmd/minifed/internal/certificate"
	"github.com/minifed/minifed/cmd/minifed/internal/clockwatch"
	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/graceful"
	"github.com/minifed/minifed/cmd/minifed/internal/health"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/cmd/minifed/internal/metrics"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/sqlite"
	"github.com/minifed/minifed/wechat"
)

// Provider is a running OpenID Provider with its deployment.
type Provider struct {
	*deployment.Deployment
	logger *slog.Logger
	health *health.Health
	// FirstStart reports whether this start created the store.
	FirstStart bool

	handler *server.Server
	watch   *clockwatch.Watch
	public  *http.Server
	admin   *http.Server
	// front is the handler of the admin listener; nil without one.
	front *adminFront
	// adminTLS is set when the admin listener accepts TLS too.
	adminTLS   atomic.Pointer[tls.Config]
	listener   *graceful.DrainListener
	shutdown   graceful.Shutdown
	statistics *statistics.Counter
	// backups is nil if the server takes none.
	backups *backup.Backups
	// webhook is nil if the audit is sent nowhere.
	webhook *webhook.Sender
	// certificates is nil if a proxy serves TLS.
	certificates *certificate.Reloader
	stop         context.CancelFunc
	loops        sync.WaitGroup
	failed       chan error
}

// Start opens the store and serves on the listeners. The caller must call Drain at the end, which also closes the listeners.
func Start(ctx context.Context, c *console.Console, config config.Config, ports Listeners, logger *slog.Logger) (*Provider, error) {
	registry := metrics.NewRegistry()
	p := &Provider{logger: logger, health: health.New(), failed: make(chan error, 2), listener: graceful.NewDrainListener(ports.Public)}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	if ports.Admin != nil { // /readyz reports that the server starts, which may take long.
		p.front = newAdminFront(p.health, registry, config.Admin)
		p.admin = p.adminServer(config.Listen, ports.Admin)
		p.loops.Go(func() { p.ended(p.admin.Serve(eitherListener{ports.Admin, &p.adminTLS})) })
	}
	var err error
	if p.handler, err = p.open(ctx, c, config, registry); err != nil {
		stop()
		return nil, errors.Join(err, ports.close())
	}
	if p.front != nil {
		p.openConsole(c, registry)
	}
	p.loops.Go(func() { p.Ring.Run(background) })
	p.loops.Go(func() { p.Secrets.Run(background) })
	p.loops.Go(func() { p.Audit.Run(background) })
	if p.webhook != nil {
		p.loops.Go(func() { p.webhook.Run(background) })
	}
	p.loops.Go(func() { p.statistics.Run(background) })
	p.loops.Go(func() { p.countChecks(background) })
	if engine, ok := p.Store.(*mongodb.Engine); ok {
		p.loops.Go(func() { engine.Run(background) })
	}
	p.loops.Go(func() { p.handler.Run(background) })
	if p.backups != nil {
		p.loops.Go(func() { p.backups.Run(background) })
	}
	p.loops.Go(func() { p.watch.Run(background) })
	p.public = p.httpServer(config.Listen, p.handler)
	p.shutdown.Watch(p.public)
	if p.certificates == nil {
		p.loops.Go(func() { p.ended(p.public.Serve(p.listener)) })
	} else {
		p.servePublicTLS(background)
	}
	p.health.Phase.Store(health.PhaseReady)
	return p, nil
}

// open opens the store, and assembles the handler.
func (p *Provider) open(ctx context.Context, c *console.Console, config config.Config, registry prometheus.Registerer) (*server.Server, error) {
	opened, err := deployment.Open(ctx, c, config, deployment.Purpose{Serve: true, Logger: p.logger, Metrics: registry})
	if err != nil {
		return nil, err
	}
	p.Deployment = opened
	p.health.Engine.Store(&opened.Engine)
	handler, err := p.build(ctx, c, registry)
	if err == nil {
		err = errors.Join(p.openBackups(c, registry), p.openAudit(c, registry))
	}
	if err == nil && config.Listen.TLSCertFile != "" {
		p.certificates, err = certificate.Open(config.Listen.TLSCertFile, config.Listen.TLSKeyFile, registry, c.Now, p.logger)
	}
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return handler, nil
}

// countWeChat counts the result of a call to WeChat by its class.
func (p *Provider) countWeChat(seen wechat.Observation) {
	outcome := seen.Outcome
	if outcome == "ok" {
		outcome = statistics.Success
	}
	p.statistics.Count("", statistics.WeChat, outcome)
}

// ownedByOneProcess reports whether only this process serves from the store. SQLite is the only engine that ensures it: a second
// `serve` does not start on the same file.
func ownedByOneProcess(store storage.Engine) bool {
	_, ok := store.(*sqlite.Engine)
	return ok
}

// build creates the default directory if it is missing, and assembles the handler.
func (p *Provider) build(ctx context.Context, c *console.Console, registry prometheus.Registerer) (handler *server.Server, err error) {
	if p.watch, err = clockwatch.New(p.Clock, p.Store, c.Now, p.logger, registry); err != nil {
		return nil, err
	}
	id := p.Config.DefaultDirectory
	if p.FirstStart, err = p.Admin.EnsureDirectory(ctx, storage.Directory{ID: id, Name: id}); err != nil {
		return nil, err
	}
	adminURL := ""
	if p.front != nil {
		adminURL = p.Config.Admin.PublicURL
		if err := p.Admin.EnsureOperators(ctx); err != nil {
			return nil, err
		}
	}
	if err := recordServed(ctx, p.Deployment, p.logger); err != nil {
		return nil, err
	}
	if err := errors.Join(p.Ring.Load(ctx), p.Secrets.Load(ctx), metrics.MeasureKeys(p.Ring, registry, c.Now)); err != nil {
		return nil, err
	}
	canSign := func(ctx context.Context) error { return p.Admin.CanSign(ctx, id) }
	p.health.CanSign.Store(&canSign)
	p.statistics, err = statistics.New(statistics.Config{Engine: p.Engine, Now: p.Clock.Now, Random: c.Random, Logger: p.logger})
	if err != nil {
		return nil, err
	}
	observe, err := metrics.MeasureWeChat(registry)
	if err != nil {
		return nil, err
	}
	calls, err := wechat.New(wechat.Config{
		BaseURL: p.Config.WeChat.BaseURL, ConnectTimeout: p.Config.WeChat.ConnectTimeout, Timeout: p.Config.WeChat.Timeout,
		MaxConcurrent: p.Config.WeChat.MaxConcurrent, BreakerFailures: p.Config.WeChat.BreakerFailures,
		BreakerOpen: p.Config.WeChat.BreakerOpen, Now: c.Now, Logger: p.logger,
		Observe: func(seen wechat.Observation) { observe(seen); p.health.Observe(seen); p.countWeChat(seen) },
	})
	if err != nil {
		return nil, err
	}
	proxies, err := p.Config.Listen.ProxyNetworks()
	if err != nil {
		return nil, err
	}
	return server.New(server.Config{
		SingleProcess: ownedByOneProcess(p.Store),
		AdminURL:      adminURL, Admin: p.Admin,
		PublicURL: p.Config.PublicURL, DefaultDirectory: id, Engine: p.Engine, Audit: p.Audit, Statistics: p.statistics, Keys: p.Ring, Secrets: p.Secrets, Master: p.Master,
		WeChat: calls, WeChatPages: wechat.Pages{BaseURL: p.Config.WeChat.PagesURL}, Now: p.Clock.Now, ClockTrusted: p.Clock.Trusted, TokenNow: c.Now, Rand: c.Random, Logger: p.logger, Metrics: registry, TrustedProxies: proxies, CountryHeader: p.Config.Listen.CountryHeader,
		RequestTimeout: p.Config.Listen.RequestTimeout, WeChatTimeout: p.Config.WeChat.Timeout,
		ClientRate: p.Config.Clients.Rate, ClientBurst: p.Config.Clients.Burst,
		Mailer: p.Config.Mail.Mailer(c.Now, c.Err), SMSWriter: smsWriter(p.Config, c.Err),
		Argon2: p.Config.Passwords.Argon2.Parameters(), Hashing: p.Hashing,
		Fetch: outbound.Config{AllowPrivate: p.Config.Clients.Fetch == config.FetchAny}, FetchUnknown: unknownClients(),
	})
}

const (
	// maxHeader is the maximum size of the header of a request.
	maxHeader = 32 << 10
	// maxStreams is the maximum number of requests of one HTTP/2 connection at once. It limits the memory of a client that opens and
	// resets streams. RFC 9113 §6.5.2 recommends at least 100; the default of net/http is 250.
	maxStreams = 100
)

// httpServer returns a server with the limits of the configuration.
func (p *Provider) httpServer(limits config.Listen, handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: limits.ReadHeaderTimeout, ReadTimeout: limits.ReadTimeout,
		WriteTimeout: limits.WriteTimeout, IdleTimeout: limits.IdleTimeout, MaxHeaderBytes: maxHeader,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog: slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug),
	}
}

// ended reports a listener that stopped unexpectedly.
func (p *Provider) ended(err error) {
	if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		p.failed <- err
	}
}

// servePublicTLS serves with TLS, and reads the certificate again at SIGHUP. Without TLS, SIGHUP ends the process as usual: the terminal
// sends it when it is closed.
func (p *Provider) servePublicTLS(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	p.public.TLSConfig = p.certificates.TLSConfig()
	p.loops.Go(func() { p.ended(p.public.ServeTLS(p.listener, "", "")) })
	p.loops.Go(func() {
		defer signal.Stop(hangups)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				p.certificates.Reload()
			}
		}
	})
}

// Wait returns nil when ctx ends, and an error when a listener fails. The provider reports that it is draining from then on.
func (p *Provider) Wait(ctx context.Context) error {
	defer p.health.Phase.Store(health.PhaseDraining)
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return &locale.Problem{What: locale.Text("listen.ended"), Cause: err}
	}
}

// Drain stops the provider. It announces the stop for drain_delay, stops accepting connections, waits for requests in progress, and closes
// the store last.
func (p *Provider) Drain() error {
	p.health.Phase.Store(health.PhaseDraining)
	ctx, cancel := context.WithTimeout(context.Background(), p.Config.Listen.ShutdownTimeout)
	defer cancel()
	p.shutdown.Begin(ctx, p.Config.Listen.DrainDelay, p.listener.Drain)
	p.handler.EndStreams()
	err := p.public.Shutdown(ctx)
	if err != nil {
		err = errors.Join(&locale.Problem{What: locale.Text("drain.requests"), Cause: err}, p.public.Close())
	}
	if p.admin != nil && p.admin.Shutdown(ctx) != nil {
		err = errors.Join(err, p.admin.Close()) // A profile may take longer.
	}
	p.stop()
	p.loops.Wait()
	return errors.Join(err, p.finish(ctx), p.statistics.Flush(ctx), p.Close())
}

// finish waits until all mail of requests is sent, or ctx ends.
func (p *Provider) finish(ctx context.Context) error {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		p.handler.Wait()
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return &locale.Problem{What: locale.Text("drain.mail"), Cause: ctx.Err()}
	}
}

// smsWriter returns where the SMS provider log writes. Only a server at a loopback address has it: a reader of its output could sign
// in as anyone.
func smsWriter(configured config.Config, output io.Writer) io.Writer {
	if !configured.Loopback() {
		return nil
	}
	return output
}
