package sqlite

import (
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/minifed/minifed/storage"
)

// lookups are the statements of a kind whose rows are appended in the order of their insertion and indexed later. See doc.go,
// "Grants".
type lookups struct {
	// get reads a document by its row, and find by the index of IDs.
	get, find string
	// getUnindexed reads a document that is not indexed yet, where no other way exists.
	getUnindexed string
	// row, rowOf and rowUnindexed read the row, owner and expiry of a document, expired or not: by its row, by the index of IDs, and
	// among the rows that are not indexed yet.
	row, rowOf, rowUnindexed string
	// insert stores nothing if an indexed row has the ID.
	insert, replace, remove string
	// indexed reads the last row that is indexed with all before it, and setIndexed stores it.
	indexed, setIndexed string
	// rows reads the rows after one, at most so many.
	rows string
	// expired reads entries of the index of expiry times, earliest first.
	expired string
	// ownerRows restricts a list to the rows of an owner, and ownerRowsAmong does so if the rows that are not indexed yet are known.
	ownerRows, ownerRowsAmong string
	// add and drop change an index: they take a key and a row.
	add, drop [3]string
	// addMany is add for entriesAtOnce entries, and lastRow reads the highest row.
	addMany [3]string
	lastRow string

	// recent knows the rows that are not indexed yet. Nil is unknown: they are then searched in the table.
	recent atomic.Pointer[recent]
}

// The indexes of a kind whose rows are indexed later.
const (
	byID = iota
	byOwner
	byExpiry
)

// newAppendedTable returns the table of the grants.
func newAppendedTable() *table {
	const name = string(storage.KindGrant)
	sub := strings.NewReplacer(
		"{t}", name,
		"{columns}", `+g.rev "", +g.expires_at "", +g.owner "", +g.name "", +g.created_at "", +g.due_at "", +g.body ""`,
		"{live}", "(g.expires_at IS NULL OR g.expires_at > ?2)",
		"{unindexed}", "g.seq > coalesce((SELECT seq FROM {t}_indexed), 0)",
		"{place}", "g.seq, g.owner, g.expires_at, g.rev",
	)
	replace := func(text string) string { return sub.Replace(sub.Replace(text)) }
	l := &lookups{
		get:          replace(`SELECT {columns} FROM {t} g WHERE g.seq = ?3 AND g.id = ?1 AND {live}`),
		find:         replace(`SELECT {columns} FROM {t}_by_id i CROSS JOIN {t} g ON g.seq = i.seq WHERE i.hash = ?3 AND g.id = ?1 AND {live}`),
		getUnindexed: replace(`SELECT {columns} FROM {t} g WHERE {unindexed} AND g.id = ?1 AND {live}`),
		row:          replace(`SELECT {place} FROM {t} g WHERE g.seq = ?2 AND g.id = ?1`),
		rowOf:        replace(`SELECT {place} FROM {t}_by_id i CROSS JOIN {t} g ON g.seq = i.seq WHERE i.hash = ?2 AND g.id = ?1`),
		rowUnindexed: replace(`SELECT {place} FROM {t} g WHERE {unindexed} AND g.id = ?1`),
		insert: replace(`INSERT INTO {t} (seq, id, rev, expires_at, owner, name, created_at, due_at, body)
			SELECT max(?9, (SELECT coalesce(max(seq), 0) FROM {t}), coalesce((SELECT seq FROM {t}_indexed), 0)) + 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
			WHERE NOT EXISTS (SELECT 1 FROM {t}_by_id i CROSS JOIN {t} g ON g.seq = i.seq WHERE i.hash = ?10 AND g.id = ?1)`),
		replace: replace(`UPDATE {t} SET rev = ?2, expires_at = ?3, owner = ?4, name = ?5, created_at = ?6, due_at = ?7, body = ?8
			WHERE seq = ?11 AND id = ?1 AND rev = ?10 AND (expires_at IS NULL OR expires_at > ?9)`),
		remove:  replace(`DELETE FROM {t} WHERE seq = ?`),
		lastRow: replace(`SELECT coalesce(max(seq), 0) FROM {t}`),
		indexed: replace(`SELECT coalesce((SELECT seq FROM {t}_indexed), 0)`),
		setIndexed: replace(`INSERT INTO {t}_indexed (one, seq) VALUES (1, ?)
			ON CONFLICT (one) DO UPDATE SET seq = excluded.seq WHERE seq < excluded.seq`),
		rows:           replace(`SELECT seq, id, owner, expires_at FROM {t} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`),
		ownerRows:      replace(`seq IN (SELECT seq FROM {t}_by_owner WHERE hash = ? UNION SELECT g.seq FROM {t} g WHERE {unindexed} AND g.owner = ?)`),
		ownerRowsAmong: replace(`seq IN (SELECT seq FROM {t}_by_owner WHERE hash = ? UNION SELECT value FROM json_each(?))`),
		expired: replace(`SELECT i.expires_at, i.seq, g.id, g.owner, g.expires_at FROM {t}_by_expiry i LEFT JOIN {t} g ON g.seq = i.seq
			WHERE (i.expires_at, i.seq) > (?, ?) AND i.expires_at <= ? ORDER BY i.expires_at, i.seq LIMIT ?`),
	}
	for index, key := range [...]string{byID: "hash", byOwner: "hash", byExpiry: "expires_at"} {
		table := name + [...]string{byID: "_by_id", byOwner: "_by_owner", byExpiry: "_by_expiry"}[index]
		l.add[index] = "INSERT OR IGNORE INTO " + table + " (" + key + ", seq) VALUES (?, ?)"
		l.addMany[index] = manyOf(l.add[index])
		l.drop[index] = "DELETE FROM " + table + " WHERE " + key + " = ? AND seq = ?"
	}
	return &table{name: name, indexes: storage.Kinds()[storage.Kind(name)], lookups: l}
}

// definitions returns the statements that create the table and its indexes, by name.
func (l *lookups) definitions(name string) map[string]string {
	all := map[string]string{
		name: `CREATE TABLE IF NOT EXISTS {t} (
			seq INTEGER PRIMARY KEY, id TEXT NOT NULL, rev INTEGER NOT NULL, expires_at INTEGER, owner TEXT NOT NULL, name TEXT NOT NULL,
			created_at INTEGER NOT NULL, due_at INTEGER, body BLOB NOT NULL)`,
		name + "_by_id":     `CREATE TABLE IF NOT EXISTS {t}_by_id (hash INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (hash, seq)) WITHOUT ROWID`,
		name + "_by_owner":  `CREATE TABLE IF NOT EXISTS {t}_by_owner (hash INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (hash, seq)) WITHOUT ROWID`,
		name + "_by_expiry": `CREATE TABLE IF NOT EXISTS {t}_by_expiry (expires_at INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (expires_at, seq)) WITHOUT ROWID`,
		name + "_indexed":   `CREATE TABLE IF NOT EXISTS {t}_indexed (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL)`,
	}
	for object, statement := range all {
		all[object] = strings.ReplaceAll(statement, "{t}", name)
	}
	return all
}

// hashOf is the key of an ID or an owner in an index: four bytes. A row that is found by it is compared with the whole text.
func hashOf(text string) int64 {
	hash := uint32(2166136261) // FNV-1a
	for i := range len(text) {
		hash = (hash ^ uint32(text[i])) * 16777619
	}
	return int64(int32(hash))
}

// place is the row of a document, expired or not.
type place struct {
	seq     int64
	owner   string
	expires driver.Value
	rev     int64
}

// live reports whether the document is not expired.
func (p place) live(now int64) bool {
	expires, ok := p.expires.(int64)
	return !ok || expires > now
}

// locate finds the row of a document.
func (l *lookups) locate(c *connection, id string) (p place, found bool, err error) {
	var row [4]driver.Value
	recent := l.recent.Load()
	for _, seq := range recent.withID(id) {
		if found, err = c.row(row[:], l.row, id, seq); found || err != nil {
			break
		}
	}
	if !found && err == nil {
		found, err = c.row(row[:], l.rowOf, id, hashOf(id))
	}
	if !found && err == nil && recent == nil {
		found, err = c.row(row[:], l.rowUnindexed, id)
	}
	if !found || err != nil {
		return place{}, false, err
	}
	seq, okSeq := row[0].(int64)
	owner, okOwner := row[1].(string)
	rev, okRev := row[3].(int64)
	if !okSeq || !okOwner || !okRev {
		return place{}, false, errDamagedRow
	}
	return place{seq, owner, row[2], rev}, true, nil
}

var errDamagedRow = errors.New("a row is damaged")

// insertAppended executes an insert. Only one row has an ID, so that an expired one is removed.
func (op *operation) insertAppended(c *connection, now int64) error {
	l := op.table.lookups
	recent := l.recent.Load()
	if recent == nil || len(recent.withID(op.doc.ID)) > 0 {
		if free, err := op.makeRoom(c, now); !free || err != nil {
			return err
		}
	}
	seq, err := op.append(c, recent)
	if err == nil && seq == 0 { // An indexed row has the ID.
		var free bool
		if free, err = op.makeRoom(c, now); !free || err != nil {
			return err
		}
		if seq, err = op.append(c, recent); err == nil && seq == 0 {
			err = errDamagedRow
		}
	}
	if recent != nil && err == nil {
		recent.add(hashOf(op.doc.ID), hashOf(op.doc.Owner), seq)
	}
	return err
}

// makeRoom removes an expired document with the ID of an insert. It reports whether the ID is free; if not, the insert has lost.
func (op *operation) makeRoom(c *connection, now int64) (free bool, err error) {
	p, found, err := op.table.lookups.locate(c, op.doc.ID)
	if err != nil {
		return false, err
	}
	if found && p.live(now) {
		op.err = storage.ErrExists
		return false, nil
	}
	if found {
		err = op.table.lookups.removeRow(c, op.doc.ID, p)
	}
	return err == nil, err
}

// append stores the document in a new row, whose number is higher than all that are or were in use. It returns 0 if an indexed row
// has the ID.
func (op *operation) append(c *connection, recent *recent) (seq int64, err error) {
	args := append(op.columns(), recent.lastRow(), hashOf(op.doc.ID))
	result, err := c.execute(op.table.lookups.insert, args...)
	if err != nil {
		return 0, err
	}
	if changed, err := result.RowsAffected(); changed == 0 || err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// replaceAppended executes a replacement.
func (op *operation) replaceAppended(c *connection, now int64) error {
	l := op.table.lookups
	p, found, err := l.locate(c, op.doc.ID)
	if err != nil {
		return err
	}
	var changed int64
	if found {
		changed, err = c.exec(l.replace, append(op.columns(), now, parseRevision(op.doc.Rev), p.seq)...)
	}
	if changed == 0 {
		op.err = storage.ErrConflict
		return err
	}
	return l.reindex(c, p, &op.doc)
}

// reindex follows a replacement in the indexes. A later expiry is left to the sweep, which moves the entry when it is due.
func (l *lookups) reindex(c *connection, was place, doc *storage.Document) error {
	if doc.Owner != was.owner {
		if _, err := c.exec(l.add[byOwner], hashOf(doc.Owner), was.seq); err != nil {
			return err
		}
		if _, err := c.exec(l.drop[byOwner], hashOf(was.owner), was.seq); err != nil {
			return err
		}
	}
	expires, set := nullable(doc.ExpiresAt).(int64)
	if before, wasSet := was.expires.(int64); !set || wasSet && before <= expires {
		return nil
	}
	_, err := c.exec(l.add[byExpiry], expires, was.seq)
	return err
}

// removeAppended executes a deletion.
func (op *operation) removeAppended(c *connection) error {
	p, found, err := op.table.lookups.locate(c, op.doc.ID)
	if !found || err != nil {
		return err
	}
	return op.table.lookups.removeRow(c, op.doc.ID, p)
}

// removeRow deletes a row and its entries. The sweep drops the entry of its expiry.
func (l *lookups) removeRow(c *connection, id string, p place) error {
	if _, err := c.exec(l.remove, p.seq); err != nil {
		return err
	}
	if _, err := c.exec(l.drop[byID], hashOf(id), p.seq); err != nil {
		return err
	}
	_, err := c.exec(l.drop[byOwner], hashOf(p.owner), p.seq)
	return err
}
