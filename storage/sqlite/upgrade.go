package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// upgradeSuffix is that of the new file while it is written.
	upgradeSuffix = "-upgrade"
	// backupSuffix is that of the file of the earlier version, which stays after an upgrade.
	backupSuffix = ".before-upgrade"
	// upgradeRows is how many documents one transaction of an upgrade writes.
	upgradeRows = 20_000
	// progressEvery is the time between two reports of an upgrade's progress.
	progressEvery = 5 * time.Second
	// upgradeCache is the page cache of an upgrade: the indexes of new documents are written at random places.
	upgradeCache = "cache_size(-65536)"
)

// upgrade copies a file of an earlier version into a new file with the current layout. The new file then replaces the old one in one
// step; the old one stays under another name. Until then no document of the old file changes, so that an interrupted upgrade begins
// again. The caller has claimed the file.
func (e *Engine) upgrade(ctx context.Context) error {
	version, err := versionOf(ctx, e.path)
	if err != nil || version == 0 || version >= schemaVersion {
		return err
	}
	old, err := dialExclusive(ctx, e.path)
	if err != nil {
		return err
	}
	if err := e.move(ctx, old); err != nil {
		return errors.Join(unavailable(e.path, "upgrade", err), old.Close())
	}
	e.holdLocked(old)
	return nil
}

// versionOf returns the schema of a file of this program; 0 is an empty or a foreign one.
func versionOf(ctx context.Context, path string) (version int64, err error) {
	c, err := dialReader(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var application int64
	if err := c.value(&application, "PRAGMA application_id"); err != nil {
		return 0, unavailable(path, "open", err)
	}
	if application != applicationID {
		return 0, nil
	}
	if err := c.value(&version, "PRAGMA user_version"); err != nil {
		return 0, unavailable(path, "open", err)
	}
	return version, nil
}

// dialExclusive opens a file that no other process has open, and locks all others out. It copies the log into the file and
// removes it, because a log belongs to the file with its name.
func dialExclusive(ctx context.Context, path string) (*connection, error) {
	c, err := connect(ctx, path, dsn(path, "locking_mode(EXCLUSIVE)"))
	if err != nil {
		return nil, err
	}
	var mode string
	if err = c.value(&mode, "PRAGMA journal_mode = DELETE"); err == nil && mode != "delete" {
		err = errors.New("another process has the file open: stop it first")
	}
	if err == nil {
		_, err = c.exec("BEGIN EXCLUSIVE")
	}
	if err == nil {
		_, err = c.exec("COMMIT") // The lock stays.
	}
	if err != nil {
		return nil, errors.Join(unavailable(path, "upgrade", err), c.Close())
	}
	return c, nil
}

// move writes the new file, and puts it in the place of the old one.
func (e *Engine) move(ctx context.Context, old *connection) error {
	info, err := os.Stat(e.path)
	if err != nil {
		return err
	}
	unfinished := e.path + upgradeSuffix
	if err := removeAll(unfinished); err != nil {
		return err
	}
	if err := e.checkSpace(filepath.Dir(e.path), info.Size()); err != nil {
		return err
	}
	e.logger.Info("the store has the layout of an earlier version and is upgraded; the server starts afterwards",
		slog.String("file", e.path), slog.Int64("bytes", info.Size()))
	if err := create(unfinished); err != nil {
		return err
	}
	if err := e.rewrite(ctx, old, unfinished); err != nil {
		return errors.Join(err, removeAll(unfinished))
	}
	backup, err := linkAside(e.path, backupSuffix)
	if err != nil {
		return errors.Join(err, removeAll(unfinished))
	}
	if err := os.Rename(unfinished, e.path); err != nil {
		return err
	}
	SyncFolder(filepath.Dir(e.path))
	e.logger.Info("the store is upgraded; delete the file of the earlier version when you need it no more",
		slog.String("file", e.path), slog.String("earlier", backup))
	return nil
}

// holdLocked holds the lock of the old file for longer than another process waits for it. Such a process opened the file before the
// new one replaced it: its log would have the name of the new file's log.
func (e *Engine) holdLocked(old *connection) {
	e.working.Go(func() {
		timer := time.NewTimer(2 * busyTimeout)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-e.closed:
		}
		_ = old.Close() // It is only read.
	})
}

// checkSpace returns an error if a folder has less free space than twice the size of a file: for the new file, and for what is written
// meanwhile.
func (e *Engine) checkSpace(folder string, size int64) error {
	if e.freeSpace == nil {
		return nil
	}
	free, err := e.freeSpace(folder)
	if err != nil || free >= 2*uint64(size) { // An unknown size prevents nothing.
		return nil
	}
	return &FileError{FileFull, "upgrade", e.path, fmt.Errorf("%d MB are free, and the upgrade needs %d MB; nothing was changed",
		free>>20, 2*uint64(size)>>20+1)}
}

// removeAll removes a database file with its logs.
func removeAll(file string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// linkAside gives a file that is about to be replaced a second name, and returns it.
func linkAside(path, suffix string) (backup string, err error) {
	for n := 1; ; n++ {
		backup = path + suffix
		if n > 1 {
			backup += fmt.Sprint("-", n)
		}
		if same(backup, path) { // An earlier replacement was interrupted here.
			return backup, nil
		}
		if err = os.Link(path, backup); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err == nil {
		SyncFolder(filepath.Dir(path))
	}
	return backup, err
}

func same(a, b string) bool {
	infoA, errA := os.Lstat(a)
	infoB, errB := os.Lstat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// rewrite copies all documents into a new file, and syncs it to the disk.
func (e *Engine) rewrite(ctx context.Context, old *connection, file string) (err error) {
	c, err := connect(ctx, file, fileURL(file, url.Values{
		"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "locking_mode(EXCLUSIVE)", upgradeCache}, "_error_rc": {"1"},
	}))
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = syncFile(file)
		}
	}()
	defer func() { err = errors.Join(err, c.Close()) }()
	for _, statement := range creation(schema(e.tables)) {
		if _, err := c.exec(statement); err != nil {
			return err
		}
	}
	p := &progress{engine: e, reported: time.Now()}
	if err := p.count(old); err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(e.tables)) {
		if err := e.copyKind(ctx, old, c, kind, p); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return c.check()
}

// check returns an error unless the file is a consistent database. It leaves the file in the mode of the log.
func (c *connection) check() error {
	var verdict, mode string
	if err := c.value(&verdict, "PRAGMA quick_check(1)"); err != nil || verdict != "ok" {
		return errors.Join(fmt.Errorf("the new file is not consistent: %s", verdict), err)
	}
	if err := c.value(&mode, "PRAGMA journal_mode = WAL"); err != nil || mode != "wal" {
		return errors.Join(fmt.Errorf("the new file stays in mode %s", mode), err)
	}
	return nil
}

// progress reports how far an upgrade is.
type progress struct {
	engine      *Engine
	total, done int64
	reported    time.Time
}

// count finds out how many documents there are.
func (p *progress) count(old *connection) error {
	for name := range p.engine.tables {
		var n int64
		if found, err := old.has(string(name)); err != nil {
			return err
		} else if !found {
			continue
		}
		if err := old.value(&n, "SELECT count(*) FROM "+string(name)); err != nil {
			return err
		}
		p.total += n
	}
	return nil
}

func (p *progress) add(n int64) {
	p.done += n
	if now := time.Now(); now.Sub(p.reported) >= progressEvery {
		p.reported = now
		p.engine.logger.Info("the store is being upgraded", slog.Int64("documents", p.done), slog.Int64("of", p.total))
	}
}

// has reports whether the file has a table.
func (c *connection) has(table string) (bool, error) {
	return c.row(make([]driver.Value, 1), "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", table)
}

// copyKind copies the documents of a kind in the order in which they were inserted.
func (e *Engine) copyKind(ctx context.Context, old, c *connection, kind storage.Kind, p *progress) error {
	if found, err := old.has(string(kind)); !found || err != nil {
		return err
	}
	t := e.tables[kind]
	query := "SELECT rowid, id, rev, expires_at, owner, name, created_at, due_at, body FROM " + t.name + " WHERE rowid > ? ORDER BY rowid LIMIT ?"
	var row [9]driver.Value
	for after := int64(0); ; {
		var n int64
		if _, err := c.exec("BEGIN"); err != nil {
			return err
		}
		err := old.each(row[:], func() error {
			n++
			after, _ = row[0].(int64)
			return e.copyRow(c, t, row[1:])
		}, query, after, int64(upgradeRows))
		if err != nil {
			return err
		}
		if _, err := c.exec("COMMIT"); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.add(n); n < upgradeRows {
			break
		}
	}
	if t.lookups == nil {
		return nil
	}
	_, err := t.lookups.catchUp(c, 0)
	return err
}

// copyRow inserts a row with its revision. row has the columns id, rev, expires_at, owner, name, created_at, due_at and body.
func (e *Engine) copyRow(c *connection, t *table, row []driver.Value) error {
	id, okID := row[0].(string)
	owner, okOwner := row[3].(string)
	body, okBody := row[7].([]byte)
	if !okID || !okOwner || !okBody {
		return errDamagedRow
	}
	args := slices.Clone(row)
	args[7] = driver.Value(e.bodies.pack(&storage.Document{ID: id, Owner: owner, Body: body}))
	_, err := c.exec("INSERT INTO "+t.name+" (id, rev, expires_at, owner, name, created_at, due_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", args...)
	return err
}

func syncFile(name string) error {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
