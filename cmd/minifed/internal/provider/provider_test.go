package provider

import (
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/minifed/minifed/cmd/minifed/internal/graceful"
	"github.com/minifed/minifed/cmd/minifed/internal/health"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/sqlite"
	"github.com/minifed/minifed/storage/storagetest"
)

// failingListener returns the error of accept on a socket that was shut down.
type failingListener struct{ net.Listener }

func (failingListener) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Err: syscall.EINVAL}
}

func (failingListener) Close() error { return nil }

func TestProvider_IgnoresTheErrorOfAStoppedListener(t *testing.T) {
	p := &Provider{failed: make(chan error, 2), listener: graceful.NewDrainListener(failingListener{}), health: new(health.Health)}
	p.ended(new(http.Server).Serve(p.listener))
	if err := p.Wait(t.Context()); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a listener that fails: %v", err)
	}
	if err := p.listener.StopAccepting(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.ended(new(http.Server).Serve(p.listener))
	if len(p.failed) > 0 {
		t.Errorf("the provider failed: %v", <-p.failed)
	}
}

func TestOwnedByOneProcess_OnlySQLite(t *testing.T) {
	if !ownedByOneProcess(new(sqlite.Engine)) {
		t.Error("sqlite: false")
	}
	if ownedByOneProcess(new(mongodb.Engine)) {
		t.Error("mongodb: true")
	}
	if ownedByOneProcess(storagetest.NewMemory(nil)) {
		t.Error("an unknown engine: true")
	}
}
