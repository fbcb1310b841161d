package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	driversqlite "modernc.org/sqlite"

	"github.com/minifed/minifed/storage"
)

// BackupFile is a finished backup, which is only read: no file appears next to it. It implements storage.Reader.
type BackupFile struct {
	engine *Engine
	reader *reader
}

// ErrInUse means that a file has a log next to it: it belongs to a store in use, or was copied from one without its last writes.
var ErrInUse = errors.New("storage/sqlite: the file has a log next to it, so that it is not a backup")

// ErrEmptyFile means that a file has no store in it.
var ErrEmptyFile = errors.New("storage/sqlite: the file is empty")

// OpenBackup opens a backup of this version or of an earlier one. It returns storage.ErrNewerVersion for one of a newer version, and
// ErrInUse for a file that is no backup.
func OpenBackup(ctx context.Context, file string) (backup *BackupFile, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("storage/sqlite: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{FileUnopened, "open", file, errors.New("not a regular file")}
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("%w: %s", ErrEmptyFile, file)
	}
	if size(file+"-wal") > 0 {
		return nil, fmt.Errorf("%w: %s", ErrInUse, file)
	}
	path, err := absolute(file)
	if err != nil {
		return nil, err
	}
	b := &BackupFile{
		engine: &Engine{path: path, now: time.Now, tables: tables(), bodies: newBodies(), readers: make(chan *reader, 1), closed: make(chan struct{})},
		reader: &reader{path: path, dial: dialImmutable},
	}
	if b.reader.conn, err = dialImmutable(ctx, path); err != nil {
		return nil, err
	}
	if err := b.reader.conn.checkBackup(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.engine.readers <- b.reader
	return b, nil
}

// Get implements storage.Reader.
func (b *BackupFile) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	return b.engine.Get(ctx, kind, id)
}

// Close closes the file.
func (b *BackupFile) Close() error { return b.reader.close() }

// CheckIntegrity reads the whole file, and returns an error if a page, a row or an index of it is damaged.
func (b *BackupFile) CheckIntegrity(ctx context.Context) (err error) {
	connector, err := driversqlite.NewConnector(immutable(b.engine.path))
	if err != nil {
		return unavailable(b.engine.path, "check", err)
	}
	db := sql.OpenDB(connector) // Its queries end with ctx.
	defer func() { err = errors.Join(err, db.Close()) }()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return unavailable(b.engine.path, "check", err)
	}
	if verdict != "ok" {
		return &FileError{FileDamaged, "check", b.engine.path, errors.New(verdict)}
	}
	return nil
}

// checkBackup rejects a file that is not minifed's, or of a newer version.
func (c *connection) checkBackup() error {
	var application, version int64
	if err := c.value(&application, "PRAGMA application_id"); err != nil {
		return unavailable(c.path, "open", err)
	}
	if application != applicationID {
		return &FileError{Reason: FileForeign, Path: c.path}
	}
	if err := c.value(&version, "PRAGMA user_version"); err != nil {
		return unavailable(c.path, "open", err)
	}
	return c.checkVersion(version)
}

// checkVersion rejects a file of a newer version.
func (c *connection) checkVersion(version int64) error {
	if version > schemaVersion {
		return fmt.Errorf("%w: %s has schema %d, this binary knows %d: upgrade it",
			storage.ErrNewerVersion, c.path, version, schemaVersion)
	}
	return nil
}

// dialImmutable opens a file that no process writes.
func dialImmutable(ctx context.Context, path string) (*connection, error) {
	return connect(ctx, path, immutable(path))
}

func immutable(path string) string {
	return fileURL(path, url.Values{
		"mode": {"ro"}, "immutable": {"1"}, "_pragma": {"trusted_schema(OFF)", "query_only(ON)"}, "_dqs": {"0"}, "_error_rc": {"1"}, "_defensive": {"1"},
	})
}
