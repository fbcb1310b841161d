package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
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
		logger.Warn("AppSecrets travel unencrypted to wechat.base_url: this is for simulators in a network of their own", "base_url", config.WeChat.BaseURL)
	}
	if config.Log.Format == "text" {
		greet(c, running, ports)
		c.Unread = nil // Nobody has to read a greeting.
	} else if running.MadeMasterKey != "" {
		logger.Warn("made the master key; keep a copy of it, the store cannot be read without it", "file", running.MadeMasterKey)
	}
	if mode, readable := othersMayRead(config.MasterKeyPath()); readable && config.Keys.MasterKey == "" {
		logger.Warn("others on this machine can read the master key: chmod 0600, unless a container reads it as another user", "file", config.MasterKeyPath(), "mode", mode.String())
	}
	if err := warnOfUnconfirmedLinking(ctx, running.Admin, logger); err != nil {
		logger.Warn("the clients could not be looked through at the start", "cause", err.Error())
	}
	logger.Info("serving", "public_url", config.PublicURL, "address", ports.Public.Addr().String(), "version", version.Of(version.Build()).Version)
	err = running.Wait(ctx)
	logger.Info("draining", "at_most", config.Listen.ShutdownTimeout)
	err = errors.Join(err, running.Drain())
	logger.Info("stopped")
	return err
}

// greet tells people where the server is and, at the first start, what was made and what comes next.
func greet(c *console.Console, running *provider.Provider, ports provider.Listeners) {
	config := running.Config
	c.Printf("minifed is at %s (directory %q). Stop it with Ctrl-C.\n", config.PublicURL, config.DefaultDirectory)
	if ports.Admin != nil {
		c.Printf("Health and metrics are at http://%s/readyz and /metrics.\n", ports.Admin.Addr())
	}
	if running.MadeMasterKey != "" {
		c.Printf("\nMade the master key: %s (mode 0600). Keep a copy of it: without it the store cannot be read.\n", running.MadeMasterKey)
	}
	if !running.FirstStart {
		return
	}
	c.Printf(`
Next, in another terminal:

  # Make your mini-program known, with the AppID and AppSecret that WeChat's console shows.
  %[1]s client create --kind wechat_miniapp --app-id wx0123456789abcdef

  # Sign a user in, as your mini-program's backend will, with the code that wx.login gave.
  %[3]s -u CLIENT_ID:CLIENT_SECRET %[2]s/federation/wechat/miniapp/profile -d code=CODE

  # See who signed in, and what every OpenID Connect client reads.
  %[1]s user list
  %[3]s %[2]s/.well-known/openid-configuration
`, c.Program(), config.PublicURL, curlFor(config))
}

// curlFor returns the curl command for the server's address. An address on this machine is not reachable through a proxy,
// so curl must ignore http_proxy there.
func curlFor(config config.Config) string {
	if config.Loopback() {
		return "curl -sS --noproxy '*'"
	}
	return "curl -sS"
}
