package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/wechat"
)

// provider is a running OpenID Provider with everything under it.
type provider struct {
	*deployment
	logger *slog.Logger
	health *health
	// firstStart says that this start made the store.
	firstStart bool

	public *http.Server
	admin  *http.Server
	stop   context.CancelFunc
	loops  sync.WaitGroup
	failed chan error
}

// startProvider opens the store and answers on the listeners, which it takes over. The caller calls drain in the end.
func startProvider(ctx context.Context, c *console, config Config, ports listeners, logger *slog.Logger) (*provider, error) {
	opened, err := openDeployment(ctx, c, config, purpose{serve: true, logger: logger})
	if err != nil {
		return nil, errors.Join(err, ports.close())
	}
	p := &provider{deployment: opened, logger: logger, health: &health{engine: opened.engine}, failed: make(chan error, 2)}
	handler, registry, err := p.build(ctx, c)
	if err != nil {
		return nil, errors.Join(err, ports.close(), opened.close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	p.loops.Go(func() { p.ring.Run(background) })
	p.loops.Go(func() { p.secrets.Run(background) })
	if engine, ok := p.engine.(*mongodb.Engine); ok {
		p.loops.Go(func() { engine.Run(background) })
	}
	p.public = p.serve(ports, handler)
	if ports.admin != nil {
		p.admin = p.serve(listeners{public: ports.admin}, p.health.handler(registry))
	}
	p.health.ready.Store(true)
	return p, nil
}

// build makes sure of the default directory and puts the handler together.
func (p *provider) build(ctx context.Context, c *console) (handler http.Handler, registry *prometheus.Registry, err error) {
	id := p.config.DefaultDirectory
	if p.firstStart, err = p.deployment.admin.EnsureDirectory(ctx, storage.Directory{ID: id, Name: id}); err != nil {
		return nil, nil, err
	}
	if err := errors.Join(p.ring.Load(ctx), p.secrets.Load(ctx)); err != nil {
		return nil, nil, err
	}
	calls, err := wechat.New(wechat.Config{
		BaseURL: p.config.WeChat.BaseURL, ConnectTimeout: p.config.WeChat.ConnectTimeout, Timeout: p.config.WeChat.Timeout,
		MaxConcurrent: p.config.WeChat.MaxConcurrent, BreakerFailures: p.config.WeChat.BreakerFailures,
		BreakerOpen: p.config.WeChat.BreakerOpen, Now: c.now, Logger: p.logger,
	})
	if err != nil {
		return nil, nil, err
	}
	proxies, err := p.config.Listen.trustedProxies()
	if err != nil {
		return nil, nil, err
	}
	registry = prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	handler, err = server.New(server.Config{
		PublicURL: p.config.PublicURL, DefaultDirectory: id, Engine: p.engine, Keys: p.ring, Secrets: p.secrets, Master: p.master,
		WeChat: calls, Now: c.now, Rand: c.random, Logger: p.logger, Metrics: registry, TrustedProxies: proxies,
		RequestTimeout: p.config.Listen.RequestTimeout, WeChatTimeout: p.config.WeChat.Timeout,
	})
	return handler, registry, err
}

// maxHeader bounds the header of a request.
const maxHeader = 32 << 10

// serve answers on one port until drain.
func (p *provider) serve(ports listeners, handler http.Handler) *http.Server {
	limits := p.config.Listen
	httpServer := &http.Server{
		Handler: handler, ReadHeaderTimeout: limits.ReadHeaderTimeout, ReadTimeout: limits.ReadTimeout,
		WriteTimeout: limits.WriteTimeout, IdleTimeout: limits.IdleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug),
	}
	p.loops.Go(func() {
		if err := httpServer.Serve(ports.public); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- err
		}
	})
	return httpServer
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

// drain stops the provider: it accepts nothing new, gives what is in progress its time, and closes the store last.
func (p *provider) drain() error {
	p.health.ready.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), p.config.Listen.ShutdownTimeout)
	defer cancel()
	err := p.public.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests in progress were cut off: %w", err), p.public.Close())
	}
	if p.admin != nil {
		err = errors.Join(err, p.admin.Close())
	}
	p.stop()
	p.loops.Wait()
	return errors.Join(err, p.close())
}
