package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	driversqlite "modernc.org/sqlite"

	"github.com/minifed/minifed/storage"
)

// listConnections is how many lists run at once.
const listConnections = 2

// openLists opens the pool for lists. They may take long, so their contexts end them.
func openLists(path string) (*sql.DB, error) {
	connector, err := driversqlite.NewConnector(dsn(path, "query_only(ON)", "wal_autocheckpoint(0)"))
	if err != nil {
		return nil, unavailable(path, "open", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(listConnections)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// List implements storage.Engine.
func (e *Engine) List(ctx context.Context, query storage.Query) (storage.Page, error) {
	t, err := e.table(query.Kind)
	if err != nil {
		return storage.Page{}, err
	}
	if err := query.Validate(); err != nil {
		return storage.Page{}, err
	}
	if ctx.Err() != nil {
		return storage.Page{}, ended(ctx)
	}
	text, args, err := t.list(query, e.now().UnixMilli())
	if err != nil {
		return storage.Page{}, err
	}
	documents, rows, err := e.list(ctx, query.Kind, text, args)
	if err != nil {
		return storage.Page{}, unavailable(e.path, "list", err)
	}
	size := query.PageSize()
	if len(documents) <= size {
		return storage.Page{Documents: documents}, nil
	}
	return storage.Page{Documents: documents[:size], Next: query.Order.Cursor(t.position(query.Order, documents[size-1], rows[size-1]))}, nil
}

// position is where the next page begins. A table whose rows are indexed later lists the whole kind by row, and a cursor stores the
// row as a time.
func (t *table) position(order storage.Order, last storage.Document, row int64) storage.Position {
	if t.lookups != nil && order == storage.ByID {
		return storage.Position{Time: time.UnixMilli(row)}
	}
	return order.PositionOf(last)
}

// list returns the documents of a query and their rows.
func (e *Engine) list(ctx context.Context, kind storage.Kind, text string, args []any) (documents []storage.Document, seqs []int64, err error) {
	rows, err := e.lists.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var seq int64
		var rev, expires, owner, name, created, due, body any
		if err := rows.Scan(&id, &rev, &expires, &owner, &name, &created, &due, &body, &seq); err != nil {
			return nil, nil, err
		}
		doc, err := e.scan(kind, id, []driver.Value{rev, expires, owner, name, created, due, body})
		if err != nil {
			return nil, nil, err
		}
		documents, seqs = append(documents, doc), append(seqs, seq)
	}
	return documents, seqs, rows.Err()
}

// list returns the statement for one page and one document more, which shows whether there is a next page.
func (t *table) list(query storage.Query, now int64) (text string, args []any, err error) {
	start, err := query.Start()
	if err != nil {
		return "", nil, err
	}
	w := indexScanOf(query, start)
	if t.lookups != nil {
		t.lookups.adapt(&w, query, start)
	}
	where := append(w.where, "(expires_at IS NULL OR expires_at > ?)")
	args = append(w.args, now)
	if start != nil {
		where = append(where, w.after)
		args = append(args, w.position...)
	}
	text = fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT ?", columns, t.name, strings.Join(where, " AND "), w.order)
	return text, append(args, query.PageSize()+1), nil
}

// indexScan is the order and the range of a list in an index.
type indexScan struct {
	where []string // what all documents of the list have
	args  []any    // the values of where
	order string
	after string // what the documents after a position have
	// position holds the values of after.
	position []any
}

func indexScanOf(query storage.Query, start *storage.Position) indexScan {
	from := storage.Position{}
	if start != nil {
		from = *start
	}
	owner, at := []any{query.Owner}, []any{from.Time.UnixMilli(), from.ID}
	switch query.Order {
	case storage.ByCreated:
		return indexScan{[]string{"owner = ?"}, owner, "created_at, id", "(created_at, id) > (?, ?)", at}
	case storage.ByCreatedDescending:
		return indexScan{[]string{"owner = ?"}, owner, "created_at DESC, id DESC", "(created_at, id) < (?, ?)", at}
	case storage.ByName:
		// No byte of UTF-8 is 0xff: all names with the prefix, and no others, lie between.
		return indexScan{
			[]string{"owner = ? AND name >= ? AND name < ?"},
			[]any{query.Owner, query.Prefix, query.Prefix + "\xff"},
			"name, id", "(name, id) > (?, ?)",
			[]any{from.Name, from.ID},
		}
	case storage.ByDue:
		return indexScan{
			[]string{"due_at IS NOT NULL AND due_at <= ?"},
			[]any{query.DueBefore.UnixMilli()},
			"due_at, id", "(due_at, id) > (?, ?)", at,
		}
	default:
		return indexScan{order: "id", after: "id > ?", position: []any{from.ID}}
	}
}

// adapt follows the table's own indexes where the rows are indexed later. The documents of an owner are sorted when they are listed.
func (l *lookups) adapt(w *indexScan, query storage.Query, start *storage.Position) {
	switch query.Order {
	case storage.ByID:
		w.order, w.after = "seq", "seq > ?"
		if start != nil {
			w.position = []any{start.Time.UnixMilli()}
		}
	case storage.ByCreated, storage.ByCreatedDescending:
		rows, arg := l.ownerRows, any(query.Owner)
		if recent := l.recent.Load(); recent != nil {
			seqs, _ := json.Marshal(append([]int64{}, recent.withOwner(query.Owner)...)) // integers
			rows, arg = l.ownerRowsAmong, string(seqs)
		}
		w.where, w.args = append(w.where, rows), append(w.args, hashOf(query.Owner), arg)
	case storage.ByName, storage.ByDue: // Kinds with these lists are indexed at once.
	}
}
