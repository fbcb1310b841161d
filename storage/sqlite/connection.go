package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	driversqlite "modernc.org/sqlite"
)

// connection is one connection of the driver with its prepared statements. It is used without database/sql, which doubles the
// processor time of a get (a goroutine per query watches the context), and is not safe for concurrent use.
type connection struct {
	path       string
	conn       driver.Conn
	statements map[string]statement
	args       []driver.NamedValue
}

// statement is what the driver's prepared statements can do.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// dialer opens a connection to a database file.
type dialer func(ctx context.Context, path string) (*connection, error)

// busyTimeout is how long a connection waits for another process.
const busyTimeout = 5 * time.Second

// dsn names the file with the pragmas that every connection needs.
func dsn(path string, pragmas ...string) string { return fileURL(path, settings(pragmas...)) }

func settings(pragmas ...string) url.Values {
	return url.Values{
		"_pragma": append([]string{
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(ON)", "trusted_schema(OFF)",
		}, pragmas...),
		"_dqs": {"0"}, "_error_rc": {"1"}, "_defensive": {"1"},
	}
}

func fileURL(path string, query url.Values) string {
	name := filepath.ToSlash(path)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return (&url.URL{Scheme: "file", Path: name, RawQuery: query.Encode()}).String()
}

// dialWriter opens a connection with a cache of 8 MB for the inner pages of a large file's indexes. Its cache stays valid from
// commit to commit. It copies the log into the database every 4000 pages (16 MB): pages that change often are copied once for
// many changes. What is deleted or replaced is overwritten with zeros: without that, most of it stays in the file.
func dialWriter(ctx context.Context, path string) (*connection, error) {
	return connect(ctx, path, dsn(path, "cache_size(-8000)", "wal_autocheckpoint(4000)", "secure_delete(ON)"))
}

// dialReader opens a connection with SQLite's own 2 MB: a commit of the writer empties a reader's cache, so that more of it, or
// a memory map, gains nothing. It leaves checkpoints to the writer.
func dialReader(ctx context.Context, path string) (*connection, error) {
	return connect(ctx, path, dsn(path, "query_only(ON)", "wal_autocheckpoint(0)"))
}

// dialPages opens a connection that may write pages, which no other connection may. It leaves checkpoints to the writer.
func dialPages(ctx context.Context, path string) (*connection, error) {
	query := settings("cache_size(-500)", "wal_autocheckpoint(0)", "busy_timeout(0)")
	query.Del("_defensive")
	return connect(ctx, path, fileURL(path, query))
}

// dialClaim opens a connection that does not wait: a claim is held for as long as its server lives.
func dialClaim(ctx context.Context, path string) (*connection, error) {
	return connect(ctx, path, fileURL(path, nil))
}

func connect(ctx context.Context, path, dsn string) (*connection, error) {
	connector, err := driversqlite.NewConnector(dsn)
	if err != nil {
		return nil, unavailable(path, "open", err)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, unavailable(path, "open", err)
	}
	return &connection{path: path, conn: conn, statements: map[string]statement{}}, nil
}

// Close closes the connection; an open transaction is rolled back.
func (c *connection) Close() error {
	var err error
	for _, s := range c.statements {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, c.conn.Close())
}

// exec executes a statement and returns how many rows it changed.
func (c *connection) exec(query string, args ...driver.Value) (changed int64, err error) {
	result, err := c.execute(query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c *connection) execute(query string, args ...driver.Value) (driver.Result, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), c.named(args))
}

// each reads the rows of a query into dest, one after the other, and calls do for each.
func (c *connection) each(dest []driver.Value, do func() error, query string, args ...driver.Value) (err error) {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), c.named(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for {
		if err := rows.Next(dest); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := do(); err != nil {
			return err
		}
	}
}

// row reads the first row of a query into dest and ends the query at once, so that it holds no snapshot.
func (c *connection) row(dest []driver.Value, query string, args ...driver.Value) (found bool, err error) {
	s, err := c.prepare(query)
	if err != nil {
		return false, err
	}
	rows, err := s.QueryContext(context.Background(), c.named(args))
	if err != nil {
		return false, err
	}
	err = rows.Next(dest)
	if closeErr := rows.Close(); err == nil {
		err = closeErr
	}
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

// value reads the one integer or text that a query yields into what to points to.
func (c *connection) value(to any, query string) error {
	row := make([]driver.Value, 1)
	if _, err := c.row(row, query); err != nil {
		return err
	}
	switch to := to.(type) {
	case *int64:
		*to, _ = row[0].(int64)
	case *string:
		*to, _ = row[0].(string)
	}
	return nil
}

func (c *connection) prepare(query string) (statement, error) {
	if s, ok := c.statements[query]; ok {
		return s, nil
	}
	prepared, err := c.conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	s, ok := prepared.(statement)
	if !ok {
		return nil, errors.Join(errors.New("the driver's statements take no context"), prepared.Close())
	}
	c.statements[query] = s
	return s, nil
}

// named numbers the arguments; the slice is reused.
func (c *connection) named(args []driver.Value) []driver.NamedValue {
	c.args = c.args[:0]
	for i, arg := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	return c.args
}
