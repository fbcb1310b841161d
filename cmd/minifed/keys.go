package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/admin"
)

func newKeys(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	secrets := group("secrets", newSecretsRotate(d))
	master := group("master", newMasterNew(d), newMasterRotate(d))
	command := group("keys",
		newKeysList(d), newKeysRotate(d), newKeysRevoke(d), secrets, master)
	d.atDirectory(command)
	return command
}

func newKeysList(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Example: "  minifed keys list\n  minifed keys list --directory shop --output json",
		Args:    exactly(),
		RunE: d.operation(func(ctx context.Context, service operations, _ string) error {
			found, err := service.SigningKeys(ctx, d.directory)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, key := range found {
				rows = append(rows, []string{key.Algorithm, key.ID, string(key.State), stamp(key.SignAt), stamp(key.RetireAt), stamp(key.RemoveAt)})
			}
			return d.printList(found, "", []string{"ALG", "KID", "STATE", "SIGNS FROM", "UNTIL", "PUBLISHED UNTIL"}, rows)
		}),
	}
}

func newKeysRotate(d *operatorEnv) *cobra.Command {
	algorithm, now := "", false
	command := &cobra.Command{
		Use:     "rotate",
		Example: "  minifed keys rotate --alg ES256\n  minifed keys rotate --alg RS256 --directory shop --now",
		Args:    exactly(),
	}
	rotate := d.operation(func(ctx context.Context, service operations, _ string) error {
		if now {
			next, err := service.RotateSigningKeyNow(ctx, d.directory, algorithm)
			if err != nil {
				return err
			}
			return d.done(next, "Key %s of %s signs now, on every server within five seconds.", next.ID, next.Algorithm)
		}
		next, err := service.RotateSigningKey(ctx, d.directory, algorithm)
		if err != nil {
			return err
		}
		return d.done(next, "Key %s of %s is published and signs from %s.", next.ID, next.Algorithm, stamp(next.SignAt))
	})
	command.RunE = func(command *cobra.Command, args []string) error {
		if algorithm == "" {
			return wrongUsage("usage.keys.alg")
		}
		return rotate(command, args)
	}
	command.Flags().StringVar(&algorithm, "alg", "", "")
	command.Flags().BoolVar(&now, "now", false, "")
	return command
}

func newKeysRevoke(d *operatorEnv) *cobra.Command {
	kid := ""
	command := &cobra.Command{
		Use:     "revoke",
		Example: "  minifed keys revoke --kid NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		Args:    exactly(),
	}
	revoke := d.operation(func(ctx context.Context, service operations, _ string) error {
		active, err := service.RevokeSigningKey(ctx, d.directory, kid)
		if err != nil {
			return err
		}
		return d.done(active, "Key %s is deleted. Key %s of %s signs now, on every server within five seconds.", kid, active.ID, active.Algorithm)
	})
	command.RunE = func(command *cobra.Command, args []string) error {
		if kid == "" {
			return wrongUsage("usage.keys.kid")
		}
		return revoke(command, args)
	}
	command.Flags().StringVar(&kid, "kid", "", "")
	return command
}

// secretGeneration is the JSON output of a rotation of token secrets.
type secretGeneration struct {
	Directory  string    `json:"directory"`
	Generation uint32    `json:"generation"`
	UseAt      time.Time `json:"use_at"`
}

func newSecretsRotate(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "rotate",
		Example: "  minifed keys secrets rotate\n  minifed keys secrets rotate --directory shop",
		Args:    exactly(),
		RunE: d.operation(func(ctx context.Context, service operations, _ string) error {
			generation, useAt, err := service.RotateTokenSecrets(ctx, d.directory)
			if err != nil {
				return err
			}
			return d.done(secretGeneration{d.directory, generation, useAt}, "Generation %d is stored and used from %s.", generation, stamp(useAt))
		}),
	}
}

// newMasterKey is the JSON output of a new master key, without the key itself.
type newMasterKey struct {
	File  string `json:"file"`
	KeyID string `json:"key_id"`
}

func newMasterNew(d *operatorEnv) *cobra.Command {
	file, add := "", false
	command := &cobra.Command{
		Use:     "new",
		Example: "  minifed keys master new --file /run/secrets/minifed-master-key\n  minifed keys master new --append",
		Args:    exactly(),
	}
	command.RunE = func(*cobra.Command, []string) error {
		config, err := d.load(d.Console)
		if err != nil {
			return err
		}
		if file == "" {
			file = config.MasterKeyPath()
		}
		id, err := deployment.WriteMasterKey(d.Console, file, add)
		if errors.Is(err, fs.ErrExist) {
			return wrongUsage("usage.keys.file_exists", file)
		}
		if err != nil {
			return err
		}
		return d.done(newMasterKey{file, id}, "Master key %s is in %s. Store a copy, apart from the backups of the store: without the key the store cannot be read.", id, file)
	}
	command.Flags().StringVar(&file, "file", "", "")
	command.Flags().BoolVar(&add, "append", false, "")
	return command
}

// resealed is the JSON output of a rotation of the master key.
type resealed struct {
	Records int `json:"records"`
}

func newMasterRotate(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "rotate",
		Example: "  minifed keys master rotate",
		Args:    exactly(),
		RunE:    func(command *cobra.Command, _ []string) error { return d.work(command.Context(), d.reseal) },
	}
}

func (d *operatorEnv) reseal(ctx context.Context, service *admin.Service) error {
	changed, err := service.Reseal(ctx)
	missing := (*keys.MissingKeyError)(nil)
	if errors.As(err, &missing) {
		return errors.New("a record is sealed with master key " + missing.KeyID + ", which is missing: add it below the first one, and run this command again")
	}
	if err != nil {
		return err
	}
	return d.done(resealed{changed}, "%d records are now sealed with the first master key; all others were already.", changed)
}
