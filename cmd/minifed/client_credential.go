package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/server/admin"
)

func newClientTest(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "test CLIENT_ID",
		Example: "  minifed client test shop",
		Args:    exactly("argument.client"),
		RunE: d.operation(func(ctx context.Context, service operations, id string) error {
			result, err := service.TestMiniProgram(ctx, d.directory, id)
			if err != nil {
				return err
			}
			if result.Valid {
				return d.done(result, "WeChat accepts the AppID and the AppSecret of client %s from this machine.", id)
			}
			if err := d.say(result, func() { d.printCredential(result) }); err != nil {
				return err
			}
			return &locale.Problem{What: locale.Text("client.test.failed", id)}
		}),
	}
}

// printCredential prints why WeChat rejects an AppID or AppSecret.
func (d *operatorEnv) printCredential(result admin.Credential) {
	d.PrintFields(console.Field{Name: "problem", Value: result.Problem}, console.Field{Name: "remedy", Value: result.Remedy}, console.Field{Name: "rid", Value: result.RID})
}
