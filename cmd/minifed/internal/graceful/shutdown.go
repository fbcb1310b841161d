package graceful

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Shutdown ends the connections of a server between two requests. http.Server.Shutdown alone closes a connection on which a
// request is just arriving, and drops a request that it reads afterwards; whoever sent a POST cannot know whether it was done.
type Shutdown struct {
	// closing says that the server is leaving: from then on every answer asks for its connection to be closed.
	closing atomic.Bool
	// headerTimeout is how long a connection is waited for on which nothing was sent yet: as long as it may take to send a header.
	headerTimeout time.Duration

	mu sync.Mutex
	// busy are the connections that are not waiting for a further request, with their state; guarded by mu.
	busy map[net.Conn]http.ConnState
}

// Watch makes the server tell its connections farewell. It must be called before the server serves.
func (f *Shutdown) Watch(server *http.Server) {
	f.busy, f.headerTimeout = map[net.Conn]http.ConnState{}, server.ReadHeaderTimeout
	server.ConnState = f.note
	inner := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.closing.Load() {
			w.Header().Set("Connection", "close") // With HTTP/2 it becomes a GOAWAY.
		}
		inner.ServeHTTP(w, r)
	})
}

func (f *Shutdown) note(connection net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		f.busy[connection] = state
		return
	}
	delete(f.busy, connection)
}

// Begin lets clients and balancers find out for a while, during which everything is still answered; then stops accepting
// connections by calling hangUp, which returns when the server has every connection that was accepted; and returns when these have
// been answered or ctx ends. http.Server.Shutdown must not begin before: it drops the requests of connections that come later.
func (f *Shutdown) Begin(ctx context.Context, while time.Duration, hangUp func(context.Context)) {
	f.closing.Store(true)
	wait(ctx, while)
	hangUp(ctx)
	started := time.Now()
	for ctx.Err() == nil && f.working(time.Since(started) < f.headerTimeout) {
		wait(ctx, 5*time.Millisecond)
	}
}

// working reports whether some connection is in the middle of a request or, if they count, has not sent one yet.
func (f *Shutdown) working(newOnes bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, state := range f.busy {
		if state == http.StateActive || newOnes {
			return true
		}
	}
	return false
}

// wait returns after a time, or when ctx ends.
func wait(ctx context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
