package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/cmd/minifed/internal/logging"
	"github.com/minifed/minifed/cmd/minifed/internal/provider"
	"github.com/minifed/minifed/cmd/minifed/internal/version"
)

func newServe(c *console.Console, flags *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "serve",
		Example: "  minifed serve\n  minifed serve --config /etc/minifed/config.yaml\n  MINIFED_LOG_FORMAT=json minifed serve",
		Args:    exactly(),
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := flags.load(c)
			if err != nil {
				return err
			}
			return serve(command.Context(), c, config)
		},
	}
}

// serve runs the provider until ctx ends.
func serve(ctx context.Context, c *console.Console, config config.Config) error {
	logger := logging.New(config.Log, c.Err)
	ports, err := provider.Listen(ctx, config.Listen)
	if err != nil {
		return err
	}
	running, err := provider.Start(ctx, c, config, ports, logger)
	if err != nil {
		return err
	}
	if config.WeChat.Exposed() {
		logger.Warn("AppSecrets travel unencrypted to wechat.base_url: this is only for simulators in an isolated network", "base_url", config.WeChat.BaseURL)
	}
	if config.Log.Format == "text" {
		greet(c, running, ports)
		c.Unread = nil // The server runs even if the greeting cannot be written.
	} else if running.CreatedMasterKey != "" {
		logger.Warn("created the master key; store a copy of it, the store cannot be read without it", "file", running.CreatedMasterKey)
	}
	if ports.Admin != nil {
		offerConsole(ctx, c, running, logger)
		warnOfSharedHost(ctx, running, logger)
	}
	if mode, readable := othersMayRead(config.MasterKeyPath()); readable && config.Keys.MasterKey == "" {
		logger.Warn("others on this machine can read the master key: chmod 0600, unless a container reads it as another user", "file", config.MasterKeyPath(), "mode", mode.String())
	}
	if err := warnOfUnconfirmedLinking(ctx, running.Admin, logger); err != nil {
		logger.Warn("the clients could not be checked at the start", "cause", err.Error())
	}
	logger.Info("serving", "public_url", config.PublicURL, "address", ports.Public.Addr().String(), "version", version.Of(version.Build()).Version)
	err = running.Wait(ctx)
	logger.Info("draining", "at_most", config.Listen.ShutdownTimeout)
	err = errors.Join(err, running.Drain())
	logger.Info("stopped")
	return err
}

// greet prints the address of the server and, at the first start, the next steps.
func greet(c *console.Console, running *provider.Provider, ports provider.Listeners) {
	config := running.Config
	c.Printf("%s\n", c.Texts.Render(locale.Text("greeting", config.PublicURL, config.DefaultDirectory)))
	if ports.Admin != nil {
		c.Printf("%s\n", c.Texts.Render(locale.Text("greeting.admin", config.Admin.PublicURL, ports.Admin.Addr())))
	}
	if running.CreatedMasterKey != "" {
		c.Printf("\n%s\n", c.Texts.Render(locale.Text("greeting.masterkey", running.CreatedMasterKey)))
	}
	if running.FirstStart {
		c.Printf("\n%s\n", c.Texts.Render(locale.Text("greeting.next", c.Program(), config.PublicURL, curlFor(config))))
	}
}

// curlFor returns the curl command for the server's address. An address on this machine is not reachable through a proxy,
// so curl must ignore http_proxy there.
func curlFor(config config.Config) string {
	if config.Loopback() {
		return "curl -sS --noproxy '*'"
	}
	return "curl -sS"
}
