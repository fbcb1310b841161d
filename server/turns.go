package server

import (
	"context"
	"sync"
	"time"
)

// turns lets the attempts at one account come one after the other, so that none begins before it is known how the others went.
type turns struct {
	mu sync.Mutex
	// queues holds those with somebody in it; guarded by mu.
	queues map[throttled]*queue
}

type queue struct {
	// length counts the one whose turn it is, too.
	length int
	turn   chan struct{}
}

// maxQueue bounds how many attempts wait for their turn at one account.
const maxQueue = 8

func newTurns() *turns { return &turns{queues: map[throttled]*queue{}} }

// take waits for the caller's turn, and returns what ends it. Too many who wait are told to come again.
func (t *turns) take(ctx context.Context, at throttled) (leave func(), err error) {
	t.mu.Lock()
	q := t.queues[at]
	if q == nil {
		q = &queue{turn: make(chan struct{}, 1)}
		t.queues[at] = q
	}
	if q.length >= maxQueue {
		t.mu.Unlock()
		return nil, tooMany(time.Second)
	}
	q.length++
	t.mu.Unlock()
	select {
	case q.turn <- struct{}{}:
		return func() { <-q.turn; t.leave(at, q) }, nil
	case <-ctx.Done():
		t.leave(at, q)
		return nil, unavailable(ctx.Err())
	}
}

func (t *turns) leave(at throttled, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.length--; q.length == 0 {
		delete(t.queues, at)
	}
}
