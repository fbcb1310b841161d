package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// door is a listener that, when it is shut, still lets in who has knocked: connections that the system has accepted and nobody
// has taken yet. Closing a listener alone resets those.
type door struct {
	net.Listener
	// waiting is what was found when the door was shut; it is written before the listener closes, and read afterwards.
	waiting chan net.Conn
	// closing says that what Accept fails with from now on is that the door is shut, whatever the system calls it.
	closing atomic.Bool
	// emptied is closed when Accept has returned the last connection and says that the door is shut.
	emptied chan struct{}
	once    sync.Once
}

// maxWaiting bounds how many are let in at the end.
const maxWaiting = 4096

func newDoor(listener net.Listener) *door {
	return &door{Listener: listener, waiting: make(chan net.Conn, maxWaiting), emptied: make(chan struct{})}
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	connection, err := d.Listener.Accept()
	if err == nil {
		return connection, nil
	}
	select {
	case late := <-d.waiting:
		return late, nil
	default:
	}
	if d.closing.Load() {
		d.once.Do(func() { close(d.emptied) })
		return nil, net.ErrClosed
	}
	return nil, err
}

// Close implements net.Listener. A door may be closed twice.
func (d *door) Close() error {
	if err := d.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// shut closes the listener, when the handshakes that it has begun are complete or ctx ends. Accept returns the connections that
// were waiting, and then net.ErrClosed.
func (d *door) shut(ctx context.Context) error {
	d.closing.Store(true)
	if listener, ok := d.Listener.(*net.TCPListener); ok {
		takeWaiting(ctx, listener, d.waiting)
	}
	return d.Close()
}

// empty shuts the door, and returns when the server has taken every connection, or ctx ends. On a busy machine that takes a while.
func (d *door) empty(ctx context.Context) {
	_ = d.shut(ctx) // It was open until now.
	select {
	case <-d.emptied:
	case <-ctx.Done():
	}
}
