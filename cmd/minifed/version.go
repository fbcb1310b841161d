package main

import (
	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/version"
)

func newVersion(c *console.Console, flags *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Example: "  minifed version\n  minifed version --output json",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			info := version.Of(version.Build())
			if flags.output == "json" {
				return c.PrintJSON(info)
			}
			c.PrintFields(
				console.Field{Name: "minifed", Value: info.Version}, console.Field{Name: "revision", Value: info.Revision + suffix(" (with changes)", info.Modified)},
				console.Field{Name: "time", Value: info.Time}, console.Field{Name: "go", Value: info.Go}, console.Field{Name: "platform", Value: info.Platform},
			)
			return nil
		},
	}
}
