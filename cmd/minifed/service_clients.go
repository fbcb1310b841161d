package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// newServiceClients returns the commands for programs that use the admin API.
func newServiceClients(d *operatorEnv) *cobra.Command {
	return group("client",
		newServiceCreate(d), newServiceList(d), newServiceUpdate(d), newServiceRotate(d),
		serviceState(d, "disable", "disabled", operations.DisableClient),
		serviceState(d, "enable", "enabled", operations.EnableClient),
		newServiceDelete(d),
	)
}

// serviceView is a service client as JSON.
type serviceView struct {
	ClientID  string             `json:"client_id"`
	Name      string             `json:"name,omitempty"`
	Disabled  bool               `json:"disabled,omitempty"`
	Roles     []admin.Assignment `json:"assignments"`
	ExpiresAt time.Time          `json:"expires_at,omitzero"`
	CreatedAt time.Time          `json:"created_at"`
	// Secret is shown only once.
	Secret string `json:"client_secret,omitempty"`
}

func viewService(client storage.Client) serviceView {
	return serviceView{
		ClientID: client.ID, Name: client.Name, Disabled: client.Disabled, Roles: admin.AssignmentsOf(client.Assignments),
		ExpiresAt: client.ExpiresAt, CreatedAt: client.CreatedAt,
	}
}

func serviceFields(client storage.Client) []console.Field {
	return []console.Field{
		{Name: "client_id", Value: client.ID},
		{Name: "name", Value: client.Name},
		{Name: "disabled", Value: yes(client.Disabled)},
		{Name: "roles", Value: rolesText(admin.AssignmentsOf(client.Assignments))},
		{Name: "expires", Value: stamp(client.ExpiresAt)},
	}
}

func newServiceCreate(d *operatorEnv) *cobra.Command {
	given, end, name := new(roles), &expiry{now: d.Now}, ""
	command := &cobra.Command{
		Use:     "create CLIENT_ID",
		Example: "  minifed operator client create ci --role admin:shop --expires 90d\n  minifed operator client create backup --role auditor --expires 2027-06-30",
		Args:    exactly("argument.client"),
	}
	given.add(command.Flags())
	command.Flags().Var(end, "expires", "")
	command.Flags().StringVar(&name, "name", "", "")
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		client, secret, err := service.CreateServiceClient(ctx, admin.NewServiceClient{ID: id, Name: name, Assignments: given.given, ExpiresAt: end.at})
		if err != nil {
			return err
		}
		return d.showServiceSecret(client, secret)
	})
	return command
}

// showServiceSecret prints a service client with its new secret, and how to get a token.
func (d *operatorEnv) showServiceSecret(client storage.Client, secret string) error {
	view := viewService(client)
	view.Secret = secret
	return d.say(view, func() {
		d.PrintFields(append(serviceFields(client), console.Field{Name: "client_secret", Value: secret})...)
		address := d.serverURL()
		if address == "" {
			settings, err := d.load(d.Console)
			if err != nil {
				return
			}
			address = settings.Admin.PublicURL
		}
		d.Printf("\n%s\n", d.Texts.Render(locale.Text("operator.client.secret", client.ID, address, server.APIPath)))
	})
}

func newServiceList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{Use: "list", Example: "  minifed operator client list", Args: exactly()}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		found, next, err := collect(*pages, func(page admin.Page) ([]storage.Client, string, error) { return service.ServiceClients(ctx, page) })
		if err != nil {
			return err
		}
		views, rows := []serviceView{}, [][]string{}
		for _, client := range found {
			views = append(views, viewService(client))
			rows = append(rows, []string{client.ID, client.Name, yes(client.Disabled), rolesText(admin.AssignmentsOf(client.Assignments)), stamp(client.ExpiresAt)})
		}
		return d.printList(views, next, []string{"CLIENT_ID", "NAME", "DISABLED", "ROLES", "EXPIRES"}, rows)
	})
	pages.add(command)
	return command
}

func newServiceUpdate(d *operatorEnv) *cobra.Command {
	given, end, name := new(roles), &expiry{now: d.Now}, ""
	command := &cobra.Command{
		Use: "update CLIENT_ID", Example: "  minifed operator client update ci --role auditor --expires 30d", Args: exactly("argument.client"),
	}
	given.add(command.Flags())
	command.Flags().Var(end, "expires", "")
	command.Flags().StringVar(&name, "name", "", "")
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		change := admin.ServiceClientUpdate{}
		if command.Flags().Changed("role") {
			change.Assignments = &given.given
		}
		if command.Flags().Changed("expires") {
			change.ExpiresAt = &end.at
		}
		if command.Flags().Changed("name") {
			change.Name = &name
		}
		client, err := service.UpdateServiceClient(ctx, id, change)
		if err != nil {
			return err
		}
		return d.say(viewService(client), func() { d.PrintFields(serviceFields(client)...) })
	})
	return command
}

func newServiceRotate(d *operatorEnv) *cobra.Command {
	alone := false
	command := &cobra.Command{
		Use: "rotate-secret CLIENT_ID", Example: "  minifed operator client rotate-secret ci\n  minifed operator client rotate-secret ci --alone", Args: exactly("argument.client"),
	}
	command.Flags().BoolVar(&alone, "alone", false, "")
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		secret, err := service.RotateClientSecret(ctx, storage.OperatorsDirectory, id, "", alone)
		if err != nil {
			return err
		}
		entry, err := service.Client(ctx, storage.OperatorsDirectory, id)
		if err != nil {
			return err
		}
		return d.showServiceSecret(entry.Record, secret)
	})
	return command
}

// serviceState returns a command that changes the state of a service client.
func serviceState(
	d *operatorEnv, name, done string, change func(operations, context.Context, string, string) (*storage.Entry[storage.Client], error),
) *cobra.Command {
	return &cobra.Command{
		Use: name + " CLIENT_ID", Example: "  minifed operator client " + name + " ci", Args: exactly("argument.client"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
			entry, err := change(service, ctx, storage.OperatorsDirectory, id)
			if err != nil {
				return err
			}
			return d.done(viewService(entry.Record), "Client %q is %s.", id, done)
		}),
	}
}

func newServiceDelete(d *operatorEnv) *cobra.Command {
	sure := new(confirmation)
	command := &cobra.Command{
		Use: "delete CLIENT_ID", Example: "  minifed operator client delete ci --yes", Args: exactly("argument.client"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		if err := sure.ask(ctx, d.Console, "client "+id, id); err != nil {
			return err
		}
		if err := service.DeleteClient(ctx, storage.OperatorsDirectory, id); err != nil {
			return err
		}
		return d.done(deleted{id}, "Client %q is deleted.", id)
	})
	sure.add(command)
	return command
}
