package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"time"

	driversqlite "modernc.org/sqlite"

	"github.com/minifed/minifed/storage"
)

// listConnections is how many lists run at once.
const listConnections = 2

// openLists makes the pool for lists. They may take long, so their contexts end them.
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
	documents, err := e.list(ctx, query.Kind, text, args)
	if err != nil {
		return storage.Page{}, unavailable(e.path, "list", err)
	}
	size := query.PageSize()
	if len(documents) <= size {
		return storage.Page{Documents: documents}, nil
	}
	last := query.Order.PositionOf(documents[size-1])
	return storage.Page{Documents: documents[:size], Next: query.Order.Cursor(last)}, nil
}

func (e *Engine) list(ctx context.Context, kind storage.Kind, text string, args []any) ([]storage.Document, error) {
	rows, err := e.lists.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var documents []storage.Document
	for rows.Next() {
		doc, err := scanRow(rows, kind)
		if err != nil {
			return nil, err
		}
		documents = append(documents, doc)
	}
	return documents, rows.Err()
}

func scanRow(rows *sql.Rows, kind storage.Kind) (storage.Document, error) {
	var id string
	var rev, expires, owner, name, created, due, body any
	if err := rows.Scan(&id, &rev, &expires, &owner, &name, &created, &due, &body); err != nil {
		return storage.Document{}, err
	}
	return scan(kind, id, []driver.Value{rev, expires, owner, name, created, due, body})
}

// list returns the statement for one page and one document more, which tells whether there is a next page.
func (t *table) list(query storage.Query, now int64) (text string, args []any, err error) {
	start, err := query.Start()
	if err != nil {
		return "", nil, err
	}
	conditions := []string{"(expires_at IS NULL OR expires_at > ?)"}
	args = []any{now}
	where := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	order := "id"
	switch query.Order {
	case storage.ByID:
		if start != nil {
			where("id > ?", start.ID)
		}
	case storage.ByCreated, storage.ByCreatedDescending:
		where("owner = ?", query.Owner)
		after := "(created_at, id) > (?, ?)"
		order = "created_at, id"
		if query.Order == storage.ByCreatedDescending {
			after, order = "(created_at, id) < (?, ?)", "created_at DESC, id DESC"
		}
		if start != nil {
			where(after, start.Time.UnixMilli(), start.ID)
		}
	case storage.ByName:
		where("owner = ?", query.Owner)
		if query.Prefix != "" {
			// No byte of UTF-8 is 0xff: all names with the prefix, and no others, lie between.
			where("name >= ? AND name < ?", query.Prefix, query.Prefix+"\xff")
		}
		order = "name, id"
		if start != nil {
			where("(name, id) > (?, ?)", start.Name, start.ID)
		}
	case storage.ByDue:
		where("due_at IS NOT NULL AND due_at <= ?", query.DueBefore.UnixMilli())
		order = "due_at, id"
		if start != nil {
			where("(due_at, id) > (?, ?)", start.Time.UnixMilli(), start.ID)
		}
	}
	text = "SELECT " + columns + " FROM " + t.name + " WHERE " + strings.Join(conditions, " AND ") + " ORDER BY " + order + " LIMIT ?"
	return text, append(args, query.PageSize()+1), nil
}
