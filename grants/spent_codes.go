package grants

import (
	"sync"
	"time"
)

// maxSpent limits the number of codes. It is the number of logins of a busy second.
const maxSpent = 4096

// spentCodes holds the codes that this process spent a moment ago, because their grants may not be stored yet.
type spentCodes struct {
	mu    sync.Mutex
	at    map[flightKey]time.Time
	order []flightKey // oldest first; a ring once it is full
	next  int
}

// add adds a code, and removes the oldest when full.
func (s *spentCodes) add(key flightKey, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = make(map[flightKey]time.Time)
	}
	if len(s.order) < maxSpent {
		s.order = append(s.order, key)
	} else {
		delete(s.at, s.order[s.next])
		s.order[s.next] = key
		s.next = (s.next + 1) % maxSpent
	}
	s.at[key] = now
}

// within reports whether this process spent the code less than d ago.
func (s *spentCodes) within(key flightKey, now time.Time, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := s.at[key]
	return found && now.Sub(at) < d
}
