package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

func newClient(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	command := group("client", "Create and change clients: mini-programs, apps, relying parties", clientHelp,
		newClientCreate(d), newClientList(d), newClientShow(d), newClientUpdate(d),
		clientState(d, "disable", "Disable a client: its requests and its tokens are rejected", (*admin.Service).DisableClient),
		clientState(d, "enable", "Enable a disabled client", (*admin.Service).EnableClient),
		newClientDelete(d), newClientRotateSecret(d), newClientSetAppSecret(d),
	)
	d.atDirectory(command)
	return command
}

const clientHelp = `A client is a program that signs users in, or calls an API, with tokens of this directory. Its kind decides what it may do:

  wechat_miniapp   a WeChat mini-program; its backend authenticates with a secret and exchanges codes of wx.login
  spa              an application in the browser: authorization code and PKCE, no secret
  native           an app on a phone or a computer: authorization code and PKCE, no secret
  web              an application on a server: authorization code, with a secret
  service          a program without users: client_credentials

A running server applies a change within five seconds.`

// clientView is a client as an operator sees it, without its credentials.
type clientView struct {
	// ClientID is the client's ID under its name in RFC 7591 §3.2.1. NoID hides the record's own name.
	ClientID string    `json:"client_id"`
	NoID     *struct{} `json:"id,omitempty"`
	storage.Client
	// TokenEndpointAuthMethod is the method under its name in RFC 7591 §2.
	TokenEndpointAuthMethod string `json:"token_endpoint_auth_method"`
	// Secrets hides the hashes; it is their number.
	Secrets int `json:"secrets"`
	// Secret is shown once, when it is created.
	Secret string `json:"client_secret,omitempty"`
}

func viewClient(client storage.Client) clientView {
	view := clientView{
		ClientID: client.ID, Client: client, Secrets: len(client.Secrets), TokenEndpointAuthMethod: client.TokenEndpointAuthMethod(),
	}
	if client.Federation != nil {
		federation := *client.Federation
		federation.AppSecret = ""
		view.Federation = &federation
	}
	return view
}

func newClientCreate(d *operatorEnv) *cobra.Command {
	chosen, appSecret := &secretSource{name: "secret"}, &secretSource{name: "app-secret"}
	command := &cobra.Command{
		Use:   "create",
		Short: "Create a client",
		Long: `Creates a client and prints its client_id and, once, its secret. The kind decides the defaults of all other settings.

The AppSecret of a mini-program is typed at a prompt, or read from standard input or from a file. It is sealed by the master key.`,
		Example: `  minifed client create --kind wechat_miniapp --app-id wx0123456789abcdef --name "Our shop"
  minifed client create --kind wechat_miniapp --app-id wx0123456789abcdef --app-secret-file ./appsecret
  minifed client create --kind spa --id web --redirect-uri https://shop.example.com/callback --origin https://shop.example.com
  minifed client create --kind native --redirect-uri com.example.shop:/callback
  minifed client create --kind native --redirect-uri com.example.shop://callback --origin capacitor://localhost --origin https://localhost
  minifed client create --kind service --scope orders:read --output json`,
		Args: exactly(),
	}
	fields := newClientFields(command)
	fields.text("kind", "wechat_miniapp, spa, native, web or service", func(c *storage.Client) *string { return (*string)(&c.Kind) })
	fields.text("id", "a client_id of your choice; the default is a random one", func(c *storage.Client) *string { return &c.ID })
	chosen.add(command, "a client secret of your choice; the default is a random one, which is safer")
	appSecret.add(command, "the mini-program's AppSecret; the default is a prompt")
	command.RunE = func(command *cobra.Command, _ []string) error {
		requested := admin.NewClient{}
		if err := fields.load(); err != nil {
			return err
		}
		fields.apply(&requested.Client)
		if requested.Kind == "" {
			return usagef("--kind is missing: wechat_miniapp, spa, native, web or service")
		}
		if requested.Kind == storage.ClientMiniapp && appIDOf(requested.Client) == "" {
			return usagef("--app-id is missing: the AppID is in WeChat's console")
		}
		return d.work(command.Context(), func(ctx context.Context, service *admin.Service) error {
			if err := readClientSecrets(ctx, d, &requested, chosen, appSecret); err != nil {
				return err
			}
			return createClient(ctx, d, service, requested)
		})
	}
	return command
}

func readClientSecrets(ctx context.Context, d *operatorEnv, requested *admin.NewClient, chosen, appSecret *secretSource) (err error) {
	if chosen.stdin && appSecret.stdin {
		return usagef("--secret-stdin and --app-secret-stdin exclude each other: standard input holds one secret")
	}
	if chosen.given() {
		if requested.Secret, err = chosen.read(ctx, d.Console, ""); err != nil {
			return err
		}
	}
	if requested.Kind != storage.ClientMiniapp && !appSecret.given() {
		return nil
	}
	secret, err := appSecret.read(ctx, d.Console, fmt.Sprintf("AppSecret of %s: ", appIDOf(requested.Client)))
	requested.AppSecret = wechat.AppSecret(secret)
	return err
}

func createClient(ctx context.Context, d *operatorEnv, service *admin.Service, requested admin.NewClient) error {
	requested.Directory = d.directory
	entry, secret, err := service.CreateClient(ctx, requested)
	if err != nil {
		return err
	}
	view := viewClient(entry.Record)
	view.Secret = secret
	return d.say(view, func() {
		d.Printf("Client %q is created in directory %q.\n\n", view.ID, view.Directory)
		d.printClient(view)
		if secret != "" && requested.Secret == "" {
			d.Printf("\nThe secret is shown only this once: store it where the client's backend reads it.\n")
		}
	})
}

func newClientList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{
		Use:     "list",
		Short:   "List the clients of a directory",
		Long:    "Lists the clients of a directory, oldest first.",
		Example: "  minifed client list\n  minifed client list --directory shop --all --output json",
		Args:    exactly(),
	}
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, _ string) error {
		clients, next, err := collect(*pages, func(page admin.Page) ([]storage.Client, string, error) {
			return service.Clients(ctx, d.directory, page)
		})
		if err != nil {
			return err
		}
		views, rows := []clientView{}, [][]string{}
		for _, client := range clients {
			views = append(views, viewClient(client))
			rows = append(rows, []string{client.ID, string(client.Kind), client.Name, appIDOf(client), suffix("disabled", client.Disabled), stamp(client.CreatedAt)})
		}
		return d.printList(views, next, []string{"CLIENT_ID", "KIND", "NAME", "APPID", "STATE", "CREATED"}, rows)
	})
	pages.add(command)
	return command
}

func appIDOf(client storage.Client) string {
	if client.Federation == nil {
		return ""
	}
	return client.Federation.AppID
}

func newClientShow(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "show CLIENT_ID",
		Short:   "Show a client",
		Long:    "Shows all settings of a client except its secrets.",
		Example: "  minifed client show shop\n  minifed client show shop --output json",
		Args:    exactly("the client's ID"),
		RunE: d.job(func(ctx context.Context, service *admin.Service, id string) error {
			entry, err := service.Client(ctx, d.directory, id)
			if err != nil {
				return err
			}
			view := viewClient(entry.Record)
			return d.say(view, func() { d.printClient(view) })
		}),
	}
}

func newClientUpdate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use:   "update CLIENT_ID",
		Short: "Change a client",
		Long: `Changes only the settings whose options are present. An option that may be repeated replaces the whole list; "" empties the list.
Kind and ID never change. Secrets have separate commands.`,
		Example: `  minifed client update shop --name "Our new shop"
  minifed client update shop --redirect-uri https://shop.example.com/callback --redirect-uri https://beta.example.com/callback
  minifed client update mini --provisioning bind`,
		Args: exactly("the client's ID"),
	}
	fields := newClientFields(command)
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, id string) error {
		if err := fields.load(); err != nil {
			return err
		}
		entry, err := service.UpdateClient(ctx, d.directory, id, "", fields.apply)
		if err != nil {
			return err
		}
		view := viewClient(entry.Record)
		return d.say(view, func() { d.printClient(view) })
	})
	return command
}

// clientState returns the command that disables or enables a client.
func clientState(d *operatorEnv, name, short string, change func(*admin.Service, context.Context, string, string) (*storage.Entry[storage.Client], error)) *cobra.Command {
	return &cobra.Command{
		Use:     name + " CLIENT_ID",
		Short:   short,
		Long:    short + ". A running server applies this within five seconds.",
		Example: "  minifed client " + name + " shop",
		Args:    exactly("the client's ID"),
		RunE: d.job(func(ctx context.Context, service *admin.Service, id string) error {
			entry, err := change(service, ctx, d.directory, id)
			if err != nil {
				return err
			}
			return d.done(viewClient(entry.Record), "Client %q is %sd.", id, name)
		}),
	}
}

func newClientDelete(d *operatorEnv) *cobra.Command {
	sure := new(confirmation)
	command := &cobra.Command{
		Use:     "delete CLIENT_ID",
		Short:   "Delete a client",
		Long:    "Deletes a client. Its tokens, consents and sign-ins in progress end on every instance within five seconds. A later client with the same\nID has none of them. The client is also removed from the linking partners of other clients. Unlike this, `disable` can be undone.",
		Example: "  minifed client delete shop\n  minifed client delete shop --yes",
		Args:    exactly("the client's ID"),
	}
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, id string) error {
		if err := sure.ask(ctx, d.Console, "client "+id, id); err != nil {
			return err
		}
		if err := service.DeleteClient(ctx, d.directory, id); err != nil {
			return err
		}
		return d.done(deleted{id}, "Client %q is deleted.", id)
	})
	sure.add(command)
	return command
}

// deleted is the JSON output of a deletion.
type deleted struct {
	Deleted string `json:"deleted"`
}

// newSecret is the JSON output of a new client secret.
type newSecret struct {
	ClientID string `json:"client_id"`
	Secret   string `json:"client_secret"`
}

func newClientRotateSecret(d *operatorEnv) *cobra.Command {
	chosen, alone := &secretSource{name: "secret"}, false
	command := &cobra.Command{
		Use:   "rotate-secret CLIENT_ID",
		Short: "Create a new secret of a client",
		Long: `Creates a new secret of a client and prints it once. Up to three earlier secrets remain valid until this command runs with --alone, so
that the client's backend can change to the new one without an interruption.`,
		Example: "  minifed client rotate-secret shop\n  minifed client rotate-secret shop --alone",
		Args:    exactly("the client's ID"),
	}
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, id string) (err error) {
		given := ""
		if chosen.given() {
			if given, err = chosen.read(ctx, d.Console, ""); err != nil {
				return err
			}
		}
		secret, err := service.RotateClientSecret(ctx, d.directory, id, given, alone)
		if err != nil {
			return err
		}
		if given != "" {
			return d.done(chosenSecret{id}, "Client %q has the secret of your choice.", id)
		}
		return d.say(newSecret{id, secret}, func() {
			d.PrintFields(console.Field{Name: "client_id", Value: id}, console.Field{Name: "client_secret", Value: secret})
			d.Printf("\nThe secret is shown only this once: store it where the client's backend reads it.\n")
		})
	})
	chosen.add(command, "a client secret of your choice; the default is a random one, which is safer")
	command.Flags().BoolVar(&alone, "alone", false, "reject all earlier secrets at once")
	return command
}

// chosenSecret is the JSON output for a secret of the operator's choice, which is never printed.
type chosenSecret struct {
	ClientID string `json:"client_id"`
}

func newClientSetAppSecret(d *operatorEnv) *cobra.Command {
	source := &secretSource{name: "app-secret"}
	command := &cobra.Command{
		Use:     "set-app-secret CLIENT_ID",
		Short:   "Replace a mini-program's AppSecret",
		Long:    "Replaces the AppSecret of a mini-program after a reset in WeChat's console. A running server uses it within five seconds.",
		Example: "  minifed client set-app-secret mini\n  minifed client set-app-secret mini --app-secret-stdin < ./appsecret",
		Args:    exactly("the client's ID"),
	}
	command.RunE = d.job(func(ctx context.Context, service *admin.Service, id string) error {
		entry, err := service.Client(ctx, d.directory, id)
		if err != nil {
			return err
		}
		secret, err := source.read(ctx, d.Console, fmt.Sprintf("AppSecret of %s: ", appIDOf(entry.Record)))
		if err != nil {
			return err
		}
		if err := service.SetAppSecret(ctx, d.directory, id, wechat.AppSecret(secret)); err != nil {
			return err
		}
		return d.done(viewClient(entry.Record), "Client %q has a new AppSecret.", id)
	})
	source.add(command, "the AppSecret; the default is a prompt")
	return command
}
