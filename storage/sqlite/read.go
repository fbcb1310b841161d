package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/minifed/minifed/storage"
)

// reader serves one get at a time. Its connection is opened when it is first needed and again after a failure.
type reader struct {
	path string
	dial dialer
	conn *connection
	row  [7]driver.Value
}

// Get implements storage.Engine.
func (e *Engine) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	t, err := e.table(kind)
	if err != nil {
		return storage.Document{}, err
	}
	r, release, err := e.reader(ctx)
	if err != nil {
		return storage.Document{}, err
	}
	defer release()
	found, err := r.get(ctx, t, id, e.now().UnixMilli())
	if err != nil {
		return storage.Document{}, unavailable(e.path, "read", err)
	}
	if !found {
		return storage.Document{}, storage.ErrNotFound
	}
	return e.scan(kind, id, r.row[:])
}

// Unseen reports whether this server has inserted no document with this ID within a time. It reads nothing: false also means that it
// does not know. A document that a tool inserts into the file of a running server is not seen.
func (e *Engine) Unseen(kind storage.Kind, id string, within time.Duration) bool {
	t, err := e.table(kind)
	return err == nil && t.lookups != nil && t.lookups.recent.Load().unseen(id, e.now().Add(-within))
}

// reader waits for a reader that is free. If no transaction runs, it is the connection of the writer: its cache of pages is still
// valid after its own commits, which empty those of other connections. The engine of a backup has no writer. The caller must release it.
func (e *Engine) reader(ctx context.Context) (r *reader, release func(), err error) {
	if ctx.Err() != nil {
		return nil, nil, ended(ctx)
	}
	select {
	case <-e.closed:
		return nil, nil, errClosed()
	default:
	}
	if e.writer != nil {
		if r, ok := e.writer.lend(); ok {
			return r, e.writer.giveBack, nil
		}
	}
	select {
	case r := <-e.readers:
		return r, func() { e.readers <- r }, nil
	case <-ctx.Done():
		return nil, nil, ended(ctx)
	case <-e.closed:
		return nil, nil, errClosed()
	}
}

func (r *reader) get(ctx context.Context, t *table, id string, now int64) (found bool, err error) {
	if r.conn == nil {
		if r.conn, err = r.dial(ctx, r.path); err != nil {
			return false, err
		}
	}
	if t.lookups == nil {
		found, err = r.conn.row(r.row[:], t.get, id, now)
	} else {
		found, err = r.getAppended(t.lookups, id, now)
	}
	if err != nil {
		return false, errors.Join(err, r.close())
	}
	return found, nil
}

// getAppended reads a document of a kind whose rows are indexed later. It asks the memory first: a row that has left the memory is in
// the index.
func (r *reader) getAppended(l *lookups, id string, now int64) (found bool, err error) {
	recent := l.recent.Load()
	for _, seq := range recent.withID(id) {
		if found, err = r.conn.row(r.row[:], l.get, id, now, seq); found || err != nil {
			return found, err
		}
	}
	if found, err = r.conn.row(r.row[:], l.find, id, now, hashOf(id)); found || err != nil || recent != nil {
		return found, err
	}
	return r.conn.row(r.row[:], l.getUnindexed, id, now)
}

func (r *reader) close() error {
	if r.conn == nil {
		return nil
	}
	conn := r.conn
	r.conn = nil
	return conn.Close()
}
