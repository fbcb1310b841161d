package sqlite

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

const (
	// applicationID marks the file as minifed's ("mfed"), so that a foreign database is rejected.
	applicationID = 0x6d666564
	// schemaVersion is raised by a change of tables that an older binary cannot work with.
	schemaVersion = 2
)

// table holds the statements of one kind. Times are milliseconds since 1970; NULL is never. Rows have SQLite's ascending rowid,
// so that bodies are appended and only narrow indexes are written at random places. The index of creation times has no ID for
// that reason: documents of the same millisecond are sorted when they are listed. The columns that get reads have no name and
// no type, because the driver would allocate strings for both at every get.
type table struct {
	name                                      string
	indexes                                   storage.Indexes
	get, insert, replace, delete, held, sweep string
	// lookups are the statements of a kind whose rows are indexed later; nil for the others.
	lookups *lookups
}

// columns are selected in the order that scan expects.
const columns = "id, rev, expires_at, owner, name, created_at, due_at, body, rowid"

func tables() map[storage.Kind]*table {
	all := make(map[storage.Kind]*table)
	for kind, indexes := range storage.Kinds() {
		all[kind] = newTable(string(kind), indexes)
	}
	all[storage.KindGrant] = newAppendedTable()
	return all
}

func newTable(name string, indexes storage.Indexes) *table {
	sub := strings.NewReplacer("{t}", name).Replace
	return &table{
		name:    name,
		indexes: indexes,
		get: sub(`SELECT +rev "", +expires_at "", +owner "", +name "", +created_at "", +due_at "", +body "" FROM {t}
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

// definitions returns the statements that make the table and its indexes, by the names of these.
func (t *table) definitions() map[string]string {
	if t.lookups != nil {
		return t.lookups.definitions(t.name)
	}
	sub := strings.NewReplacer("{t}", t.name).Replace
	all := map[string]string{
		t.name: sub(`CREATE TABLE IF NOT EXISTS {t} (
			id TEXT NOT NULL UNIQUE, rev INTEGER NOT NULL, expires_at INTEGER, owner TEXT NOT NULL, name TEXT NOT NULL,
			created_at INTEGER NOT NULL, due_at INTEGER, body BLOB NOT NULL)`),
		t.name + "_expires_at": sub(`CREATE INDEX IF NOT EXISTS {t}_expires_at ON {t} (expires_at) WHERE expires_at IS NOT NULL`),
	}
	if t.indexes.Created {
		all[t.name+"_created_at"] = sub(`CREATE INDEX IF NOT EXISTS {t}_created_at ON {t} (owner, created_at)`)
	}
	if t.indexes.Name {
		all[t.name+"_name"] = sub(`CREATE INDEX IF NOT EXISTS {t}_name ON {t} (owner, name, id)`)
	}
	if t.indexes.Due {
		all[t.name+"_due_at"] = sub(`CREATE INDEX IF NOT EXISTS {t}_due_at ON {t} (due_at, id) WHERE due_at IS NOT NULL`)
	}
	return all
}

// schema is everything that a file holds, by name.
func schema(tables map[storage.Kind]*table) map[string]string {
	all := map[string]string{}
	for _, t := range tables {
		maps.Copy(all, t.definitions())
	}
	return all
}

// prepareFile migrates the file to the current schema. Other processes may do the same at the same time. Indexes of an earlier
// version still work, only slower: a server creates them again, and tools leave them, so that no server waits for a tool.
func (c *connection) prepareFile(tables map[storage.Kind]*table, serve bool) error {
	if err := c.checkFile(); err != nil {
		return err
	}
	outdated, err := c.outdated(schema(tables), serve)
	if err != nil || len(outdated) == 0 {
		return err
	}
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return unavailable(c.path, "create tables", err)
	}
	if outdated, err = c.outdated(schema(tables), serve); err != nil { // Another process may have been faster.
		return err
	}
	for _, statement := range append(creation(outdated), "COMMIT") {
		if _, err := c.exec(statement); err != nil {
			return unavailable(c.path, "create tables", err)
		}
	}
	return nil
}

// outdated returns the statements of what the file lacks, by name, and of the indexes that it has otherwise, if those count. Tables
// are not compared: one that changes raises schemaVersion.
func (c *connection) outdated(schema map[string]string, indexes bool) (map[string]string, error) {
	var text string
	if err := c.value(&text, "SELECT json_group_object(name, coalesce(sql, '')) FROM sqlite_schema"); err != nil {
		return nil, unavailable(c.path, "open", err)
	}
	var found map[string]string
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		return nil, fmt.Errorf("storage/sqlite: the schema of %s cannot be read: %w", c.path, err)
	}
	outdated := map[string]string{}
	for name, statement := range schema {
		has, ok := found[name]
		if !ok || indexes && strings.HasPrefix(has, "CREATE INDEX") && has != stored(statement) {
			outdated[name] = statement
		}
	}
	return outdated, nil
}

// stored returns a statement in the form that SQLite stores.
func stored(statement string) string { return strings.Replace(statement, "IF NOT EXISTS ", "", 1) }

// checkFile rejects a file that is not minifed's or not for this version.
func (c *connection) checkFile() error {
	var mode string
	var application, version, objects int64
	// Another process may be creating the tables: their number is read before the marks that are set with them.
	for _, read := range []struct {
		value any
		query string
	}{
		{&mode, "PRAGMA journal_mode"},
		{&objects, "SELECT count(*) FROM sqlite_schema"},
		{&application, "PRAGMA application_id"},
		{&version, "PRAGMA user_version"},
	} {
		if err := c.value(read.value, read.query); err != nil {
			return unavailable(c.path, "open", err)
		}
	}
	if mode != "wal" {
		return &FileError{Reason: FileUnshared, Path: c.path}
	}
	if application != applicationID && objects > 0 {
		return &FileError{Reason: FileForeign, Path: c.path}
	}
	if version > 0 && version < schemaVersion {
		return fmt.Errorf("%w: %s has schema %d, this version has %d", ErrOldSchema, c.path, version, schemaVersion)
	}
	return c.checkVersion(version)
}

// creation returns the statements that create what is outdated. An index is dropped first.
func creation(outdated map[string]string) []string {
	var statements []string
	for _, name := range slices.Sorted(maps.Keys(outdated)) { // a table's name sorts before those of its indexes
		if strings.HasPrefix(outdated[name], "CREATE INDEX") {
			statements = append(statements, "DROP INDEX IF EXISTS "+name)
		}
		statements = append(statements, outdated[name])
	}
	return append(statements,
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
}
