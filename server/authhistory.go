package server

import (
	"sync"
	"time"
)

// authHistory remembers for a day whether a client authenticated from an address, and whether it failed to.
type authHistory struct {
	now func() time.Time

	mu   sync.Mutex
	last map[caller]authTimes // guarded by mu
}

// authTimes are when a client succeeded and failed last; zero for never.
type authTimes struct{ succeeded, failed time.Time }

// authRecord is what is known of a client at an address.
type authRecord struct{ succeeded, failed bool }

const (
	// authHistoryLife is how long an attempt is remembered.
	authHistoryLife = 24 * time.Hour
	// authHistoryKept bounds the callers in memory.
	authHistoryKept = 16384
)

func newAuthHistory(now func() time.Time) *authHistory {
	return &authHistory{now: now, last: map[caller]authTimes{}}
}

// of returns what is known of a caller.
func (h *authHistory) of(who caller) authRecord {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, now := h.last[who], h.now()
	return authRecord{succeeded: now.Sub(last.succeeded).Abs() < authHistoryLife, failed: now.Sub(last.failed).Abs() < authHistoryLife}
}

// note remembers an attempt.
func (h *authHistory) note(who caller, succeeded bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	last, known := h.last[who]
	if succeeded {
		last.succeeded = now
	} else {
		last.failed = now
	}
	if !known && len(h.last) >= authHistoryKept {
		shed(h.last, authHistoryKept, func(old authTimes) bool {
			return now.Sub(old.succeeded) >= authHistoryLife && now.Sub(old.failed) >= authHistoryLife
		})
	}
	h.last[who] = last
}
