package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestEngine_Contract(t *testing.T) {
	lossy := map[storage.Engine]*atomic.Bool{}
	storagetest.Run(t, storagetest.Subject{
		Open: func(t *testing.T, now func() time.Time) storage.Engine {
			lose := &atomic.Bool{}
			e := openHooked(t, Options{Serve: true, Now: now}, func(query string, execute execution) (driver.Result, error) {
				result, err := execute()
				if query == "COMMIT" && lose.CompareAndSwap(true, false) {
					return nil, errors.New("the answer was lost")
				}
				return result, err
			})
			lossy[e] = lose
			return e
		},
		Reopen: func(t *testing.T, engine storage.Engine, now func() time.Time) storage.Engine {
			old := engine.(*Engine)
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			return openTest(t, Options{Path: old.path, Serve: true, Now: now})
		},
		DropReply: func(_ *testing.T, engine storage.Engine) { lossy[engine].Store(true) },
	})
}

// openTest opens an engine on a new file unless options.Path names one, and closes it at the end.
func openTest(t *testing.T, options Options) *Engine {
	t.Helper()
	return openHooked(t, options, nil)
}

// openHooked is openTest with a hook around the writer's statements.
func openHooked(t *testing.T, options Options, hook hook) *Engine {
	t.Helper()
	if options.Path == "" {
		options.Path = filepath.Join(t.TempDir(), "data", "minifed.db")
	}
	e, err := open(t.Context(), options, hook.dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

type execution func() (driver.Result, error)

// hook stands between the writer and the driver: it sees each statement that is executed and decides about its outcome. Nil
// does nothing.
type hook func(query string, execute execution) (driver.Result, error)

func (h hook) dial(ctx context.Context, path string) (*connection, error) {
	c, err := dialWriter(ctx, path)
	if err == nil && h != nil {
		c.conn = hookedConn{c.conn, h}
	}
	return c, err
}

type hookedConn struct {
	driver.Conn
	hook hook
}

func (c hookedConn) Prepare(query string) (driver.Stmt, error) {
	prepared, err := c.Conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	return hookedStatement{prepared.(statement), query, c.hook}, nil
}

type hookedStatement struct {
	statement
	query string
	hook  hook
}

func (s hookedStatement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.hook(s.query, func() (driver.Result, error) { return s.statement.ExecContext(ctx, args) })
}

func testDocument(id string) storage.Document {
	return storage.Document{Kind: storage.KindGrant, ID: id, Owner: "owner", Body: []byte(fmt.Sprintf(`{"v":1,"id":%q}`, id))}
}

func userDocument(id string) storage.Document {
	doc := testDocument(id)
	doc.Kind = storage.KindUser
	return doc
}

func mustInsert(t *testing.T, e *Engine, doc storage.Document) storage.Document {
	t.Helper()
	rev, err := e.Insert(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	doc.Rev = rev
	return doc
}

// rows counts the rows of a table, expired ones too.
func rows(t *testing.T, path string, kind storage.Kind) (n int64) {
	t.Helper()
	c, err := dialReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.value(&n, "SELECT count(*) FROM "+string(kind)); err != nil {
		t.Fatal(err)
	}
	return n
}
