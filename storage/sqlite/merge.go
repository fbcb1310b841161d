package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	// mergeRows is how many rows wait before a merge indexes them. Sorted, several of them fall on each page of an index, and each
	// page is written once. It bounds what a process without recent searches, and reads at a start.
	mergeRows = 1 << 16
	// mergeAfter is the time after which fewer rows are indexed too, so that the sweep finds them when they expire.
	mergeAfter = 30 * time.Minute
	// mergePace is how many entries are indexed for each new row. Three would be enough to finish before the next merge.
	mergePace = 6
	// mergeSlice is how many entries a commit indexes at least, so that neighbours share a page.
	mergeSlice = 1024
	// entriesAtOnce is how many entries one statement adds.
	entriesAtOnce = 64
)

// pair is an entry of an index.
type pair struct{ key, seq int64 }

// merge adds the rows of a generation to the indexes, a slice of sorted entries at a time.
type merge struct {
	lookups *lookups
	lists   [3][]pair // what is left to add, by index
	last    int64     // all rows up to this one are indexed in the end
}

// collect reads the rows after one, up to another, and sorts their entries. It ends after limit rows.
func (l *lookups) collect(c *connection, after, last, limit int64) (*merge, error) {
	m := &merge{lookups: l, last: last}
	var row [4]driver.Value
	var count int64
	err := c.each(row[:], func() error {
		seq, okSeq := row[0].(int64)
		id, okID := row[1].(string)
		owner, okOwner := row[2].(string)
		if !okSeq || !okID || !okOwner {
			return errDamagedRow
		}
		m.lists[byID] = append(m.lists[byID], pair{hashOf(id), seq})
		m.lists[byOwner] = append(m.lists[byOwner], pair{hashOf(owner), seq})
		if expires, ok := row[3].(int64); ok {
			m.lists[byExpiry] = append(m.lists[byExpiry], pair{expires, seq})
		}
		if count++; count == limit {
			m.last = seq
		}
		return nil
	}, l.rows, after, last, limit)
	if err != nil {
		return nil, err
	}
	for _, list := range m.lists {
		sortPairs(list)
	}
	return m, nil
}

func sortPairs(list []pair) {
	slices.SortFunc(list, func(a, b pair) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.seq, b.seq)) })
}

// step adds so many entries within the transaction of the connection. It reports whether the merge is complete.
func (m *merge) step(c *connection, entries int) (complete bool, err error) {
	for index := range m.lists {
		n := min(entries, len(m.lists[index]))
		if err := m.lookups.addAll(c, index, m.lists[index][:n]); err != nil {
			return false, err
		}
		m.lists[index] = m.lists[index][n:]
		if entries -= n; entries == 0 && m.left() > 0 {
			return false, nil
		}
	}
	_, err = c.exec(m.lookups.setIndexed, m.last)
	return err == nil, err
}

func (m *merge) left() (n int) {
	for _, list := range m.lists {
		n += len(list)
	}
	return n
}

// addAll adds entries to an index, many with one statement.
func (l *lookups) addAll(c *connection, index int, entries []pair) error {
	for len(entries) > 0 {
		query, n := l.add[index], 1
		if len(entries) >= entriesAtOnce {
			query, n = l.addMany[index], entriesAtOnce
		}
		args := make([]driver.Value, 0, 2*n)
		for _, entry := range entries[:n] {
			args = append(args, entry.key, entry.seq)
		}
		if _, err := c.exec(query, args...); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

func manyOf(add string) string { return add + strings.Repeat(", (?, ?)", entriesAtOnce-1) }

// merging is the progress of the merges of one table. Only the writer uses it.
type merging struct {
	lookups *lookups
	rows    int // how many wait before a merge indexes them
	// collected gives the merge that is being prepared; nil if none is.
	collected chan *merge
	current   *merge
	// owed is how many entries the rows that were inserted since the last slice are worth.
	owed int
	// complete says that the open transaction completes the current merge.
	complete bool
}

// start prepares a merge in the background if enough rows wait, or some have waited for long.
func (m *merging) start(e *Engine, now time.Time) {
	recent := m.lookups.recent.Load()
	if recent == nil || m.collected != nil || m.current != nil {
		return
	}
	rows, since := recent.size()
	if rows == 0 || rows < m.rows && now.Sub(since) < mergeAfter {
		return
	}
	generation := recent.rotate(now)
	collected := make(chan *merge, 1)
	m.collected = collected
	e.working.Go(func() {
		defer close(collected)
		merge, err := e.collect(m.lookups, generation)
		if err != nil {
			e.logger.Warn("grants could not be indexed; it is tried again", slog.Any("error", err))
			return
		}
		collected <- merge
	})
}

// collect reads a generation by a connection of its own.
func (e *Engine) collect(l *lookups, g *generation) (_ *merge, err error) {
	c, err := dialReader(context.Background(), e.path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return l.collect(c, g.after, g.last, math.MaxInt64)
}

// ready reports whether a merge can go on. When one could not be prepared, the table's rows are read again.
func (m *merging) ready() bool {
	if m.current == nil && m.collected != nil {
		select {
		case merge, ok := <-m.collected:
			m.current, m.collected = merge, nil
			if !ok {
				m.lookups.recent.Store(nil)
			}
		default:
		}
	}
	return m.current != nil
}

// pay adds to the indexes what the inserted rows are worth, within the transaction of the connection.
func (m *merging) pay(c *connection, inserted int) error {
	if !m.ready() {
		return nil
	}
	if m.owed += inserted * mergePace; m.owed < mergeSlice {
		return nil
	}
	entries := m.owed
	m.owed = 0
	return m.step(c, entries)
}

func (m *merging) step(c *connection, entries int) (err error) {
	m.complete, err = m.current.step(c, entries)
	return err
}

// committed takes note of a commit.
func (m *merging) committed() {
	if m.complete {
		m.lookups.recent.Load().merged()
		m.current, m.complete = nil, false
	}
}

// abandon forgets a merge. The rows are read again, and indexed by a later one.
func (m *merging) abandon() {
	m.lookups.recent.Store(nil)
	m.current, m.collected, m.owed, m.complete = nil, nil, 0, false
}

// load reads the rows that are not indexed. If there are many, because they came by another way, they are indexed at once.
func (m *merging) load(c *connection, now time.Time) error {
	l := m.lookups
	indexed, err := l.catchUp(c, 2*int64(m.rows))
	if err != nil {
		return err
	}
	recent := newRecent(indexed, now)
	var row [4]driver.Value
	err = c.each(row[:], func() error {
		seq, okSeq := row[0].(int64)
		id, okID := row[1].(string)
		owner, okOwner := row[2].(string)
		if !okSeq || !okID || !okOwner {
			return errDamagedRow
		}
		recent.add(hashOf(id), hashOf(owner), seq)
		return nil
	}, l.rows, indexed, int64(math.MaxInt64), int64(math.MaxInt64))
	if err != nil {
		return err
	}
	l.recent.Store(recent)
	return nil
}

// catchUp indexes rows until at most so many are left, and returns the last one that is indexed. It commits slice by slice.
func (l *lookups) catchUp(c *connection, leave int64) (indexed int64, err error) {
	for {
		indexed, merge, err := l.next(c, leave)
		if merge == nil || err != nil {
			return indexed, err
		}
		for complete := false; !complete; {
			if complete, err = merge.commit(c); err != nil {
				return 0, err
			}
		}
	}
}

// indexNow indexes all rows within the transaction of the connection. A tool does so with every insert: a server does not know its
// rows from memory.
func (l *lookups) indexNow(c *connection) error {
	for {
		_, merge, err := l.next(c, 0)
		if merge == nil || err != nil {
			return err
		}
		if _, err := merge.step(c, math.MaxInt); err != nil {
			return err
		}
	}
}

// next returns the last row that is indexed, and a merge of the next rows; nil if at most so many are left.
func (l *lookups) next(c *connection, leave int64) (indexed int64, _ *merge, err error) {
	if err := c.value(&indexed, l.indexed); err != nil {
		return 0, nil, err
	}
	var last int64
	if err := c.value(&last, l.lastRow); err != nil || last-indexed <= leave {
		return indexed, nil, err
	}
	m, err := l.collect(c, indexed, last, mergeRows)
	return indexed, m, err
}

// commit adds a slice in a transaction of its own.
func (m *merge) commit(c *connection) (complete bool, err error) {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return false, err
	}
	if complete, err = m.step(c, 8*mergeSlice); err == nil {
		_, err = c.exec("COMMIT")
	}
	if err != nil {
		_, rollback := c.exec("ROLLBACK")
		err = errors.Join(err, rollback)
	}
	return complete, err
}
