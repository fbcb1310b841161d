package ratelimit

import (
	"sync"
	"time"

	"github.com/minifed/minifed/server/endpoint"
)

// AuthHistory records for a day whether a client authenticated from an address, and whether it failed to.
type AuthHistory struct {
	now func() time.Time

	mu   sync.Mutex
	last map[Caller]authTimes // guarded by mu
}

// authTimes are the times of a client's last success and last failure; zero for never.
type authTimes struct{ succeeded, failed time.Time }

// AuthRecord is the record of a client at an address.
type AuthRecord struct{ Succeeded, Failed bool }

const (
	// authHistoryLife is how long an attempt is recorded.
	authHistoryLife = 24 * time.Hour
	// authHistoryKept bounds the callers in memory.
	authHistoryKept = 16384
)

// NewAuthHistory returns an empty history.
func NewAuthHistory(now func() time.Time) *AuthHistory {
	return &AuthHistory{now: now, last: map[Caller]authTimes{}}
}

// Of returns the record of a caller.
func (h *AuthHistory) Of(who Caller) AuthRecord {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, now := h.last[who], h.now()
	return AuthRecord{Succeeded: now.Sub(last.succeeded).Abs() < authHistoryLife, Failed: now.Sub(last.failed).Abs() < authHistoryLife}
}

// Note records an attempt.
func (h *AuthHistory) Note(who Caller, succeeded bool) {
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
		endpoint.Evict(h.last, authHistoryKept, func(old authTimes) bool {
			return now.Sub(old.succeeded) >= authHistoryLife && now.Sub(old.failed) >= authHistoryLife
		})
	}
	h.last[who] = last
}
