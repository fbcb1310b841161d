package token

import (
	"context"
	"sync"
)

// KeyedMutex serialises requests with the same code. The later ones then find the grant that the first one stored, so that a
// code is sent to WeChat once, even if its repeats arrive at the same time.
type KeyedMutex struct {
	mu   sync.Mutex
	open map[codeKey]chan struct{} // guarded by mu; a channel is closed when its request has finished
}

// codeKey is a code of one issuer.
type codeKey struct{ issuer, code string }

// NewKeyedMutex returns a mutex without holders.
func NewKeyedMutex() *KeyedMutex { return &KeyedMutex{open: map[codeKey]chan struct{}{}} }

// lock returns immediately for the first request with key, and for others when that one has finished or ctx ends. The caller
// must call leave when its request has finished.
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
