package deployment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/keys"
)

// OpenMasterKey reads the master key from the environment or from its file. A server that keeps an SQLite file for a public
// URL on this machine makes the key at its first start; made is the file's path then.
func OpenMasterKey(c *console.Console, settings config.Config, location config.StoreLocation, serve bool) (master *keys.Master, made string, err error) {
	if text := string(settings.Keys.MasterKey); text != "" {
		master, err = keys.ParseMaster(text, c.Random)
		return master, "", locate(config.VariableOf("keys.master_key"), err)
	}
	path := settings.MasterKeyPath()
	content, err := input.ReadBounded(path, input.MaxSecret)
	if errors.Is(err, fs.ErrNotExist) {
		if !serve {
			return nil, "", fmt.Errorf("the master key is missing: there is no file %s and %s is not set; it is the one that the server of this store has", path, config.VariableOf("keys.master_key"))
		}
		if err := mayMakeMasterKey(settings, location, path); err != nil {
			return nil, "", err
		}
		if content, err = makeMasterKey(c, path); err != nil {
			return nil, "", fmt.Errorf("make the master key: %w", err)
		}
		made = path
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the master key: %w", err)
	}
	master, err = keys.ParseMaster(string(content), c.Random)
	return master, made, locate(path, err)
}

func locate(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}

// mayMakeMasterKey refuses to make a key that several machines would have to share, or that a store needs which exists.
func mayMakeMasterKey(settings config.Config, location config.StoreLocation, path string) error {
	how := fmt.Sprintf("make one with `minifed keys master new --file %s`, keep a copy where the store's backups are not, and start again", path)
	switch {
	case location.File == "":
		return fmt.Errorf("the master key is missing: %s does not exist, and with MongoDB it is not made by itself, because every instance needs the same one: if the database was used before, restore it from its copy; for a new one, %s", path, how)
	case location.MustExist() == nil:
		return fmt.Errorf("the master key of %s is missing: %s does not exist; restore it from its copy, the store cannot be read without it", location.File, path)
	case !settings.Loopback():
		return fmt.Errorf("the master key is missing: %s does not exist, and for %s it is not made by itself, because whoever loses it loses every secret in the store: %s", path, settings.PublicURL, how)
	}
	return nil
}

// makeMasterKey makes the file of a new master key, for its owner alone, and returns what it holds. A file that exists is
// never touched.
func makeMasterKey(c *console.Console, path string) ([]byte, error) {
	_, line, err := newMasterKeyLine(c)
	if err != nil {
		return nil, err
	}
	return []byte(line), createSecretFile(path, line)
}

// newMasterKeyLine makes a master key and returns its ID and what a file holds of it.
func newMasterKeyLine(c *console.Console) (id, line string, err error) {
	key, err := keys.GenerateMasterKey(c.Random)
	if err != nil {
		return "", "", err
	}
	master, err := keys.ParseMaster(key, c.Random)
	if err != nil {
		return "", "", err
	}
	id = master.IDs()[0]
	return id, key + " # minifed master key " + id + "; keep a copy, the store cannot be read without it\n", nil
}

// WriteMasterKey makes a new master key in a new file, or as the last line of one that exists, and returns its ID.
func WriteMasterKey(c *console.Console, path string, add bool) (id string, err error) {
	id, line, err := newMasterKeyLine(c)
	if err != nil || !add {
		return id, errors.Join(err, createSecretFile(path, line))
	}
	before, err := input.ReadBounded(path, input.MaxSecret)
	if err != nil {
		return "", err
	}
	if len(before) > 0 && !bytes.HasSuffix(before, []byte("\n")) {
		line = "\n" + line
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(line)
	return id, errors.Join(err, file.Sync(), file.Close())
}

// createSecretFile writes a new file with mode 0600 and makes its folder with mode 0700. It is on the disk when it returns.
func createSecretFile(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// checkMasterKey makes sure that the store was sealed with a master key that is at hand.
func checkMasterKey(ctx context.Context, d *Deployment) error {
	err := keys.CheckMaster(ctx, d.Engine, d.Master)
	missing := (*keys.MissingKeyError)(nil)
	if errors.As(err, &missing) {
		return fmt.Errorf("this is not the store's master key: the store needs key %s, and %s holds %s", missing.KeyID,
			masterKeyOrigin(d.Config), strings.Join(d.Master.IDs(), ", "))
	}
	return err
}

func masterKeyOrigin(settings config.Config) string {
	if settings.Keys.MasterKey != "" {
		return config.VariableOf("keys.master_key")
	}
	return settings.MasterKeyPath()
}
