package sqlite

import (
	"sync"
	"time"
)

// recent knows the rows of a table that are not indexed yet, by the hashes of their IDs and owners. What it says is a hint: the
// row decides. A nil recent knows nothing.
type recent struct {
	mu sync.RWMutex
	// filling has the rows that the next merge will index, and merging those that a merge is indexing; nil if none is.
	filling, merging *generation
	last             int64 // the highest row that was ever added
}

// generation is what one merge indexes.
type generation struct {
	ids, owners multimap
	after, last int64 // its rows are after the first and up to the second
	since       time.Time
}

// multimap holds several rows for a hash, the latest first.
type multimap struct {
	head  map[int32]int32 // the place in links of the latest, by hash
	links []link
}

type link struct {
	row  uint32 // since the generation began
	next int32  // the place of the one before; -1 is none
}

func (m *multimap) add(hash, row int64) {
	if m.head == nil {
		m.head = make(map[int32]int32)
	}
	next, ok := m.head[int32(hash)]
	if !ok {
		next = -1
	}
	m.head[int32(hash)] = int32(len(m.links))
	m.links = append(m.links, link{uint32(row), next})
}

// appendTo appends the rows of a hash to seqs. They are after a row.
func (m *multimap) appendTo(seqs []int64, hash, after int64) []int64 {
	at, ok := m.head[int32(hash)]
	for ; ok && at >= 0; at = m.links[at].next {
		seqs = append(seqs, after+int64(m.links[at].row))
	}
	return seqs
}

// newRecent returns a recent without rows, after the last one that is indexed.
func newRecent(indexed int64, now time.Time) *recent {
	return &recent{filling: &generation{after: indexed, last: indexed, since: now}, last: indexed}
}

func (r *recent) add(id, owner, seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filling.ids.add(id, seq-r.filling.after)
	r.filling.owners.add(owner, seq-r.filling.after)
	r.filling.last = max(r.filling.last, seq)
	r.last = max(r.last, seq)
}

// withID returns the rows that may have an ID.
func (r *recent) withID(id string) []int64 {
	return r.lookUp(id, func(g *generation) *multimap { return &g.ids })
}

// withOwner returns the rows that may have an owner.
func (r *recent) withOwner(owner string) []int64 {
	return r.lookUp(owner, func(g *generation) *multimap { return &g.owners })
}

func (r *recent) lookUp(text string, in func(*generation) *multimap) (seqs []int64) {
	if r == nil {
		return nil
	}
	hash := hashOf(text)
	r.mu.RLock()
	defer r.mu.RUnlock()
	seqs = in(r.filling).appendTo(nil, hash, r.filling.after)
	if r.merging != nil {
		seqs = in(r.merging).appendTo(seqs, hash, r.merging.after)
	}
	return seqs
}

// unseen reports whether no row with an ID was added since a time. It returns false too if the memory does not reach back so far.
func (r *recent) unseen(id string, since time.Time) bool {
	if r == nil {
		return false
	}
	r.mu.RLock()
	first := r.filling
	if r.merging != nil {
		first = r.merging
	}
	known := !first.since.After(since)
	r.mu.RUnlock()
	return known && len(r.withID(id)) == 0
}

// lastRow is the highest row that was ever added.
func (r *recent) lastRow() int64 {
	if r == nil {
		return 0
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.last
}

// size is how many rows the next merge will index, and since when the first of them may be there.
func (r *recent) size() (int, time.Time) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.filling.ids.links), r.filling.since
}

// rotate begins a merge of the rows so far, and returns them.
func (r *recent) rotate(now time.Time) *generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.merging = r.filling
	r.filling = &generation{after: r.merging.last, last: r.merging.last, since: now}
	return r.merging
}

// merged forgets the rows that are indexed now.
func (r *recent) merged() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.merging = nil
}
