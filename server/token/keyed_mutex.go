package token

import (
	"context"
	"sync"
)

// KeyedMutex let the first of several requests with one code finish before the others begin. These then find the grant that it
// stored, so that a code goes to federation.WeChat once, however close together its repeats arrive.
type KeyedMutex struct {
	mu   sync.Mutex
	open map[codeKey]chan struct{} // guarded by mu; closed when the first request has finished
}

// codeKey is a code of one issuer.
type codeKey struct{ issuer, code string }

// NewKeyedMutex returns a mutex without holders.
func NewKeyedMutex() *KeyedMutex { return &KeyedMutex{open: map[codeKey]chan struct{}{}} }

// lock returns at once for the first request of key, and for the others when that one has left or ctx ends. leave must be
// called when the request is done.
func (l *KeyedMutex) lock(ctx context.Context, key codeKey) (leave func(), err error) {
	l.mu.Lock()
	first, waits := l.open[key]
	if !waits {
		first = make(chan struct{})
		l.open[key] = first
	}
	l.mu.Unlock()
	if !waits {
		return func() { l.unlock(key, first) }, nil
	}
	select {
	case <-first:
		return func() {}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *KeyedMutex) unlock(key codeKey, first chan struct{}) {
	l.mu.Lock()
	delete(l.open, key)
	l.mu.Unlock()
	close(first)
}
