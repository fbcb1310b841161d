package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/sqlite"
	"github.com/minifed/minifed/wechat"
)

// provider is a running OpenID Provider with everything under it.
type provider struct {
	*deployment
	logger *slog.Logger
	health *health
	// firstStart says that this start made the store.
	firstStart bool

	handler  *server.Server
	watch    *clockWatch
	public   *http.Server
	admin    *http.Server
	door     *door
	farewell farewell
	// certificates are nil when TLS is left to a proxy.
	certificates *certificates
	stop         context.CancelFunc
	loops        sync.WaitGroup
	failed       chan error
}

// startProvider opens the store and answers on the listeners, which it takes over. The caller calls drain in the end.
func startProvider(ctx context.Context, c *console, config Config, ports listeners, logger *slog.Logger) (*provider, error) {
	registry := newRegistry()
	p := &provider{logger: logger, health: newHealth(), failed: make(chan error, 2), door: newDoor(ports.public)}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	if ports.admin != nil { // It says that the server starts, however long that takes.
		p.admin = p.adminServer(config.Listen, ports.admin, p.health.handler(registry))
		p.loops.Go(func() { p.ended(p.admin.Serve(ports.admin)) })
	}
	var err error
	if p.handler, err = p.open(ctx, c, config, registry); err != nil {
		stop()
		return nil, errors.Join(err, ports.close())
	}
	p.loops.Go(func() { p.ring.Run(background) })
	p.loops.Go(func() { p.secrets.Run(background) })
	if engine, ok := p.store.(*mongodb.Engine); ok {
		p.loops.Go(func() { engine.Run(background) })
	}
	p.loops.Go(func() { p.handler.Run(background) })
	p.loops.Go(func() { p.watch.run(background) })
	p.public = p.httpServer(config.Listen, p.handler)
	p.farewell.watch(p.public)
	if p.certificates == nil {
		p.loops.Go(func() { p.ended(p.public.Serve(p.door)) })
	} else {
		p.servePublicTLS(background)
	}
	p.health.phase.Store(phaseReady)
	return p, nil
}

// open opens the store, and puts together what serves from it.
func (p *provider) open(ctx context.Context, c *console, config Config, registry prometheus.Registerer) (*server.Server, error) {
	opened, err := openDeployment(ctx, c, config, purpose{serve: true, logger: p.logger, metrics: registry})
	if err != nil {
		return nil, err
	}
	p.deployment = opened
	p.health.engine.Store(&opened.engine)
	handler, err := p.build(ctx, c, registry)
	if err == nil && config.Listen.TLSCertFile != "" {
		p.certificates, err = openCertificates(config.Listen, registry, c.now, p.logger)
	}
	if err != nil {
		return nil, errors.Join(err, opened.close())
	}
	return handler, nil
}

// ownedByOneProcess reports whether only this process serves from the store. SQLite is the only engine that ensures it: a second
// `serve` does not start on the same file.
func ownedByOneProcess(store storage.Engine) bool {
	_, ok := store.(*sqlite.Engine)
	return ok
}

// build makes sure of the default directory and puts the handler together.
func (p *provider) build(ctx context.Context, c *console, registry prometheus.Registerer) (handler *server.Server, err error) {
	if p.watch, err = newClockWatch(p.deployment, c.now, p.logger, registry); err != nil {
		return nil, err
	}
	id := p.config.DefaultDirectory
	if p.firstStart, err = p.deployment.admin.EnsureDirectory(ctx, storage.Directory{ID: id, Name: id}); err != nil {
		return nil, err
	}
	if err := recordServed(ctx, p.deployment, p.logger); err != nil {
		return nil, err
	}
	if err := errors.Join(p.ring.Load(ctx), p.secrets.Load(ctx), server.MeasureKeys(p.ring, registry, c.now)); err != nil {
		return nil, err
	}
	canSign := func(ctx context.Context) error { return p.deployment.admin.CanSign(ctx, id) }
	p.health.canSign.Store(&canSign)
	observe, err := server.MeasureWeChat(registry)
	if err != nil {
		return nil, err
	}
	calls, err := wechat.New(wechat.Config{
		BaseURL: p.config.WeChat.BaseURL, ConnectTimeout: p.config.WeChat.ConnectTimeout, Timeout: p.config.WeChat.Timeout,
		MaxConcurrent: p.config.WeChat.MaxConcurrent, BreakerFailures: p.config.WeChat.BreakerFailures,
		BreakerOpen: p.config.WeChat.BreakerOpen, Now: c.now, Logger: p.logger,
		Observe: func(seen wechat.Observation) { observe(seen); p.health.observe(seen) },
	})
	if err != nil {
		return nil, err
	}
	proxies, err := p.config.Listen.trustedProxies()
	if err != nil {
		return nil, err
	}
	return server.New(server.Config{
		SingleProcess: ownedByOneProcess(p.store),
		PublicURL:     p.config.PublicURL, DefaultDirectory: id, Engine: p.engine, Keys: p.ring, Secrets: p.secrets, Master: p.master,
		WeChat: calls, Now: p.clock.Now, ClockTrusted: p.clock.Trusted, TokenNow: c.now, Rand: c.random, Logger: p.logger, Metrics: registry, TrustedProxies: proxies,
		RequestTimeout: p.config.Listen.RequestTimeout, WeChatTimeout: p.config.WeChat.Timeout,
		ClientRate: p.config.Clients.Rate, ClientBurst: p.config.Clients.Burst,
		Mailer: p.config.Mail.mailer(c.now, c.err),
		Argon2: p.config.Passwords.Argon2.parameters(), Hashing: p.hashing,
		Fetch: outbound.Config{AllowPrivate: p.config.Clients.Fetch == fetchAny},
	})
}

const (
	// maxHeader bounds the header of a request.
	maxHeader = 32 << 10
	// maxStreams bounds the requests of one HTTP/2 connection that run at once, and thereby the memory that a client takes which
	// opens streams and resets them. 100 is what RFC 9113 §6.5.2 recommends at least; net/http would allow 250.
	maxStreams = 100
)

// httpServer is a server with the limits of the configuration.
func (p *provider) httpServer(limits ListenConfig, handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: limits.ReadHeaderTimeout, ReadTimeout: limits.ReadTimeout,
		WriteTimeout: limits.WriteTimeout, IdleTimeout: limits.IdleTimeout, MaxHeaderBytes: maxHeader,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog: slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug),
	}
}

// adminServer is the server of health and metrics, and of profiles where only this machine reaches it.
func (p *provider) adminServer(limits ListenConfig, listener net.Listener, handler http.Handler) *http.Server {
	if onLoopback(listener) {
		handler = withProfiles(handler)
	}
	server := p.httpServer(limits, handler)
	server.WriteTimeout = profileTimeout
	return server
}

// ended reports that a listener stopped without having been told to.
func (p *provider) ended(err error) {
	if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		p.failed <- err
	}
}

// servePublicTLS answers by TLS, and reads the certificate again whenever SIGHUP says that it changed. Without TLS, SIGHUP ends
// the process as usual: it comes when the terminal is closed.
func (p *provider) servePublicTLS(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	p.public.TLSConfig = p.certificates.config()
	p.loops.Go(func() { p.ended(p.public.ServeTLS(p.door, "", "")) })
	p.loops.Go(func() {
		defer signal.Stop(hangups)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				p.certificates.reload()
			}
		}
	})
}

// wait returns nil when ctx ends, and an error when a listener fails.
func (p *provider) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return fmt.Errorf("listen: %w", err)
	}
}

// drain stops the provider: it says so for a while, accepts nothing new, gives what is in progress its time, and closes the
// store last.
func (p *provider) drain() error {
	p.health.phase.Store(phaseDraining)
	ctx, cancel := context.WithTimeout(context.Background(), p.config.Listen.ShutdownTimeout)
	defer cancel()
	p.farewell.bid(ctx, p.config.Listen.DrainDelay, p.door.empty)
	err := p.public.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests in progress were cut off: %w", err), p.public.Close())
	}
	if p.admin != nil {
		err = errors.Join(err, p.admin.Close())
	}
	p.stop()
	p.loops.Wait()
	return errors.Join(err, p.finish(ctx), p.close())
}

// finish waits until the mail is out that requests have caused, as long as ctx lasts.
func (p *provider) finish(ctx context.Context) error {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		p.handler.Wait()
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mail in progress was cut off: %w", ctx.Err())
	}
}
