package graceful

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// DrainListener is a listener that still returns the queued connections when it stops: those that the system has accepted and the server
// has not. Closing a listener resets them.
type DrainListener struct {
	net.Listener
	// queued are the connections that were in the queue when the listener stopped. They are written before it closes, and read afterwards.
	queued chan net.Conn
	// closing reports that an error of Accept means that the listener is closed. Systems have different errors for it.
	closing atomic.Bool
	// drained is closed when Accept has returned the last connection and then net.ErrClosed.
	drained chan struct{}
	once    sync.Once
}

// maxQueued is the maximum number of connections that are taken from the queue.
const maxQueued = 4096

// NewDrainListener returns a DrainListener of a listener.
func NewDrainListener(listener net.Listener) *DrainListener {
	return &DrainListener{Listener: listener, queued: make(chan net.Conn, maxQueued), drained: make(chan struct{})}
}

// Accept implements net.Listener.
func (d *DrainListener) Accept() (net.Conn, error) {
	connection, err := d.Listener.Accept()
	if err == nil {
		return connection, nil
	}
	select {
	case connection := <-d.queued:
		return connection, nil
	default:
	}
	if d.closing.Load() {
		d.once.Do(func() { close(d.drained) })
		return nil, net.ErrClosed
	}
	return nil, err
}

// Close implements net.Listener. It may be called twice.
func (d *DrainListener) Close() error {
	if err := d.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// StopAccepting closes the listener when all handshakes in progress are complete, or ctx ends. Accept then returns the queued connections,
// and after them net.ErrClosed.
func (d *DrainListener) StopAccepting(ctx context.Context) error {
	d.closing.Store(true)
	if listener, ok := d.Listener.(*net.TCPListener); ok {
		takeQueued(ctx, listener, d.queued)
	}
	return d.Close()
}

// Drain closes the listener, and returns when the server has accepted all queued connections, or ctx ends. This takes a while on a busy
// machine.
func (d *DrainListener) Drain(ctx context.Context) {
	_ = d.StopAccepting(ctx) // It fails only for a listener that is closed already.
	select {
	case <-d.drained:
	case <-ctx.Done():
	}
}
