// Command wechatsim runs the WeChat simulator of package wechattest: the API on one port, its control on another.
//
//	wechatsim -app wxsim0000000000000001:secret
//	curl -sS --noproxy '*' -X POST 'http://127.0.0.1:8091/login?user=alice'
//
// With -ca FILE it also serves https://api.weixin.qq.com. docs/simulator.md describes the configuration of SDKs.
//
// It is not WeChat and stores nothing: users, codes and tokens end with the process.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "wechatsim:", err)
		os.Exit(1)
	}
}

// run simulates until ctx ends, and says on out what it simulates and where.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("wechatsim", flag.ContinueOnError)
	flags.SetOutput(out)
	listen := flags.String("listen", "127.0.0.1:8090", "address of the simulated WeChat API")
	control := flags.String("control", "127.0.0.1:8091", "address of the control API")
	secure := flags.String("tls-listen", "127.0.0.1:8443", "with -ca, address of the simulated WeChat API by TLS")
	ca := flags.String("ca", "", "`file` to write a new certificate authority to; turns on TLS for api.weixin.qq.com, and -listen is then an HTTPS proxy to it, too")
	logins := flags.Int("logins-per-minute", 0, "code2Session calls that an app may make in a minute (default no limit)")
	account := flags.String("open-platform", "", "Open Platform account that the apps are bound to, for UnionIDs")
	apps := []string{}
	flags.Func("app", "mini-program to simulate, `appid[:secret]`, may be repeated; the AppID begins with wxsim (default: one with a random secret)",
		func(app string) error { apps = append(apps, app); return nil })
	if err := flags.Parse(args); err != nil {
		return err
	}
	if len(apps) == 0 {
		apps = append(apps, wechattest.AppIDPrefix+"0000000000000001")
	}

	_, _ = fmt.Fprintln(out, "This is a SIMULATOR of the WeChat server API. It proves no identity: never use it in production.")
	sim := &wechattest.Server{LoginsPerMinute: *logins}
	for _, app := range apps {
		id, secret, _ := strings.Cut(app, ":")
		added, err := sim.AddApp(wechat.App{ID: wechat.AppID(id), Secret: wechat.AppSecret(secret)})
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		added.BindOpenPlatform(*account)
		_, _ = fmt.Fprintf(out, "  app      %s secret %s\n", id, string(added.Credential().Secret))
	}
	api := endpoint{name: "API", address: *listen, handler: sim}
	endpoints := []endpoint{}
	if *ca != "" {
		certificate, err := newCertificate(*ca)
		if err != nil {
			return err
		}
		api.handler = certificate.Proxy(sim)
		endpoints = append(endpoints, endpoint{name: "TLS", address: *secure, handler: sim, certificate: &certificate.TLS})
	}
	return serve(ctx, out, append(endpoints, api, endpoint{name: "control", address: *control, handler: sim.Control()})...)
}

// newCertificate creates a certificate and writes its authority to a file.
func newCertificate(file string) (wechattest.Certificate, error) {
	certificate, err := wechattest.NewCertificate(time.Now())
	if err != nil {
		return certificate, err
	}
	return certificate, os.WriteFile(file, certificate.Authority, 0o600)
}

type endpoint struct {
	name        string
	address     string
	handler     http.Handler
	certificate *tls.Certificate // nil means plain HTTP
}

// serve serves all endpoints until ctx ends or one of them fails. Requests in progress then get two seconds.
func serve(ctx context.Context, out io.Writer, endpoints ...endpoint) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for _, e := range endpoints {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", e.address)
		if err != nil {
			return err
		}
		scheme := "http"
		if e.certificate != nil {
			scheme = "https"
			listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*e.certificate}, MinVersion: tls.VersionTLS12})
		}
		_, _ = fmt.Fprintf(out, "  %-8s %s://%s\n", e.name, scheme, listener.Addr())
		server := &http.Server{Handler: e.handler, ReadHeaderTimeout: 10 * time.Second}
		go func() { stop(server.Serve(listener)) }()
		defer shutDown(server)
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close() // held requests are cut off
	}
}
