package graceful

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Shutdown ends the connections of a server between two requests. http.Server.Shutdown alone also closes a connection on which a request
// arrives at that moment. The client of a POST then cannot know whether it was processed.
type Shutdown struct {
	// closing reports that the server stops: from then on each response closes its connection.
	closing atomic.Bool
	// headerTimeout is the wait for a connection without a request: the time in which a client may send a header.
	headerTimeout time.Duration

	mu sync.Mutex
	// busy are the connections that are not idle between two requests, with their state; guarded by mu.
	busy map[net.Conn]http.ConnState
}

// Watch attaches s to a server. It must be called before the server serves.
func (s *Shutdown) Watch(server *http.Server) {
	s.busy, s.headerTimeout = map[net.Conn]http.ConnState{}, server.ReadHeaderTimeout
	server.ConnState = s.note
	inner := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.closing.Load() {
			w.Header().Set("Connection", "close") // With HTTP/2 it sends a GOAWAY.
		}
		inner.ServeHTTP(w, r)
	})
}

func (s *Shutdown) note(connection net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		s.busy[connection] = state
		return
	}
	delete(s.busy, connection)
}

// Begin stops a server without losing requests. For the time delay it continues to serve, so that load balancers notice. Then it calls
// drain, which closes the listener and returns when the server has all accepted connections. It returns when no connection has a request
// in progress, or ctx ends. http.Server.Shutdown must not be called earlier: it drops requests on connections that come later.
func (s *Shutdown) Begin(ctx context.Context, delay time.Duration, drain func(context.Context)) {
	s.closing.Store(true)
	wait(ctx, delay)
	drain(ctx)
	started := time.Now()
	for ctx.Err() == nil && s.working(time.Since(started) < s.headerTimeout) {
		wait(ctx, 5*time.Millisecond)
	}
}

// working reports whether a connection has a request in progress. With newOnes, connections without a request count too.
func (s *Shutdown) working(newOnes bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range s.busy {
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
