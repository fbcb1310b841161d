package ferretdb

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// Server is FerretDB in this process.
type Server struct{ address string }

// Start runs FerretDB for the length of the test, and returns a proxy in front of it.
func Start(tb testing.TB) *Proxy {
	tb.Helper()
	return StartServer(tb).Proxy(tb)
}

// Proxy puts another proxy in front of the server.
func (s *Server) Proxy(tb testing.TB) *Proxy {
	tb.Helper()
	return startProxy(tb, s.address)
}

// StartServer runs FerretDB, empty, for the length of the test.
func StartServer(tb testing.TB) *Server {
	tb.Helper()
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: fmt.Sprintf("file:%s/", tb.TempDir()),
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := db.Run(ctx); err != nil {
			tb.Errorf("FerretDB: %v", err)
		}
	}()
	tb.Cleanup(func() {
		stop()
		<-done
	})
	return &Server{address: strings.Trim(strings.TrimPrefix(db.MongoDBURI(), "mongodb://"), "/")}
}
