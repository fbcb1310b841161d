package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/minifed/minifed/storage"
)

const (
	// applicationID marks the file as minifed's ("mfed"), so that a foreign database is refused instead of filled.
	applicationID = 0x6d666564
	// schemaVersion is raised by a change of tables that an older binary cannot work with.
	schemaVersion = 1
)

// table holds the statements of one kind. Times are milliseconds since 1970; NULL is never. Rows have SQLite's own ascending
// rowid, so that bodies are appended and only the narrow index of IDs is written at random places.
type table struct {
	name                                      string
	indexes                                   storage.Indexes
	get, insert, replace, delete, held, sweep string
}

// columns are selected in the order that scan expects.
const columns = "id, rev, expires_at, owner, name, created_at, due_at, body"

func tables() map[storage.Kind]*table {
	all := make(map[storage.Kind]*table)
	for kind, indexes := range storage.Kinds() {
		all[kind] = newTable(string(kind), indexes)
	}
	return all
}

func newTable(name string, indexes storage.Indexes) *table {
	sub := strings.NewReplacer("{t}", name).Replace
	return &table{
		name:    name,
		indexes: indexes,
		get: sub(`SELECT rev, expires_at, owner, name, created_at, due_at, body FROM {t}
			WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)`),
		insert: sub(`INSERT INTO {t} (id, rev, expires_at, owner, name, created_at, due_at, body)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
			ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, expires_at = excluded.expires_at, owner = excluded.owner,
				name = excluded.name, created_at = excluded.created_at, due_at = excluded.due_at, body = excluded.body
			WHERE {t}.expires_at <= ?9`),
		replace: sub(`UPDATE {t} SET rev = ?2, expires_at = ?3, owner = ?4, name = ?5, created_at = ?6, due_at = ?7, body = ?8
			WHERE id = ?1 AND rev = ?10 AND (expires_at IS NULL OR expires_at > ?9)`),
		delete: sub(`DELETE FROM {t} WHERE id = ?`),
		held:   sub(`SELECT rev FROM {t} WHERE id = ?`),
		sweep:  sub(`DELETE FROM {t} WHERE rowid IN (SELECT rowid FROM {t} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`),
	}
}

// definition returns the statements that make the table and its indexes.
func (t *table) definition() []string {
	sub := strings.NewReplacer("{t}", t.name).Replace
	statements := []string{
		sub(`CREATE TABLE IF NOT EXISTS {t} (
			id TEXT NOT NULL UNIQUE, rev INTEGER NOT NULL, expires_at INTEGER, owner TEXT NOT NULL, name TEXT NOT NULL,
			created_at INTEGER NOT NULL, due_at INTEGER, body BLOB NOT NULL)`),
		sub(`CREATE INDEX IF NOT EXISTS {t}_expires_at ON {t} (expires_at) WHERE expires_at IS NOT NULL`),
	}
	if t.indexes.Created {
		statements = append(statements, sub(`CREATE INDEX IF NOT EXISTS {t}_created_at ON {t} (owner, created_at, id)`))
	}
	if t.indexes.Name {
		statements = append(statements, sub(`CREATE INDEX IF NOT EXISTS {t}_name ON {t} (owner, name, id)`))
	}
	if t.indexes.Due {
		statements = append(statements, sub(`CREATE INDEX IF NOT EXISTS {t}_due_at ON {t} (due_at, id) WHERE due_at IS NOT NULL`))
	}
	return statements
}

// prepareFile brings the file to the current schema. It is safe beside other processes that do the same.
func prepareFile(ctx context.Context, path string, tables map[storage.Kind]*table) error {
	c, err := connectWriter(ctx, path)
	if err != nil {
		return err
	}
	defer c.Close()
	version, err := c.checkIdentity()
	if err != nil || version == schemaVersion {
		return err
	}
	if err := c.createTables(tables); err != nil {
		_, _ = c.exec("ROLLBACK")
		return unavailable(path, "create tables", err)
	}
	return nil
}

// checkIdentity answers the schema's version, 0 for an empty file.
func (c *connection) checkIdentity() (version int64, err error) {
	application, err := c.number("PRAGMA application_id")
	if err != nil {
		return 0, unavailable(c.path, "open", err)
	}
	if version, err = c.number("PRAGMA user_version"); err != nil {
		return 0, unavailable(c.path, "open", err)
	}
	objects, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, unavailable(c.path, "open", err)
	}
	if application != applicationID && objects > 0 {
		return 0, fmt.Errorf("storage/sqlite: %s is a SQLite database of another program", c.path)
	}
	if version > schemaVersion {
		return 0, fmt.Errorf("%w: %s has schema %d, this binary knows %d: upgrade it", storage.ErrNewerVersion, c.path, version, schemaVersion)
	}
	return version, nil
}

func (c *connection) createTables(tables map[storage.Kind]*table) error {
	statements := []string{"BEGIN IMMEDIATE"}
	for _, t := range tables {
		statements = append(statements, t.definition()...)
	}
	statements = append(statements,
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", schemaVersion),
		"COMMIT")
	for _, statement := range statements {
		if _, err := c.exec(statement); err != nil {
			return err
		}
	}
	return nil
}
