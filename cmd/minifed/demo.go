package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/demo"
	"github.com/minifed/minifed/server/admin"
)

func newDemo(c *console.Console, flags *settings) *cobra.Command {
	once, store := false, ""
	command := &cobra.Command{
		Use:     "demo",
		Example: "  minifed demo\n  minifed demo --once\n  minifed demo --store sqlite:/tmp/demo.db",
		Args:    exactly(),
	}
	command.Flags().BoolVar(&once, "once", false, "")
	command.Flags().StringVar(&store, "store", "", "")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if flags.output == "json" {
			return wrongUsage("usage.demo.json")
		}
		showUser := func(found admin.Person) error {
			operator := &operatorEnv{Console: c, settings: &settings{output: "text"}}
			return operator.showUser(found)
		}
		ctx := command.Context()
		d, err := demo.Start(ctx, c, store, showUser)
		if err != nil {
			return err
		}
		err = d.Run(ctx)
		if err == nil && !once {
			d.PrintNextSteps()
			err = d.Wait(ctx)
		}
		return errors.Join(err, d.Stop())
	}
	return command
}
