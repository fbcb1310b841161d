package main

import (
	"context"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/cmd/minifed/internal/remote"
	"github.com/minifed/minifed/storage"
)

// signedIn is the JSON output of a sign-in.
type signedIn struct {
	Server string `json:"server"`
}

func newLogin(c *console.Console, flags *settings) *cobra.Command {
	d, quiet := &operatorEnv{Console: c, settings: flags}, false
	command := &cobra.Command{
		Use:     "login",
		Example: "  minifed --server https://admin.example.com login\n  minifed --server https://admin.example.com client list",
		Args:    exactly(),
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		server, err := d.requiredServer()
		if err != nil {
			return err
		}
		signIn := &remote.SignIn{
			Server: server, HTTP: d.httpClient(), Random: c.Random, Now: c.Now, Done: c.Texts.Render(locale.Text("login.done")),
			Open: func(ctx context.Context, address string) error {
				c.Notef("%s\n", c.Texts.Render(locale.Text("login.open", address)))
				if !quiet {
					openBrowser(ctx, address)
				}
				return nil
			},
		}
		login, err := signIn.Run(command.Context())
		if err != nil {
			return err
		}
		if err := (remote.Logins{Folder: d.loginsFolder()}).Save(login); err != nil {
			return err
		}
		return d.done(signedIn{server}, "You are signed in at %s. Commands with --server %s use this sign-in.", server, server)
	}
	command.Flags().BoolVar(&quiet, "no-browser", false, "")
	return command
}

func newLogout(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	return &cobra.Command{
		Use:     "logout",
		Example: "  minifed --server https://admin.example.com logout",
		Args:    exactly(),
		RunE: func(command *cobra.Command, _ []string) error {
			server, err := d.requiredServer()
			if err != nil {
				return err
			}
			if err := d.session(server, d.httpClient()).SignOut(command.Context()); err != nil {
				return err
			}
			return d.done(signedIn{server}, "You are signed out at %s.", server)
		},
	}
}

// requiredServer returns the server of a command that needs one.
func (d *operatorEnv) requiredServer() (string, error) {
	server := d.serverURL()
	if server == "" {
		return "", wrongUsage("usage.server.missing", serverVariable)
	}
	if err := storage.CheckOrigin(server); err != nil {
		return "", wrongUsage("usage.flag.invalid", "--server", server, err)
	}
	return server, nil
}

// openBrowser shows an address in the operator's browser, if there is one. The address is also printed.
func openBrowser(ctx context.Context, address string) {
	command := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open"}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	_ = exec.CommandContext(ctx, command[0], append(command[1:], address)...).Start() //nolint:gosec // The address is that of the operator's server.
}
