package server

import (
	"context"
	"sync"
)

// latches let the first of several requests with one code finish before the others begin. These then find the grant that it
// stored, so that a code goes to WeChat once, however close together its repeats arrive.
type latches struct {
	mu   sync.Mutex
	open map[latchKey]chan struct{} // guarded by mu; closed when the first request has finished
}

// latchKey is a code of one issuer.
type latchKey struct{ issuer, code string }

func newLatches() *latches { return &latches{open: map[latchKey]chan struct{}{}} }

// enter returns at once for the first request of key, and for the others when that one has left or ctx ends. leave must be
// called when the request is done.
func (l *latches) enter(ctx context.Context, key latchKey) (leave func(), err error) {
	l.mu.Lock()
	first, waits := l.open[key]
	if !waits {
		first = make(chan struct{})
		l.open[key] = first
	}
	l.mu.Unlock()
	if !waits {
		return func() { l.leave(key, first) }, nil
	}
	select {
	case <-first:
		return func() {}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *latches) leave(key latchKey, first chan struct{}) {
	l.mu.Lock()
	delete(l.open, key)
	l.mu.Unlock()
	close(first)
}
