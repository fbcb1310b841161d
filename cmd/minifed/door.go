package main

import (
	"errors"
	"net"
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
}

// maxWaiting bounds how many are let in at the end.
const maxWaiting = 4096

func newDoor(listener net.Listener) *door {
	return &door{Listener: listener, waiting: make(chan net.Conn, maxWaiting)}
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

// shut closes the listener. Accept returns who was waiting, and then net.ErrClosed.
func (d *door) shut() error {
	d.closing.Store(true)
	if listener, ok := d.Listener.(*net.TCPListener); ok {
		takeWaiting(listener, d.waiting)
	}
	return d.Close()
}
