package sqlite

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

// Options configure an engine.
type Options struct {
	// Path is the database file. It and its folder are created if missing, accessible to their owner only.
	Path string
	// Serve claims the file for a server: a second one is rejected while the first runs, and expired documents are swept. A file of
	// an earlier version is upgraded first.
	Serve bool
	// Now is the clock that expiry goes by; nil is time.Now.
	Now func() time.Time
	// Logger receives what an operator should know; nil discards.
	Logger *slog.Logger
	// FreeSpace returns how many bytes a folder has left, which an upgrade of the file asks for; nil asks for nothing.
	FreeSpace func(folder string) (uint64, error)
	// Random is where revisions come from; nil is crypto/rand.
	Random io.Reader

	// mergeRows is how many rows wait before a merge indexes them; 0 is a value for large stores.
	mergeRows int
}

// ErrServed says that another server is using the file.
var ErrServed = errors.New("storage/sqlite: another server is using this file")

// ErrOldSchema says that an earlier version of minifed wrote the file and that no server has upgraded it yet.
var ErrOldSchema = errors.New("storage/sqlite: a file of an earlier version")

// Engine is a storage.Engine over one SQLite file.
type Engine struct {
	path   string
	now    func() time.Time
	logger *slog.Logger
	// freeSpace may be nil.
	freeSpace func(folder string) (uint64, error)
	tables    map[storage.Kind]*table
	bodies    bodies
	readers   chan *reader
	writer    *writer
	lists     *sql.DB
	claim     io.Closer

	// working are the goroutines that work for the writer.
	working sync.WaitGroup
	closing sync.Once
	closed  chan struct{} // closed by Close
}

var _ storage.Engine = (*Engine)(nil)

// readConnections is how many gets run at once while a transaction runs. Each is a few microseconds of processor time.
const readConnections = 2

// Open opens or creates the file. It returns ErrServed if options.Serve is set and another server has the file, ErrOldSchema if it is
// not set and an earlier version of minifed wrote the file, and storage.ErrNewerVersion if a newer one did.
func Open(ctx context.Context, options Options) (*Engine, error) {
	return open(ctx, options, dialWriter)
}

// open is Open with the way in which the writer gets its connections.
func open(ctx context.Context, options Options, dial dialer) (*Engine, error) {
	path, err := locate(options.Path)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		path: path, now: options.Now, logger: options.Logger, tables: tables(), bodies: newBodies(), freeSpace: options.FreeSpace,
		readers: make(chan *reader, readConnections), closed: make(chan struct{}),
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	if options.Random == nil {
		options.Random = rand.Reader
	}
	if err := e.start(ctx, options, dial); err != nil {
		return nil, errors.Join(err, e.release())
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context, options Options, dial dialer) (err error) {
	if options.Serve {
		if e.claim, err = claim(ctx, e.path); err != nil {
			return err
		}
		if err := e.upgrade(ctx); err != nil {
			return err
		}
	}
	if e.lists, err = openLists(e.path); err != nil {
		return err
	}
	first, err := dial(ctx, e.path)
	if err != nil {
		return err
	}
	if err := first.prepareFile(e.tables, options.Serve); err != nil {
		return errors.Join(err, first.Close())
	}
	if options.Serve {
		if err := e.probe(first); err != nil {
			return errors.Join(err, first.Close())
		}
	}
	for range readConnections {
		e.readers <- &reader{path: e.path, dial: dialReader}
	}
	e.writer = newWriter(e, first, options.Random, dial)
	if options.Serve {
		e.writer.serve(cmp.Or(options.mergeRows, mergeRows))
		if err := e.writer.connect(); err != nil {
			return errors.Join(err, e.writer.disconnect())
		}
	}
	go e.writer.run()
	return nil
}

// probe finds out whether the file can be written. A server that began to read where it cannot write would share its read-only
// view with every later connection of its process, and not notice that the file became writable.
func (e *Engine) probe(c *connection) error {
	if _, err := c.exec(e.tables[storage.KindMeta].delete, ""); err != nil { // No document has that ID.
		return unavailable(e.path, "write", err)
	}
	return nil
}

// Ping implements storage.Engine.
func (e *Engine) Ping(ctx context.Context) error {
	_, err := e.Get(ctx, storage.KindMeta, "ping")
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// Close implements storage.Engine. Later operations return storage.ErrUnavailable.
func (e *Engine) Close() (err error) {
	e.closing.Do(func() {
		close(e.closed)
		<-e.writer.stopped
		e.working.Wait()
		err = e.writer.checkpoints.close()
		for range readConnections {
			r := <-e.readers
			err = errors.Join(err, r.close())
		}
		err = errors.Join(err, e.release())
	})
	return err
}

// release closes what is neither a reader nor the writer.
func (e *Engine) release() (err error) {
	if e.lists != nil {
		err = e.lists.Close()
	}
	if e.claim != nil {
		err = errors.Join(err, e.claim.Close())
	}
	return err
}

func (e *Engine) table(kind storage.Kind) (*table, error) {
	t, known := e.tables[kind]
	if !known {
		return nil, fmt.Errorf("%w: unknown kind %q", storage.ErrInvalid, kind)
	}
	return t, nil
}
