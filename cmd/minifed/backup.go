package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/storage/sqlite"
)

// backedUp is the JSON output of a backup.
type backedUp struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func newBackup(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	return &cobra.Command{
		Use:     "backup FILE",
		Example: "  minifed backup /var/backups/minifed-2026-01-31.db",
		Args:    exactly("argument.new_file"),
		RunE: func(command *cobra.Command, args []string) error {
			return d.open(command.Context(), func(ctx context.Context, opened *deployment.Deployment) error {
				engine, ok := opened.Engine.(*sqlite.Engine)
				if !ok {
					return &locale.Problem{What: locale.Text("backup.not_sqlite"), Remedy: locale.Text("backup.not_sqlite.remedy")}
				}
				err := engine.Backup(ctx, args[0])
				if errors.Is(err, fs.ErrExist) {
					return wrongUsage("usage.file_exists", args[0])
				}
				if err != nil {
					return err
				}
				info, err := os.Stat(args[0])
				if err != nil {
					return err
				}
				return d.done(backedUp{args[0], info.Size()}, "The store is copied to %s, %d bytes. It does not contain the master key: store a copy of the key in another place.", args[0], info.Size())
			})
		},
	}
}
