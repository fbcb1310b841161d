package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
)

func newResource(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	command := group("resource",
		newResourceCreate(d), newResourceList(d), newResourceShow(d), newResourceUpdate(d),
		resourceState(d, "disable", operations.DisableResource),
		resourceState(d, "enable", operations.EnableResource),
		newResourceDelete(d),
	)
	d.atDirectory(command)
	return command
}

// viewResource returns a resource without what only the store needs.
func viewResource(resource storage.Resource) storage.Resource {
	resource.DirectoryIncarnation, resource.Incarnation = "", ""
	return resource
}

func (d *operatorEnv) printResource(resource storage.Resource) {
	rows := []console.Field{
		{Name: "identifier", Value: resource.Identifier},
		{Name: "directory", Value: resource.Directory},
		{Name: "name", Value: resource.Name},
		{Name: "state", Value: suffix("disabled", resource.Disabled)},
		{Name: "asked_by", Value: string(resource.Asked())},
		{Name: "introspected_by", Value: spaced(resource.IntrospectedBy)},
		{Name: "token_format", Value: string(resource.TokenFormat)},
		{Name: "token_algorithm", Value: resource.TokenAlgorithm},
		{Name: "token_lifetime", Value: setting.SecondsText(resource.TokenLifetime)},
	}
	for _, scope := range resource.Scopes {
		rows = append(rows, console.Field{Name: "scope", Value: setting.ScopeText(scope)})
	}
	d.PrintFields(append(rows,
		console.Field{Name: "created", Value: stamp(resource.CreatedAt)}, console.Field{Name: "updated", Value: stamp(resource.UpdatedAt)})...)
}

// sayResource prints a resource.
func (d *operatorEnv) sayResource(entry *storage.Entry[storage.Resource], err error) error {
	if err != nil {
		return err
	}
	view := viewResource(entry.Record)
	return d.say(view, func() { d.printResource(view) })
}

func newResourceCreate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use: "create IDENTIFIER",
		Example: `  minifed resource create https://api.example.com --name Orders --scope "*orders:read Read your orders | 读取你的订单" --scope "orders:write Change your orders"
  minifed resource create https://mcp.example.com/mcp --asked-by any --token-format opaque --introspected-by mcp-server`,
		Args: exactly("argument.resource"),
	}
	fields := newFields[storage.Resource](command.Flags())
	fields.add(setting.Resource())
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := fields.load(); err != nil {
			return err
		}
		requested := storage.Resource{Identifier: args[0]}
		fields.apply(&requested)
		return d.operate(command.Context(), func(ctx context.Context, service operations) error {
			requested.Directory = d.directory
			return d.sayResource(service.CreateResource(ctx, requested))
		})
	}
	return command
}

func newResourceList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{Use: "list", Example: "  minifed resource list\n  minifed resource list --output json", Args: exactly()}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		resources, next, err := collect(*pages, func(page admin.Page) ([]storage.Resource, string, error) {
			return service.Resources(ctx, d.directory, page)
		})
		if err != nil {
			return err
		}
		views, rows := []storage.Resource{}, [][]string{}
		for _, resource := range resources {
			views = append(views, viewResource(resource))
			rows = append(rows, []string{
				resource.Identifier, resource.Name, spaced(resource.ScopeNames()), string(resource.Asked()), suffix("disabled", resource.Disabled), stamp(resource.CreatedAt),
			})
		}
		return d.printList(views, next, []string{"IDENTIFIER", "NAME", "SCOPES", "ASKED BY", "STATE", "CREATED"}, rows)
	})
	pages.add(command)
	return command
}

func newResourceShow(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "show IDENTIFIER",
		Example: "  minifed resource show https://api.example.com",
		Args:    exactly("argument.resource"),
		RunE: d.operation(func(ctx context.Context, service operations, identifier string) error {
			return d.sayResource(service.Resource(ctx, d.directory, identifier))
		}),
	}
}

func newResourceUpdate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use:     "update IDENTIFIER",
		Example: "  minifed resource update https://api.example.com --asked-by registered\n  minifed resource update https://api.example.com --token-format jwt --token-lifetime 5m",
		Args:    exactly("argument.resource"),
	}
	fields := newFields[storage.Resource](command.Flags())
	fields.add(setting.Resource())
	command.RunE = d.operation(func(ctx context.Context, service operations, identifier string) error {
		if err := fields.load(); err != nil {
			return err
		}
		return d.sayResource(service.UpdateResource(ctx, d.directory, identifier, "", fields.apply))
	})
	return command
}

// resourceState returns the command that disables or enables a resource.
func resourceState(d *operatorEnv, name string, change func(operations, context.Context, string, string) (*storage.Entry[storage.Resource], error)) *cobra.Command {
	return &cobra.Command{
		Use:     name + " IDENTIFIER",
		Example: "  minifed resource " + name + " https://api.example.com",
		Args:    exactly("argument.resource"),
		RunE: d.operation(func(ctx context.Context, service operations, identifier string) error {
			entry, err := change(service, ctx, d.directory, identifier)
			if err != nil {
				return err
			}
			return d.done(viewResource(entry.Record), "Resource %s is %sd.", identifier, name)
		}),
	}
}

func newResourceDelete(d *operatorEnv) *cobra.Command {
	sure := new(confirmation)
	command := &cobra.Command{
		Use:     "delete IDENTIFIER",
		Example: "  minifed resource delete https://api.example.com --yes",
		Args:    exactly("argument.resource"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, identifier string) error {
		if err := sure.ask(ctx, d.Console, "resource "+identifier, identifier); err != nil {
			return err
		}
		if err := service.DeleteResource(ctx, d.directory, identifier); err != nil {
			return err
		}
		return d.done(deleted{identifier}, "Resource %s is deleted.", identifier)
	})
	sure.add(command)
	return command
}
