package ferretdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// Server is FerretDB in this process.
type Server struct {
	address string
	stop    context.CancelFunc
	stopped chan error

	turn      sync.Mutex // held from a command to its reply
	databases atomic.Int64
}

// Start runs FerretDB, empty, with its files in a folder; they are worthless after a crash of the machine, and fast.
func Start(folder string) (*Server, error) {
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: fmt.Sprintf("file:%s/?_pragma=synchronous(off)", folder),
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		address: strings.Trim(strings.TrimPrefix(db.MongoDBURI(), "mongodb://"), "/"), stop: stop, stopped: make(chan error, 1),
	}
	go func() { s.stopped <- db.Run(ctx) }()
	return s, nil
}

// Stop ends FerretDB.
func (s *Server) Stop() error {
	s.stop()
	if err := <-s.stopped; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Database returns the name of a database that nobody uses.
func (s *Server) Database() string { return fmt.Sprintf("test%d", s.databases.Add(1)) }

// Proxy puts another proxy in front of the server, for the length of the test.
func (s *Server) Proxy(tb testing.TB) *Proxy {
	tb.Helper()
	return startProxy(tb, s, false)
}

// ReplicaSet is Proxy, behind which the server looks like the primary of a replica set: drivers send retryable writes, and a
// write that comes a second time is answered with what came of the first, as MongoDB does.
func (s *Server) ReplicaSet(tb testing.TB) *Proxy {
	tb.Helper()
	return startProxy(tb, s, true)
}
