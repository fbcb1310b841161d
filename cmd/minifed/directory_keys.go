package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/server/admin"
)

// newDirectoryKey returns the command that sets a key of a directory.
func newDirectoryKey(d *operatorEnv, name string, which admin.DirectoryKey) *cobra.Command {
	source, remove := &secretSource{name: "key"}, false
	command := &cobra.Command{
		Use:     name + " ID",
		Example: "  minifed directory " + name + " default\n  minifed directory " + name + " default --key-file ./key",
		Args:    exactly("argument.directory"),
	}
	command.RunE = d.operation(func(ctx context.Context, service operations, id string) error {
		if _, err := service.Directory(ctx, id); err != nil {
			return err
		}
		key := ""
		if !remove {
			var err error
			if key, err = source.read(ctx, d.Console, "Key: "); err != nil {
				return err
			}
		}
		if err := service.SetDirectoryKey(ctx, id, which, key); err != nil {
			return err
		}
		entry, err := service.Directory(ctx, id)
		if err != nil {
			return err
		}
		if remove {
			return d.done(viewDirectory(service, entry.Record), "The key of directory %q is removed.", id)
		}
		return d.done(viewDirectory(service, entry.Record), "The key of directory %q is set.", id)
	})
	source.add(command)
	command.Flags().BoolVar(&remove, "remove", false, "")
	command.MarkFlagsMutuallyExclusive("remove", "key-file", "key-stdin")
	return command
}
