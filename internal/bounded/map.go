package bounded

import (
	"math/bits"
	"time"
)

// classes is the number of classes of entries: one per power of two of milliseconds, up to 12 days.
const classes = 32

// Map is a map with a maximum number of entries. Adding an entry to a full map removes another one, in constant time.
//
// Each entry has a time until which it matters. The removed entry is one that no longer matters; otherwise the oldest of those
// that were stored for the shortest time. So a flood of entries that matter for a moment does not remove a lockout of
// minutes. Each class has a minimum share of the map, so that long-lived entries do not exclude the others.
//
// Methods that only read can be called concurrently. Map has no lock of its own.
type Map[K comparable, V any] struct {
	limit   int
	entries map[K]*entry[K, V]
	// queues holds the entries of each class, the oldest first.
	queues [classes]queue[K, V]
}

type entry[K comparable, V any] struct {
	key        K
	value      V
	until      time.Time
	class      int
	prev, next *entry[K, V]
}

// queue is a doubly linked list.
type queue[K comparable, V any] struct {
	first, last *entry[K, V]
	length      int
}

// New returns an empty map of at most limit entries. The limit must be positive.
func New[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{limit: limit, entries: map[K]*entry[K, V]{}}
}

// Len returns the number of entries.
func (m *Map[K, V]) Len() int { return len(m.entries) }

// Get returns the value of a key, even if it no longer matters.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	if e := m.entries[key]; e != nil {
		return e.value, true
	}
	return value, false
}

// Put stores a value, which matters from now until the given time. An entry with the same key is replaced.
func (m *Map[K, V]) Put(key K, value V, now, until time.Time) {
	e := m.entries[key]
	switch {
	case e != nil:
		m.queues[e.class].remove(e)
	case len(m.entries) < m.limit:
		e = &entry[K, V]{}
	default:
		e = m.leastImportant(now)
		m.queues[e.class].remove(e)
		delete(m.entries, e.key)
	}
	*e = entry[K, V]{key: key, value: value, until: until, class: classOf(until.Sub(now))}
	m.entries[key] = e
	m.queues[e.class].add(e)
}

// Delete removes an entry, if it exists.
func (m *Map[K, V]) Delete(key K) {
	if e := m.entries[key]; e != nil {
		m.queues[e.class].remove(e)
		delete(m.entries, key)
	}
}

// classOf returns 0 for an entry that never matters, and otherwise the class of its time.
func classOf(matters time.Duration) int {
	return min(bits.Len64(uint64(max(0, (matters+time.Millisecond-1)/time.Millisecond))), classes-1)
}

// leastImportant returns the entry to remove from a full map.
func (m *Map[K, V]) leastImportant(now time.Time) *entry[K, V] {
	share := m.limit / (2 * classes) // Half of the map; the classes that exceed their share have the other half.
	var candidate *entry[K, V]
	for class := range m.queues {
		q := &m.queues[class]
		switch {
		case q.length == 0:
		case class > 0 && !now.Before(q.first.until):
			return q.first
		case candidate == nil && q.length > share:
			candidate = q.first
		}
	}
	return candidate
}

func (q *queue[K, V]) add(e *entry[K, V]) {
	if q.last == nil {
		q.first = e
	} else {
		q.last.next, e.prev = e, q.last
	}
	q.last = e
	q.length++
}

func (q *queue[K, V]) remove(e *entry[K, V]) {
	if e.prev == nil {
		q.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	q.length--
}
