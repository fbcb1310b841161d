package graceful

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// DrainListener is a listener that, when it is shut, still lets in who has knocked: connections that the system has accepted and nobody
// has taken yet. Closing a listener alone resets those.
type DrainListener struct {
	net.Listener
	// queued is what was found when the door was shut; it is written before the listener closes, and read afterwards.
	queued chan net.Conn
	// closing says that what Accept fails with from now on is that the door is shut, whatever the system calls it.
	closing atomic.Bool
	// drained is closed when Accept has returned the last connection and says that the door is shut.
	drained chan struct{}
	once    sync.Once
}

// maxQueued bounds how many are let in at the end.
const maxQueued = 4096

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
	case late := <-d.queued:
		return late, nil
	default:
	}
	if d.closing.Load() {
		d.once.Do(func() { close(d.drained) })
		return nil, net.ErrClosed
	}
	return nil, err
}

// Close implements net.Listener. A door may be closed twice.
func (d *DrainListener) Close() error {
	if err := d.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// StopAccepting closes the listener, when the handshakes that it has begun are complete or ctx ends. Accept returns the connections that
// were waiting, and then net.ErrClosed.
func (d *DrainListener) StopAccepting(ctx context.Context) error {
	d.closing.Store(true)
	if listener, ok := d.Listener.(*net.TCPListener); ok {
		takeQueued(ctx, listener, d.queued)
	}
	return d.Close()
}

// Drain shuts the door, and returns when the server has taken every connection, or ctx ends. On a busy machine that takes a while.
func (d *DrainListener) Drain(ctx context.Context) {
	_ = d.StopAccepting(ctx) // It was open until now.
	select {
	case <-d.drained:
	case <-ctx.Done():
	}
}
