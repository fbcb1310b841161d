package deployment

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minifed/minifed/cmd/minifed/internal/config"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/explain"
	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/keys"
)

// OpenMasterKey reads the master key from the environment or from its file. A server creates the key at its first start, if it stores
// in an SQLite file and its public URL is on this machine; created is the path of the file then.
func OpenMasterKey(c *console.Console, settings config.Config, location config.StoreLocation, serve bool) (master *keys.Master, created string, err error) {
	if text := string(settings.Keys.MasterKey); text != "" {
		master, err = parseMasterKey(c, config.VariableOf("keys.master_key"), text)
		return master, "", err
	}
	path := settings.MasterKeyPath()
	content, err := input.ReadBounded(path, input.MaxSecret)
	if errors.Is(err, fs.ErrNotExist) {
		if err := mayCreateMasterKey(settings, location, path, serve); err != nil {
			return nil, "", err
		}
		if content, err = createMasterKey(c, path); err != nil {
			return nil, "", &locale.Problem{What: locale.Text("masterkey.not_created"), Cause: err}
		}
		created = path
	}
	if err != nil {
		return nil, "", &locale.Problem{What: locale.Text("masterkey.unread"), Cause: err}
	}
	master, err = parseMasterKey(c, path, string(content))
	return master, created, err
}

// parseMasterKey parses the text of a master key, and names where the text is if that fails.
func parseMasterKey(c *console.Console, where, text string) (*keys.Master, error) {
	master, err := keys.ParseMaster(text, c.Random)
	if err != nil {
		return nil, &locale.Problem{What: locale.Text("masterkey.invalid", where), Cause: explain.Operator(err), Remedy: locale.Text("masterkey.remedy")}
	}
	return master, nil
}

// mayCreateMasterKey returns an error for a key that only a person may create: one that several machines share, or that a store which
// exists was sealed with.
func mayCreateMasterKey(settings config.Config, location config.StoreLocation, path string, serve bool) error {
	variable := config.VariableOf("keys.master_key")
	missing := &locale.Problem{What: locale.Text("masterkey.missing", path, variable)}
	switch {
	case !serve:
		missing.Remedy = locale.Text("masterkey.missing.remedy")
	case location.File == "":
		missing.Remedy = locale.Text("masterkey.missing.mongodb", path)
	case location.MustExist() == nil:
		missing.Remedy = locale.Text("masterkey.missing.used", location.File)
	case !settings.Loopback():
		missing.Remedy = locale.Text("masterkey.missing.public", settings.PublicURL, path)
	default:
		return nil
	}
	return missing
}

// createMasterKey creates the file of a new master key, which only its owner can read, and returns its content. It never changes an
// existing file.
func createMasterKey(c *console.Console, path string) ([]byte, error) {
	_, line, err := newMasterKeyLine(c)
	if err != nil {
		return nil, err
	}
	return []byte(line), createSecretFile(path, line)
}

// newMasterKeyLine generates a master key, and returns its ID and its line in a file.
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

// WriteMasterKey writes a new master key to a new file, or as the last line of an existing one, and returns its ID.
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

// createSecretFile writes a new file with mode 0600, and creates its folder with mode 0700. It syncs the file to the disk.
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

// checkMasterKey returns an error unless the store was sealed with a master key of this process.
func checkMasterKey(ctx context.Context, d *Deployment) error {
	err := keys.CheckMaster(ctx, d.Engine, d.Master)
	if missing, ok := errors.AsType[*keys.MissingKeyError](err); ok {
		return &locale.Problem{
			What:   locale.Text("masterkey.other", missing.KeyID, masterKeyOrigin(d.Config), locale.List(d.Master.IDs())),
			Remedy: locale.Text("masterkey.remedy"),
		}
	}
	return err
}

func masterKeyOrigin(settings config.Config) string {
	if settings.Keys.MasterKey != "" {
		return config.VariableOf("keys.master_key")
	}
	return settings.MasterKeyPath()
}
