package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
)

// checkTimeout bounds a health check.
const checkTimeout = 3 * time.Second

func newHealthcheck(c *console.Console, flags *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "healthcheck",
		Example: "  minifed healthcheck\n  minifed healthcheck --config /etc/minifed/config.yaml",
		Args:    exactly(),
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := flags.load(c)
			if err != nil {
				return err
			}
			body, err := askReady(command.Context(), config.Listen.AdminAddress)
			if err != nil {
				return err
			}
			c.Printf("%s", body)
			return nil
		},
	}
}

// askReady returns the body of /readyz, or an error if the server is not ready.
func askReady(ctx context.Context, address string) ([]byte, error) {
	if address == "off" {
		return nil, &locale.Problem{What: locale.Text("healthcheck.off")}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // it listens on every interface
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return nil, err
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return nil, &locale.Problem{What: locale.Text("healthcheck.unreachable", address), Cause: err}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, input.MaxSecret))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = &locale.Problem{What: locale.Text("healthcheck.not_ready", answer.StatusCode, body)}
	}
	return body, err
}
