package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// eitherListener accepts connections with TLS and without on one port. Health checks and Prometheus call the admin address by plain
// http, while the console needs https.
type eitherListener struct {
	net.Listener
	// config is nil while there is no certificate; then no connection has TLS.
	config *atomic.Pointer[tls.Config]
}

// Accept implements net.Listener.
func (l eitherListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &eitherConn{Conn: accepted, config: l.config}, nil
}

// eitherConn is a connection that decides by its first byte: the first record of TLS is a handshake (RFC 8446 §5.1), and no method
// of HTTP begins so.
type eitherConn struct {
	net.Conn
	config *atomic.Pointer[tls.Config]
	// inner is nil before the first byte.
	inner atomic.Pointer[net.Conn]
}

const recordHandshake = 22

// Read implements net.Conn.
func (c *eitherConn) Read(p []byte) (int, error) {
	if inner := c.inner.Load(); inner != nil {
		return (*inner).Read(p)
	}
	first := make([]byte, 1)
	if n, err := c.Conn.Read(first); n == 0 {
		return 0, err
	}
	var inner net.Conn = prefixedConn{c.Conn, io.MultiReader(bytes.NewReader(first), c.Conn)}
	if config := c.config.Load(); config != nil && first[0] == recordHandshake {
		inner = tls.Server(inner, config)
	}
	c.inner.Store(&inner)
	return inner.Read(p)
}

// Write implements net.Conn.
func (c *eitherConn) Write(p []byte) (int, error) {
	if inner := c.inner.Load(); inner != nil {
		return (*inner).Write(p)
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *eitherConn) Close() error {
	if inner := c.inner.Load(); inner != nil {
		return (*inner).Close()
	}
	return c.Conn.Close()
}

// state returns the state of TLS; nil without TLS.
func (c *eitherConn) state() *tls.ConnectionState {
	inner := c.inner.Load()
	if inner == nil {
		return nil
	}
	secured, ok := (*inner).(*tls.Conn)
	if !ok {
		return nil
	}
	state := secured.ConnectionState()
	return &state
}

// prefixedConn is a connection of which the first byte was read.
type prefixedConn struct {
	net.Conn
	reader io.Reader
}

// Read implements net.Conn.
func (c prefixedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

type eitherKey struct{}

// withEither is http.Server.ConnContext for the connections of an eitherListener.
func withEither(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, eitherKey{}, c)
}

// withTLSState sets http.Request.TLS of requests that arrived with TLS.
func withTLSState(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(eitherKey{}).(*eitherConn); ok {
			if state := c.state(); state != nil {
				secured := *r
				secured.TLS = state
				r = &secured
			}
		}
		inner.ServeHTTP(w, r)
	})
}
