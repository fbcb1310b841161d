package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/relyingparty"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

func newClient(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	command := group("client",
		newClientCreate(d), newClientList(d), newClientShow(d), newClientUpdate(d),
		clientState(d, "disable", operations.DisableClient),
		clientState(d, "enable", operations.EnableClient),
		newClientDelete(d), newClientRotateSecret(d), newClientSetAppSecret(d), newClientSetPushKeys(d), newClientTest(d), newInitialTokens(d),
	)
	d.atDirectory(command)
	return command
}

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
	// PushEvents says that the client has the keys of a message push.
	PushEvents bool `json:"push_events,omitempty"`
	// Secret is shown once, when it is created.
	Secret string `json:"client_secret,omitempty"`
	// Issuer and Discovery are what a relying party of a new client needs, and Configuration is its configuration text.
	Issuer        string `json:"issuer,omitempty"`
	Discovery     string `json:"discovery,omitempty"`
	Configuration string `json:"configuration,omitempty"`
}

func viewClient(client storage.Client) clientView {
	view := clientView{
		ClientID: client.ID, Client: client, Secrets: len(client.Secrets), TokenEndpointAuthMethod: client.TokenEndpointAuthMethod(),
	}
	if client.Federation != nil {
		federation := *client.Federation
		federation.AppSecret, federation.PushToken, federation.EncodingAESKey = "", "", ""
		view.PushEvents = admin.ReceivesPush(client)
		view.Federation = &federation
	}
	return view
}

func newClientCreate(d *operatorEnv) *cobra.Command {
	chosen, appSecret := &secretSource{name: "secret"}, &secretSource{name: "app-secret"}
	party := new(partyFlags)
	command := &cobra.Command{
		Use: "create",
		Example: `  minifed client create --kind wechat_miniapp --app-id wx0123456789abcdef --name "Our shop"
  minifed client create --kind wechat_miniapp --app-id wx0123456789abcdef --app-secret-file ./appsecret
  minifed client create --for spring-boot --url https://shop.example.com
  minifed client create --for list
  minifed client create --kind spa --id web --redirect-uri https://shop.example.com/callback --origin https://shop.example.com
  minifed client create --kind native --redirect-uri com.example.shop:/callback
  minifed client create --kind native --redirect-uri com.example.shop://callback --origin capacitor://localhost --origin https://localhost
  minifed client create --kind service --scope orders:read --output json`,
		Args: exactly(),
	}
	fields := newClientFields(command)
	fields.text("kind", func(c *storage.Client) *string { return (*string)(&c.Kind) })
	fields.text("id", func(c *storage.Client) *string { return &c.ID })
	party.add(command)
	chosen.add(command)
	appSecret.add(command)
	command.RunE = func(command *cobra.Command, _ []string) error {
		if party.name == listParties {
			return d.printParties()
		}
		requested, row, err := requestedClient(fields, party)
		if err != nil {
			return err
		}
		return d.operate(command.Context(), func(ctx context.Context, service operations) error {
			if err := readClientSecrets(ctx, d, &requested, chosen, appSecret); err != nil {
				return err
			}
			view, err := createClient(ctx, d, service, requested)
			if err == nil && row != nil {
				err = party.addConfiguration(*row, requested.Secret != "", &view)
			}
			if err != nil {
				return err
			}
			return d.say(view, func() { d.printNewClient(view, requested.Secret == "", row) })
		})
	}
	return command
}

// requestedClient returns the client that the flags describe, and the row of the relying party if they name one.
func requestedClient(fields *fields[storage.Client], flags *partyFlags) (requested admin.NewClient, row *relyingparty.Party, err error) {
	if err := fields.load(); err != nil {
		return requested, nil, err
	}
	if flags.name != "" {
		party, client, err := flags.client(fields)
		requested.Client = client
		return requested, &party, err
	}
	if flags.address != "" {
		return requested, nil, wrongUsage("usage.client.url_alone")
	}
	fields.apply(&requested.Client)
	if requested.Kind == "" {
		return requested, nil, wrongUsage("usage.client.kind")
	}
	if requested.Kind == storage.ClientMiniapp && appIDOf(requested.Client) == "" {
		return requested, nil, wrongUsage("usage.client.app_id")
	}
	return requested, nil, nil
}

func readClientSecrets(ctx context.Context, d *operatorEnv, requested *admin.NewClient, chosen, appSecret *secretSource) (err error) {
	if chosen.stdin && appSecret.stdin {
		return wrongUsage("usage.exclude", "--secret-stdin", "--app-secret-stdin")
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

func createClient(ctx context.Context, d *operatorEnv, service operations, requested admin.NewClient) (clientView, error) {
	requested.Directory = d.directory
	entry, secret, err := service.CreateClient(ctx, requested)
	if err != nil {
		return clientView{}, err
	}
	view := viewClient(entry.Record)
	view.Secret = secret
	return view, addIssuer(ctx, service, &view)
}

// printNewClient prints a client that was created. row is that of its relying party, if the operator named one.
func (d *operatorEnv) printNewClient(view clientView, generated bool, row *relyingparty.Party) {
	d.Printf("Client %q is created in directory %q.\n\n", view.ID, view.Directory)
	d.printClient(view)
	if row != nil {
		d.printConfiguration(*row, view)
	}
	if view.Secret != "" && generated {
		d.Printf("\nThe secret is shown only this once: store it where the client's backend reads it.\n")
	}
}

func newClientList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{
		Use:     "list",
		Example: "  minifed client list\n  minifed client list --directory shop --all --output json",
		Args:    exactly(),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		clients, next, err := collect(*pages, func(page admin.Page) ([]storage.Client, string, error) {
			return service.Clients(ctx, d.directory, page)
		})
		if err != nil {
			return err
		}
		views, rows := []clientView{}, [][]string{}
		for _, client := range clients {
			views = append(views, viewClient(client))
			rows = append(rows, []string{client.ID, string(client.Kind), string(client.Origin), client.Name, appIDOf(client), suffix("disabled", client.Disabled), stamp(client.CreatedAt)})
		}
		return d.printList(views, next, []string{"CLIENT_ID", "KIND", "ORIGIN", "NAME", "APPID", "STATE", "CREATED"}, rows)
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
		Example: "  minifed client show shop\n  minifed client show shop --output json",
		Args:    exactly("argument.client"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
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
		Use: "update CLIENT_ID",
		Example: `  minifed client update shop --name "Our new shop"
  minifed client update shop --redirect-uri https://shop.example.com/callback --redirect-uri https://beta.example.com/callback
  minifed client update mini --provisioning bind`,
		Args: exactly("argument.client"),
	}
	fields := newClientFields(command)
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
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
func clientState(d *operatorEnv, name string, change func(operations, context.Context, string, string) (*storage.Entry[storage.Client], error)) *cobra.Command {
	return &cobra.Command{
		Use:     name + " CLIENT_ID",
		Example: "  minifed client " + name + " shop",
		Args:    exactly("argument.client"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
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
		Example: "  minifed client delete shop\n  minifed client delete shop --yes",
		Args:    exactly("argument.client"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
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
		Use:     "rotate-secret CLIENT_ID",
		Example: "  minifed client rotate-secret shop\n  minifed client rotate-secret shop --alone",
		Args:    exactly("argument.client"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) (err error) {
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
	chosen.add(command)
	command.Flags().BoolVar(&alone, "alone", false, "")
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
		Example: "  minifed client set-app-secret mini\n  minifed client set-app-secret mini --app-secret-stdin < ./appsecret",
		Args:    exactly("argument.client"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
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
	source.add(command)
	return command
}
