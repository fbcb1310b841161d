package main

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/remote"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// The variables of commands that call a server.
const (
	serverVariable       = "MINIFED_SERVER"
	clientVariable       = "MINIFED_CLIENT_ID"
	secretVariable       = "MINIFED_CLIENT_SECRET"
	secretFileVariable   = "MINIFED_CLIENT_SECRET_FILE"
	defaultDirectoryName = "default"
)

// callTime bounds a call of the admin API.
const callTime = time.Minute

// serverURL returns the origin of the server that a command calls; empty for the store.
func (d *operatorEnv) serverURL() string { return d.serverOf(d.Console) }

// serverOf returns the server that the command line or the environment names; empty for the store.
func (s *settings) serverOf(c *console.Console) string {
	return cmp.Or(s.server, c.Variable(serverVariable))
}

// operate opens the store, or calls the server that the command line or the environment names.
func (d *operatorEnv) operate(ctx context.Context, do func(context.Context, operations) error) error {
	server := d.serverURL()
	if server == "" {
		return d.work(ctx, func(ctx context.Context, service *admin.Service) error { return do(ctx, storeOperations{service}) })
	}
	client, err := d.remote(server)
	if err != nil {
		return err
	}
	if d.directory == "" {
		d.directory = cmp.Or(d.Variable("MINIFED_DEFAULT_DIRECTORY"), defaultDirectoryName)
	}
	return do(ctx, client)
}

// remote returns a client of a server, with the credentials of a service client or the sign-in of an operator.
func (d *operatorEnv) remote(server string) (*remote.Client, error) {
	if err := storage.CheckOrigin(server); err != nil {
		return nil, wrongUsage("usage.flag.invalid", "--server", server, err)
	}
	httpClient := d.httpClient()
	id := d.Variable(clientVariable)
	if id == "" {
		return remote.NewClient(server, httpClient, d.session(server, httpClient)), nil
	}
	secret := d.Variable(secretVariable)
	if file := d.Variable(secretFileVariable); secret == "" && file != "" {
		var err error
		if secret, err = input.ReadSecretFile(file); err != nil {
			return nil, err
		}
	}
	if secret == "" {
		return nil, wrongUsage("usage.server.secret", clientVariable, secretVariable, secretFileVariable)
	}
	credentials := &remote.Credentials{Server: server, ClientID: id, Secret: secret, HTTP: httpClient, Now: d.Now}
	return remote.NewClient(server, httpClient, credentials), nil
}

func (d *operatorEnv) httpClient() *http.Client {
	client := remote.HTTPClient(&http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: callTime})
	client.Timeout = callTime
	return client
}

// session returns the stored sign-in of an operator.
func (d *operatorEnv) session(server string, client *http.Client) *remote.Session {
	return &remote.Session{Server: server, Logins: remote.Logins{Folder: d.loginsFolder()}, HTTP: client, Now: d.Now}
}

// loginsFolder is the folder of stored sign-ins, below the user's configuration folder.
func (d *operatorEnv) loginsFolder() string {
	folder := d.Variable("XDG_CONFIG_HOME")
	if folder == "" {
		var err error
		if folder, err = os.UserConfigDir(); err != nil {
			folder = d.Variable("HOME")
		}
	}
	return filepath.Join(folder, "minifed", "logins")
}

// operation returns the function that cobra calls for a command: do gets the command's argument, if it has one.
func (d *operatorEnv) operation(do func(ctx context.Context, service operations, argument string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		argument := ""
		if len(args) > 0 {
			argument = args[0]
		}
		return d.operate(command.Context(), func(ctx context.Context, service operations) error { return do(ctx, service, argument) })
	}
}

// userOperation is operation for a command whose argument names a user: do gets the user's ID.
func (d *operatorEnv) userOperation(do func(ctx context.Context, service operations, id string) error) func(*cobra.Command, []string) error {
	return d.operation(func(ctx context.Context, service operations, named string) error {
		id, err := service.UserID(ctx, d.directory, named)
		if err != nil {
			return err
		}
		return do(ctx, service, id)
	})
}
