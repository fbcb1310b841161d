package ratelimit

import (
	"sync"
	"time"

	"github.com/minifed/minifed/internal/bounded"
)

// AuthHistory records for a day whether a client authenticated from an address, and whether it failed to.
type AuthHistory struct {
	now func() time.Time

	mu   sync.Mutex
	last *bounded.Map[Caller, authTimes] // guarded by mu
}

// authTimes are the times of a client's last success and last failure; zero for never.
type authTimes struct{ succeeded, failed time.Time }

// AuthRecord is the record of a client at an address.
type AuthRecord struct{ Succeeded, Failed bool }

const (
	// authHistoryLife is how long an attempt is recorded.
	authHistoryLife = 24 * time.Hour
	// maxAuthHistory bounds the callers in memory.
	maxAuthHistory = 16384
)

// NewAuthHistory returns an empty history.
func NewAuthHistory(now func() time.Time) *AuthHistory {
	return &AuthHistory{now: now, last: bounded.New[Caller, authTimes](maxAuthHistory)}
}

// Of returns the record of a caller.
func (h *AuthHistory) Of(who Caller) AuthRecord {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, _ := h.last.Get(who)
	now := h.now()
	return AuthRecord{Succeeded: now.Sub(last.succeeded).Abs() < authHistoryLife, Failed: now.Sub(last.failed).Abs() < authHistoryLife}
}

// Note records an attempt. A full history removes callers without a success first: they may be attackers.
func (h *AuthHistory) Note(who Caller, succeeded bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	last, _ := h.last.Get(who)
	if succeeded {
		last.succeeded = now
	} else {
		last.failed = now
	}
	h.last.Put(who, last, now, last.succeeded.Add(authHistoryLife))
}
