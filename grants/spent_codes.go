package grants

import (
	"hash/maphash"
	"sync"
	"time"
)

// maxSpent limits the number of codes. It is the number of logins of a busy second.
const maxSpent = 4096

// spentCodes holds the codes that this process spent a moment ago, because their grants may not be stored yet. It stores hashes: a
// code holds the memory of its request's form, and two codes with one hash only make a request wait.
type spentCodes struct {
	mu    sync.Mutex
	seed  maphash.Seed // set with at
	at    map[uint64]time.Time
	order []uint64 // oldest first; a ring once it is full
	next  int
}

// add adds a code, and removes the oldest when full.
func (s *spentCodes) add(key flightKey, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at, s.seed = make(map[uint64]time.Time), maphash.MakeSeed()
	}
	hash := maphash.Comparable(s.seed, key)
	if len(s.order) < maxSpent {
		s.order = append(s.order, hash)
	} else {
		delete(s.at, s.order[s.next])
		s.order[s.next] = hash
		s.next = (s.next + 1) % maxSpent
	}
	s.at[hash] = now
}

// within reports whether this process spent the code less than d ago.
func (s *spentCodes) within(key flightKey, now time.Time, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		return false
	}
	at, found := s.at[maphash.Comparable(s.seed, key)]
	return found && now.Sub(at) < d
}
