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
	secrets := group("secrets", "Rotate the secrets that codes and refresh tokens derive from", secretsHelp, newSecretsRotate(d))
	master := group("master", "Make and rotate the master key", masterHelp, newMasterNew(d), newMasterRotate(d))
	command := group("keys", "List, rotate and revoke signing keys, token secrets and the master key", keysHelp,
		newKeysList(d), newKeysRotate(d), newKeysRevoke(d), secrets, master)
	d.atDirectory(command)
	return command
}

const (
	keysHelp = `Signing keys sign a directory's ID and access tokens. They rotate by themselves (keys.rotate_every). The next key is published
before it signs, and the one before stays published until the last token that it signed has expired, so nobody is signed out.

When the secret of a signing key may have got out, revoke that key: tokens that it signed are rejected from then on.`
	secretsHelp = "Codes, tickets and refresh tokens derive from a directory's token secrets. A new generation ends nothing that was made with the one before."
	masterHelp  = `The master key seals AppSecrets, signing keys and token secrets in the store. To replace it without a pause:

  1. minifed keys master new --append       add a new key below the old one, on one instance; give the file to all others, so
                                            that all have the same two keys, and restart them one by one
  2. move the new key's line to the top     on every instance, and restart them one by one: all seal with it now
  3. minifed keys master rotate             seal everything in the store with the first key
  4. take the old key's line away           on every instance, and restart them one by one; keep the old key as long as you
                                            keep backups that need it`
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
		Long: `Publishes the next signing key of a directory and algorithm, and prints when it signs: as soon as no cache lacks it any more.

With --now it signs at once, on every instance within five seconds. The key before stays published for the tokens that it signed. A
relying party that keeps the JWK Set and does not fetch it again for an unknown kid rejects new tokens for up to five minutes.`,
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
		Long: `Deletes a signing key of a directory at once, as after its secret got out. Every server rejects the tokens that it signed within
five seconds, and its id_token_hints. If it was the key that signs, the next one signs at once. Refresh tokens and sessions are not
signed by it and go on working: clients that refresh get tokens of the new key.

A relying party or API that keeps the JWK Set accepts the deleted key for up to five minutes more.`,
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
	command.Flags().StringVar(&kid, "kid", "", "the `ID` of the key, as keys list shows it")
	return command
}

// secretGeneration is what a rotation of token secrets prints as JSON.
type secretGeneration struct {
	Directory  string    `json:"directory"`
	Generation uint32    `json:"generation"`
	UseAt      time.Time `json:"use_at"`
}

func newSecretsRotate(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "rotate",
		Short:   "Store the next generation of a directory's token secrets",
		Long:    "Stores the next generation of a directory's token secrets. It is used as soon as every instance has it, and says when.",
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

// madeKey is what a new master key prints as JSON: never the key itself.
type madeKey struct {
	File  string `json:"file"`
	KeyID string `json:"key_id"`
}

func newMasterNew(d *operatorEnv) *cobra.Command {
	file, add := "", false
	command := &cobra.Command{
		Use:   "new",
		Short: "Make a master key",
		Long: `Makes a master key in a file of its own with mode 0600, and never prints it. A file that exists is left alone, unless --append adds
the new key as its last line, to rotate.`,
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
			return usagef("%s exists and is left alone; --append adds a key to it", file)
		}
		if err != nil {
			return err
		}
		return d.done(madeKey{file, id}, "Master key %s is in %s. Keep a copy where the store's backups are not: without it the store cannot be read.", id, file)
	}
	command.Flags().StringVar(&file, "file", "", "the `file` to make; without it the one of the configuration")
	command.Flags().BoolVar(&add, "append", false, "add the key as the last line of a file that exists")
	return command
}

// resealed is what a rotation of the master key prints as JSON.
type resealed struct {
	Records int `json:"records"`
}

func newMasterRotate(d *operatorEnv) *cobra.Command {
	return &cobra.Command{
		Use:     "rotate",
		Short:   "Seal everything in the store with the first master key",
		Long:    "Seals everything in the store with the first master key. It may be stopped and run again. `minifed keys master --help` says what comes before.",
		Example: "  minifed keys master rotate",
		Args:    exactly(),
		RunE: d.job(func(ctx context.Context, service *admin.Service, _ string) error {
			changed, err := service.Reseal(ctx)
			missing := (*keys.MissingKeyError)(nil)
			if errors.As(err, &missing) {
				return errors.New("master key " + missing.KeyID + " sealed something and was not given: put it below the first one, and run this again")
			}
			if err != nil {
				return err
			}
			return d.done(resealed{changed}, "%d records are sealed with the first master key now; all others were before.", changed)
		}),
	}
}
