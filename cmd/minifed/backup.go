package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/backup"
	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage/sqlite"
)

// backedUp is the JSON output about a backup.
type backedUp struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func newBackup(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	command := &cobra.Command{
		Use:     "backup FILE",
		Example: "  minifed backup /var/backups/minifed-2026-01-31.db\n  minifed backup list",
		Args:    exactly("argument.new_file"),
		RunE: func(command *cobra.Command, args []string) error {
			return d.open(command.Context(), func(ctx context.Context, opened *deployment.Deployment) error { return d.backUp(ctx, opened, args[0]) })
		},
	}
	command.ValidArgsFunction = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault // files, in addition to the commands below
	}
	command.AddCommand(d.newBackupList(), d.newBackupVerify(), d.newBackupRestore())
	return command
}

// backUp copies the store to a new file, and checks the copy.
func (d *operatorEnv) backUp(ctx context.Context, opened *deployment.Deployment, file string) error {
	engine, ok := opened.Engine.(*sqlite.Engine)
	if !ok {
		return notSQLite()
	}
	err := engine.Backup(ctx, file)
	if errors.Is(err, fs.ErrExist) {
		return wrongUsage("usage.file_exists", file)
	}
	if err != nil {
		return err
	}
	if err := backup.CheckFile(ctx, file, opened.Master); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	return d.done(backedUp{file, info.Size()}, "The store is copied to %s, %d bytes, and the copy is checked. It does not contain the master key: store a copy of the key in another place.", file, info.Size())
}

func notSQLite() error {
	return &locale.Problem{What: locale.Text("backup.not_sqlite"), Remedy: locale.Text("backup.not_sqlite.remedy")}
}

// sqliteStore returns the configuration and the file of the store.
func (d *operatorEnv) sqliteStore() (settings config.Config, store config.StoreLocation, err error) {
	if settings, err = d.load(d.Console); err != nil {
		return settings, store, err
	}
	store, err = settings.StoreLocation()
	if err == nil && store.File == "" {
		err = notSQLite()
	}
	return settings, store, err
}

// masterKey returns the configuration, the store and its master key.
func (d *operatorEnv) masterKey() (store config.StoreLocation, master *keys.Master, err error) {
	settings, store, err := d.sqliteStore()
	if err != nil {
		return store, nil, err
	}
	master, _, err = deployment.OpenMasterKey(d.Console, settings, store, false)
	return store, master, err
}

func (d *operatorEnv) newBackupList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Example: "  minifed backup list --output json",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			settings, store, err := d.sqliteStore()
			if err != nil {
				return err
			}
			files, err := backup.NewFolder(settings.BackupDir(), store.File).List()
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, file := range files {
				rows = append(rows, []string{file.TakenAt.Format(time.DateTime), strconv.FormatInt(file.Bytes, 10), file.Path})
			}
			return d.printList(files, "", []string{"TAKEN (UTC)", "BYTES", "FILE"}, rows)
		},
	}
}

func (d *operatorEnv) newBackupVerify() *cobra.Command {
	return &cobra.Command{
		Use:     "verify FILE",
		Example: "  minifed backup verify data/backups/minifed-20260131T030000Z.db",
		Args:    exactly("argument.backup"),
		RunE: func(command *cobra.Command, args []string) error {
			_, master, err := d.masterKey()
			if err != nil {
				return err
			}
			if err := backup.CheckFile(command.Context(), args[0], master); err != nil {
				return err
			}
			info, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			return d.done(backedUp{args[0], info.Size()}, "%s is a good backup, %d bytes: every page is whole, and the master key opens it.", args[0], info.Size())
		},
	}
}

// restored is the JSON output of a restore.
type restored struct {
	Store string `json:"store"`
	// Replaced is the file of the former store; empty if there was none.
	Replaced string `json:"replaced,omitempty"`
}

func (d *operatorEnv) newBackupRestore() *cobra.Command {
	return &cobra.Command{
		Use:     "restore FILE",
		Example: "  minifed backup restore data/backups/minifed-20260131T030000Z.db",
		Args:    exactly("argument.backup"),
		RunE: func(command *cobra.Command, args []string) error {
			store, master, err := d.masterKey()
			if err != nil {
				return err
			}
			ctx := command.Context()
			replaced, err := sqlite.Restore(ctx, store.File, args[0], func(opened *sqlite.BackupFile) error { return backup.Check(ctx, opened, master) })
			if err != nil {
				return err
			}
			return d.say(restored{store.File, replaced}, func() {
				d.Printf("%s is restored to %s. Start the server now.\n", args[0], store.File)
				if replaced != "" {
					d.Printf("The former store stays in %s. Delete it when you need it no more.\n", replaced)
				}
			})
		},
	}
}
