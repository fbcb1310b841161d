package ratelimit

import (
	"context"
	"sync"
	"time"

	"github.com/minifed/minifed/server/endpoint"
)

// KeyedQueue lets the attempts at one account come one after the other, so that none begins before it is known how the others went.
type KeyedQueue struct {
	mu sync.Mutex
	// queues holds those with somebody in it; guarded by mu.
	queues map[Key]*queue
}

type queue struct {
	// length counts the one whose turn it is, too.
	length int
	turn   chan struct{}
}

// maxQueue bounds how many attempts wait for their turn at one account.
const maxQueue = 8

// NewKeyedQueue returns an empty queue.
func NewKeyedQueue() *KeyedQueue { return &KeyedQueue{queues: map[Key]*queue{}} }

// Enter waits for the caller's turn, and returns what ends it. Too many who wait are told to come again.
func (t *KeyedQueue) Enter(ctx context.Context, at Key) (leave func(), err error) {
	t.mu.Lock()
	q := t.queues[at]
	if q == nil {
		q = &queue{turn: make(chan struct{}, 1)}
		t.queues[at] = q
	}
	if q.length >= maxQueue {
		t.mu.Unlock()
		return nil, TooManyRequests(time.Second)
	}
	q.length++
	t.mu.Unlock()
	select {
	case q.turn <- struct{}{}:
		return func() { <-q.turn; t.leave(at, q) }, nil
	case <-ctx.Done():
		t.leave(at, q)
		return nil, endpoint.Unavailable(ctx.Err())
	}
}

func (t *KeyedQueue) leave(at Key, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.length--; q.length == 0 {
		delete(t.queues, at)
	}
}
