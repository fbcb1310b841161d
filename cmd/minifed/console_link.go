package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/cmd/minifed/internal/provider"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// newConsole returns the commands for the console.
func newConsole(c *console.Console, flags *settings) *cobra.Command {
	return group("console", newConsoleLink(&operatorEnv{Console: c, settings: flags}))
}

func newConsoleLink(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "link",
		Example: "  minifed console link",
		Args:    exactly(),
		RunE: func(command *cobra.Command, _ []string) error {
			return d.open(command.Context(), func(ctx context.Context, opened *deployment.Deployment) error {
				secret, err := opened.Admin.ConsoleLink(ctx, true)
				if err != nil {
					return err
				}
				link, file := consoleLink(opened.Config, secret), ""
				if !d.Terminal {
					if file, err = writeConsoleLink(opened.Config, link); err != nil {
						return err
					}
					return d.done(writtenLink{file}, "%s", d.Texts.Render(locale.Text("console.link.file", file)))
				}
				d.Printf("%s\n", d.Texts.Render(locale.Text("console.link", link)))
				return nil
			})
		},
	}
}

// writtenLink is the JSON output for a link that was written to a file.
type writtenLink struct {
	File string `json:"file"`
}

// consoleLink is the link for the first owner. Browsers do not send the fragment, so no log of a proxy has the secret.
func consoleLink(settings config.Config, secret string) string {
	return settings.Admin.PublicURL + server.FirstOwnerPath + "#" + secret
}

// consoleLinkFile is the name of the file of the link in the data folder.
const consoleLinkFile = "console-link"

// writeConsoleLink writes the link to a new file that only this user can read.
func writeConsoleLink(settings config.Config, link string) (string, error) {
	path := filepath.Join(settings.DataDir, consoleLinkFile)
	if err := os.MkdirAll(settings.DataDir, 0o700); err != nil {
		return "", err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(link + "\n")
	return path, errors.Join(err, file.Close())
}

// offerConsole gives the operator the link for the first owner, if there is no owner: on a terminal, and otherwise in a file.
func offerConsole(ctx context.Context, c *console.Console, running *provider.Provider, logger *slog.Logger) {
	settings := running.Config
	secret, err := running.Admin.ConsoleLink(ctx, false)
	switch {
	case errors.Is(err, admin.ErrRefused): // An owner exists. An earlier link is worth nothing.
		_ = os.Remove(filepath.Join(settings.DataDir, consoleLinkFile))
	case err != nil:
		logger.Warn("no link to the console could be created: run minifed console link", "cause", err.Error())
	case secret == "":
		logger.Info("the console has no owner yet, and a link was created before; minifed console link creates another one", "console", settings.Admin.PublicURL)
	case c.Terminal && settings.Log.Format == "text":
		c.Printf("\n%s\n", c.Texts.Render(locale.Text("console.link", consoleLink(settings, secret))))
		c.Unread = nil
	default:
		path, err := writeConsoleLink(settings, consoleLink(settings, secret))
		if err != nil {
			logger.Warn("the link to the console could not be written: run minifed console link", "cause", err.Error())
			return
		}
		logger.Warn("the console has no owner yet: open the link in the file within 24 hours", "file", path)
	}
}

// warnOfSharedHost warns if the console shares its host with an issuer: cookies and passkeys are not separated by the port.
func warnOfSharedHost(ctx context.Context, running *provider.Provider, logger *slog.Logger) {
	shared, err := sharedHost(ctx, running.Deployment)
	if err != nil {
		logger.Warn("the hosts of the issuers could not be checked at the start", "cause", err.Error())
	} else if shared != "" {
		logger.Warn("the console shares its host with an issuer, so that a page of the issuer could act in the console: give admin.public_url a host of its own",
			"admin.public_url", running.Config.Admin.PublicURL, "issuer", shared)
	}
}

// sharedHost returns an issuer that has the host of the console; empty if there is none. On this machine all have it.
func sharedHost(ctx context.Context, opened *deployment.Deployment) (string, error) {
	settings := opened.Config
	if settings.Admin.Loopback() {
		return "", nil
	}
	host := hostName(settings.Admin.PublicURL)
	for page := (admin.Page{Limit: storage.MaxPage}); ; {
		directories, next, err := opened.Admin.Directories(ctx, page)
		if err != nil {
			return "", err
		}
		for _, directory := range directories {
			if issuer := settings.IssuerOf(directory); hostName(issuer) == host {
				return issuer, nil
			}
		}
		if page.After = next; next == "" {
			return "", nil
		}
	}
}

// hostName returns the host of an origin without its port.
func hostName(origin string) string {
	parsed, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return parsed.Hostname()
}
