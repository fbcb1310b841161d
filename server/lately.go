package server

import (
	"sync"
	"time"
)

// lately remembers for a while what happened: at least the last latelyKept of it.
type lately struct {
	now func() time.Time

	mu    sync.Mutex
	times map[string]time.Time // guarded by mu
}

const (
	// latelyLife is how long something happened lately.
	latelyLife = 24 * time.Hour
	// latelyRenewed is how old a mark may become before it is set again.
	latelyRenewed = time.Minute
	latelyKept    = 16384
)

func newLately(now func() time.Time) *lately { return &lately{now: now, times: map[string]time.Time{}} }

func (l *lately) has(what string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.times[what]
	return ok && l.now().Sub(at) < latelyLife
}

func (l *lately) add(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	at, known := l.times[what]
	if known && now.Sub(at) < latelyRenewed {
		return
	}
	if !known && len(l.times) >= latelyKept {
		shed(l.times, latelyKept, func(at time.Time) bool { return now.Sub(at) >= latelyLife })
	}
	l.times[what] = now
}

func (l *lately) remove(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.times, what)
}
