package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/server/admin/setting"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

func newConnection(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	command := group("connection",
		newConnectionCreate(d), newConnectionList(d), newConnectionShow(d), newConnectionUpdate(d),
		connectionState(d, "disable", operations.DisableConnection),
		connectionState(d, "enable", operations.EnableConnection),
		newConnectionSecret(d), newConnectionSetPushKeys(d), newConnectionTest(d), newConnectionDelete(d),
	)
	d.atDirectory(command)
	return command
}

// connectionView is the JSON output of a connection.
type connectionView struct {
	storage.Connection
	// PushEvents says that the connection has the keys of a message push.
	PushEvents bool `json:"push_events,omitempty"`
	// PushURL is what the operator enters in WeChat's console; only set-push-keys shows it.
	PushURL string `json:"push_url,omitempty"`
}

// viewConnection returns a connection without its secrets.
func viewConnection(connection storage.Connection) connectionView {
	view := connectionView{Connection: connection, PushEvents: admin.ConnectionReceivesPush(connection)}
	view.AppSecret, view.PushToken, view.EncodingAESKey, view.DirectoryIncarnation = "", "", "", ""
	return view
}

func (d *operatorEnv) printConnection(connection connectionView) {
	d.PrintFields(
		console.Field{Name: "app_id", Value: connection.AppID},
		console.Field{Name: "directory", Value: connection.Directory},
		console.Field{Name: "kind", Value: string(connection.Kind)},
		console.Field{Name: "name", Value: connection.Name},
		console.Field{Name: "state", Value: suffix("disabled", connection.Disabled)},
		console.Field{Name: "open_platform", Value: connection.OpenPlatform},
		console.Field{Name: "provisioning", Value: string(connection.Provisioning)},
		console.Field{Name: "push_events", Value: yes(connection.PushEvents)},
		console.Field{Name: "created", Value: stamp(connection.CreatedAt)},
		console.Field{Name: "updated", Value: stamp(connection.UpdatedAt)},
	)
}

// sayConnection prints a connection.
func (d *operatorEnv) sayConnection(entry *storage.Entry[storage.Connection], err error) error {
	if err != nil {
		return err
	}
	view := viewConnection(entry.Record)
	return d.say(view, func() { d.printConnection(view) })
}

func newConnectionCreate(d *operatorEnv) *cobra.Command {
	appSecret := &secretSource{name: "app-secret"}
	command := &cobra.Command{
		Use: "create",
		Example: `  minifed connection create --kind website --app-id wx0123456789abcdef --open-platform shop
  minifed connection create --kind official-account --app-id wx0123456789abcdef --app-secret-file ./appsecret`,
		Args: exactly(),
	}
	fields := newFields[storage.Connection](command.Flags())
	fields.add(setting.Connection())
	fields.text("kind", func(c *storage.Connection) *string { return (*string)(&c.Kind) })
	fields.text("app-id", func(c *storage.Connection) *string { return &c.AppID })
	appSecret.add(command)
	command.RunE = func(command *cobra.Command, _ []string) error {
		requested := admin.NewConnection{}
		fields.apply(&requested.Connection)
		if !slices.Contains(admin.ConnectionKinds(), requested.Kind) {
			return wrongUsage("usage.connection.kind")
		}
		if requested.AppID == "" {
			return wrongUsage("usage.connection.app_id")
		}
		return d.operate(command.Context(), func(ctx context.Context, service operations) error {
			secret, err := appSecret.read(ctx, d.Console, fmt.Sprintf("AppSecret of %s: ", requested.AppID))
			if err != nil {
				return err
			}
			requested.Directory, requested.AppSecret = d.directory, wechat.AppSecret(secret)
			return d.sayConnection(service.CreateConnection(ctx, requested))
		})
	}
	return command
}

func newConnectionList(d *operatorEnv) *cobra.Command {
	pages := new(paging)
	command := &cobra.Command{Use: "list", Example: "  minifed connection list\n  minifed connection list --output json", Args: exactly()}
	command.RunE = d.operation(func(ctx context.Context, service operations, _ string) error {
		connections, next, err := collect(*pages, func(page admin.Page) ([]storage.Connection, string, error) {
			return service.Connections(ctx, d.directory, page)
		})
		if err != nil {
			return err
		}
		views, rows := []connectionView{}, [][]string{}
		for _, connection := range connections {
			views = append(views, viewConnection(connection))
			rows = append(rows, []string{
				connection.AppID, string(connection.Kind), connection.Name, connection.OpenPlatform, suffix("disabled", connection.Disabled), stamp(connection.CreatedAt),
			})
		}
		return d.printList(views, next, []string{"APPID", "KIND", "NAME", "OPEN PLATFORM", "STATE", "CREATED"}, rows)
	})
	pages.add(command)
	return command
}

func newConnectionShow(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "show APPID",
		Example: "  minifed connection show wx0123456789abcdef",
		Args:    exactly("argument.connection"),
		RunE: d.operation(func(ctx context.Context, service operations, appID string) error {
			return d.sayConnection(service.Connection(ctx, d.directory, appID))
		}),
	}
}

func newConnectionUpdate(d *operatorEnv) *cobra.Command {
	command := &cobra.Command{
		Use:     "update APPID",
		Example: "  minifed connection update wx0123456789abcdef --open-platform shop\n  minifed connection update wx0123456789abcdef --provisioning bind",
		Args:    exactly("argument.connection"),
	}
	fields := newFields[storage.Connection](command.Flags())
	fields.add(setting.Connection())
	command.RunE = d.operation(func(ctx context.Context, service operations, appID string) error {
		return d.sayConnection(service.UpdateConnection(ctx, d.directory, appID, "", fields.apply))
	})
	return command
}

// connectionState returns the command that disables or enables a connection.
func connectionState(d *operatorEnv, name string, change func(operations, context.Context, string, string) (*storage.Entry[storage.Connection], error)) *cobra.Command {
	return &cobra.Command{
		Use:     name + " APPID",
		Example: "  minifed connection " + name + " wx0123456789abcdef",
		Args:    exactly("argument.connection"),
		RunE: d.operation(func(ctx context.Context, service operations, appID string) error {
			entry, err := change(service, ctx, d.directory, appID)
			if err != nil {
				return err
			}
			return d.done(viewConnection(entry.Record), "Connection %s is %sd.", appID, name)
		}),
	}
}

func newConnectionSecret(d *operatorEnv) *cobra.Command {
	source := &secretSource{name: "app-secret"}
	command := &cobra.Command{
		Use:     "set-app-secret APPID",
		Example: "  minifed connection set-app-secret wx0123456789abcdef\n  minifed connection set-app-secret wx0123456789abcdef --app-secret-stdin < ./appsecret",
		Args:    exactly("argument.connection"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, appID string) error {
		entry, err := service.Connection(ctx, d.directory, appID)
		if err != nil {
			return err
		}
		secret, err := source.read(ctx, d.Console, fmt.Sprintf("AppSecret of %s: ", appID))
		if err != nil {
			return err
		}
		if err := service.SetConnectionSecret(ctx, d.directory, appID, wechat.AppSecret(secret)); err != nil {
			return err
		}
		return d.done(viewConnection(entry.Record), "Connection %s has a new AppSecret.", appID)
	})
	source.add(command)
	return command
}

func newConnectionTest(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "test APPID",
		Example: "  minifed connection test wx0123456789abcdef",
		Args:    exactly("argument.connection"),
		RunE: d.operation(func(ctx context.Context, service operations, appID string) error {
			result, err := service.TestConnection(ctx, d.directory, appID)
			if err != nil {
				return err
			}
			if result.Valid {
				return d.done(result, "WeChat accepts the AppID and the AppSecret of connection %s.", appID)
			}
			if err := d.say(result, func() { d.printCredential(result) }); err != nil {
				return err
			}
			return &locale.Problem{What: locale.Text("connection.test.failed", appID)}
		}),
	}
}

func newConnectionDelete(d *operatorEnv) *cobra.Command {
	sure := new(confirmation)
	command := &cobra.Command{
		Use:     "delete APPID",
		Example: "  minifed connection delete wx0123456789abcdef --yes",
		Args:    exactly("argument.connection"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, appID string) error {
		if err := sure.ask(ctx, d.Console, "connection "+appID, appID); err != nil {
			return err
		}
		if err := service.DeleteConnection(ctx, d.directory, appID); err != nil {
			return err
		}
		return d.done(deleted{appID}, "Connection %s is deleted.", appID)
	})
	sure.add(command)
	return command
}
