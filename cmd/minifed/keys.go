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
	secrets := group("secrets", "Rotate the secrets of codes and refresh tokens", secretsHelp, newSecretsRotate(d))
	master := group("master", "Create and rotate the master key", masterHelp, newMasterNew(d), newMasterRotate(d))
	command := group("keys", "List, rotate and revoke signing keys, token secrets and the master key", keysHelp,
		newKeysList(d), newKeysRotate(d), newKeysRevoke(d), secrets, master)
	d.atDirectory(command)
	return command
}

const (
	keysHelp = `Signing keys sign the ID tokens and access tokens of a directory. They rotate automatically (keys.rotate_every). The next key is
published before it signs. The previous key remains published until its last token has expired, so no user is signed out.

If a signing key may be known to others, revoke it: its tokens are rejected from then on.`
	secretsHelp = "Codes, tickets and refresh tokens are derived from the token secrets of a directory. A new generation ends none that exist already."
	masterHelp  = `The master key seals AppSecrets, signing keys and token secrets in the store. To replace it without an interruption:

  1. minifed keys master new --append       add a new key below the old one, on one instance; give the file to all others, so
                                            that all have the same two keys, and restart them one by one
  2. move the new key's line to the top     on every instance, and restart them one by one: all seal with it from now on
  3. minifed keys master rotate             seal everything in the store with the first key
  4. remove the old key's line              on every instance, and restart them one by one; store the old key for as long as you
                                            have backups that need it`
)

func newKeysList(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the signing keys of a directory",
		Long:    "Lists the signing keys of a directory by algorithm and age, with their states: next, active, retired, removed.",
		Example: "  minifed keys list\n  minifed keys list --directory shop --output json",
		Args:    exactly(),
		RunE: d.job(func(ctx context.Context, service *admin.Service, _ string) error {
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
		Use:   "rotate",
		Short: "Publish the next signing key of a directory and algorithm",
		Long: `Publishes the next signing key of a directory and algorithm, and prints when it starts to sign: when all caches have it.

With --now it signs at once, on every instance within five seconds. The previous key remains published for its tokens. A relying party
that caches the JWK Set and does not fetch it again for an unknown kid rejects new tokens for up to five minutes.`,
		Example: "  minifed keys rotate --alg ES256\n  minifed keys rotate --alg RS256 --directory shop --now",
		Args:    exactly(),
	}
	rotate := d.job(func(ctx context.Context, service *admin.Service, _ string) error {
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
			return usagef("--alg is missing: `minifed keys list` shows the algorithms")
		}
		return rotate(command, args)
	}
	command.Flags().StringVar(&algorithm, "alg", "", "the `algorithm`, such as ES256")
	command.Flags().BoolVar(&now, "now", false, "sign with the next key at once, before every cache has it")
	return command
}

func newKeysRevoke(d *operatorEnv) *cobra.Command {
	kid := ""
	command := &cobra.Command{
		Use:   "revoke",
		Short: "Delete a signing key of a directory at once",
		Long: `Deletes a signing key of a directory at once, for a key that others may know. Within five seconds every server rejects the tokens and
id_token_hints that it signed. If it was the active key, the next one signs at once. Refresh tokens and sessions are not signed by it
and remain valid: a refresh returns tokens of the new key.

A relying party or API that caches the JWK Set accepts the deleted key for up to five more minutes.`,
		Example: "  minifed keys revoke --kid NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		Args:    exactly(),
	}
	revoke := d.job(func(ctx context.Context, service *admin.Service, _ string) error {
		active, err := service.RevokeSigningKey(ctx, d.directory, kid)
		if err != nil {
			return err
		}
		return d.done(active, "Key %s is deleted. Key %s of %s signs now, on every server within five seconds.", kid, active.ID, active.Algorithm)
	})
	command.RunE = func(command *cobra.Command, args []string) error {
		if kid == "" {
			return usagef("--kid is missing: `minifed keys list` shows the IDs of the keys")
		}
		return revoke(command, args)
	}
	command.Flags().StringVar(&kid, "kid", "", "the `ID` of the key, from minifed keys list")
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
		Short:   "Store the next generation of a directory's token secrets",
		Long:    "Stores the next generation of a directory's token secrets, and prints when it is used: when every instance has it.",
		Example: "  minifed keys secrets rotate\n  minifed keys secrets rotate --directory shop",
		Args:    exactly(),
		RunE: d.job(func(ctx context.Context, service *admin.Service, _ string) error {
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
		Use:   "new",
		Short: "Create a master key",
		Long: `Creates a master key in a new file with mode 0600, and never prints it. An existing file is not changed, unless --append adds the new
key as its last line, to rotate.`,
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
			return usagef("%s exists and is not changed; --append adds a key to it", file)
		}
		if err != nil {
			return err
		}
		return d.done(newMasterKey{file, id}, "Master key %s is in %s. Store a copy, apart from the backups of the store: without the key the store cannot be read.", id, file)
	}
	command.Flags().StringVar(&file, "file", "", "the `file` to create; the default is the one of the configuration")
	command.Flags().BoolVar(&add, "append", false, "add the key as the last line of an existing file")
	return command
}

// resealed is the JSON output of a rotation of the master key.
type resealed struct {
	Records int `json:"records"`
}

func newMasterRotate(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "rotate",
		Short:   "Seal everything in the store with the first master key",
		Long:    "Seals everything in the store with the first master key. It may be interrupted and run again. `minifed keys master --help` shows the steps before it.",
		Example: "  minifed keys master rotate",
		Args:    exactly(),
		RunE: d.job(func(ctx context.Context, service *admin.Service, _ string) error {
			changed, err := service.Reseal(ctx)
			missing := (*keys.MissingKeyError)(nil)
			if errors.As(err, &missing) {
				return errors.New("a record is sealed with master key " + missing.KeyID + ", which is missing: add it below the first one, and run this command again")
			}
			if err != nil {
				return err
			}
			return d.done(resealed{changed}, "%d records are now sealed with the first master key; all others were already.", changed)
		}),
	}
}
