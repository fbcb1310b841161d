package ratelimit

import (
	"context"
	"sync"
	"time"

	"github.com/minifed/minifed/server/endpoint"
)

// KeyedQueue serialises the attempts at one account, so that each attempt sees the results of those before it.
type KeyedQueue struct {
	mu sync.Mutex
	// queues holds the queues that are not empty; guarded by mu.
	queues map[Key]*queue
}

type queue struct {
	// length includes the attempt that is running.
	length int
	turn   chan struct{}
}

// maxQueue bounds the waiting attempts at one account.
const maxQueue = 8

// NewKeyedQueue returns an empty queue.
func NewKeyedQueue() *KeyedQueue { return &KeyedQueue{queues: map[Key]*queue{}} }

// Enter waits for the caller's turn, and returns a function that ends it. It returns an error if the queue is full.
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
