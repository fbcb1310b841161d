package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

// Options configure an engine.
type Options struct {
	// Path is the database file. It and its folder are made when they are missing, for their owner alone.
	Path string
	// Serve claims the file for a server: a second one is refused while the first lives, and expired documents are swept.
	Serve bool
	// Now is the clock that expiry goes by; nil is time.Now.
	Now func() time.Time
	// Logger receives what an operator should know; nil discards.
	Logger *slog.Logger
	// Random is where revisions come from; nil is crypto/rand.
	Random io.Reader
}

// ErrServed says that another server is using the file.
var ErrServed = errors.New("storage/sqlite: another server is using this file")

// Engine is a storage.Engine over one SQLite file.
type Engine struct {
	path    string
	now     func() time.Time
	logger  *slog.Logger
	tables  map[storage.Kind]*table
	readers chan *reader
	writer  *writer
	lists   *sql.DB
	claim   io.Closer

	closing sync.Once
	closed  chan struct{} // closed by Close
}

var _ storage.Engine = (*Engine)(nil)

// readConnections is how many gets run at once. Each is a few microseconds of processor time.
const readConnections = 2

// Open opens the file, or makes it. It answers ErrServed if options.Serve is set and another server has the file, and
// storage.ErrNewerVersion if a newer version of minifed made it.
func Open(ctx context.Context, options Options) (*Engine, error) {
	path, err := filepath.Abs(options.Path)
	if err != nil {
		return nil, fmt.Errorf("storage/sqlite: %w", err)
	}
	e := &Engine{
		path: path, now: options.Now, logger: options.Logger, tables: tables(),
		readers: make(chan *reader, readConnections), closed: make(chan struct{}),
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	random := options.Random
	if random == nil {
		random = rand.Reader
	}
	if err := e.open(ctx, options.Serve, random); err != nil {
		return nil, errors.Join(err, e.release())
	}
	return e, nil
}

func (e *Engine) open(ctx context.Context, serve bool, random io.Reader) (err error) {
	if err := createFile(e.path); err != nil {
		return err
	}
	if serve {
		if e.claim, err = claim(ctx, e.path); err != nil {
			return err
		}
	}
	if err := prepareFile(ctx, e.path, e.tables); err != nil {
		return err
	}
	for range readConnections {
		e.readers <- &reader{path: e.path}
	}
	if e.lists, err = openLists(e.path); err != nil {
		return err
	}
	e.writer = newWriter(e, random, serve)
	go e.writer.run()
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

// Close implements storage.Engine. Operations that come later answer storage.ErrUnavailable.
func (e *Engine) Close() (err error) {
	e.closing.Do(func() {
		close(e.closed)
		<-e.writer.stopped
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
