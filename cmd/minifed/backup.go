package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
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
		Use:   "backup FILE",
		Short: "Copy the SQLite store to a file, while the server runs",
		Long: `Copies the SQLite store, as it is at one moment, to a new file with mode 0600, while a server reads and writes. To restore, stop the
server and replace the store with this file. The master key is not in it, and the store cannot be read without the master key: store a
copy of the key in another place.

MongoDB is backed up with its own tools.`,
		Example: "  minifed backup /var/backups/minifed-2026-01-31.db",
		Args:    exactly("a new file"),
		RunE: func(command *cobra.Command, args []string) error {
			return d.open(command.Context(), func(ctx context.Context, opened *deployment.Deployment) error {
				engine, ok := opened.Engine.(*sqlite.Engine)
				if !ok {
					return errors.New("the store is not SQLite: back up MongoDB with its own tools, such as mongodump")
				}
				err := engine.Backup(ctx, args[0])
				if errors.Is(err, fs.ErrExist) {
					return usagef("%s exists and is not changed", args[0])
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
