package oauth2

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// doubtFor is how long this process remembers a write whose outcome it was not told.
	doubtFor = 10 * time.Minute
	// maxDoubts bounds the records in doubt, and maxDoubtAttempts the writes of one record.
	maxDoubts        = 4096
	maxDoubtAttempts = 8
)

// doubts are the writes of this process whose outcome nobody could tell: the engine answered storage.ErrUnavailable, and the
// request was answered 503. When its repeat finds that the write was executed, the attempt that the record names tells it
// that nobody was ever given what came of it: it is no reuse and no replay. The zero value has none.
type doubts struct {
	mu      sync.Mutex
	records map[string]*doubt // guarded by mu; by the document's ID
}

// doubt is one record that may have been written, by one of several attempts.
type doubt struct {
	attempts []attempt
	until    time.Time
}

// attempt is one write. before is what a grant was before it; zero for a record that is inserted.
type attempt struct {
	name   string
	before storage.Grant
}

func (d *doubt) find(name string) int {
	return slices.IndexFunc(d.attempts, func(a attempt) bool { return a.name == name })
}

// add remembers that an attempt may have written the record of that ID.
func (d *doubts) add(id string, tried attempt, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.live(id, now)
	if known == nil {
		known = new(doubt)
		d.makeRoom(now)
		if d.records == nil {
			d.records = map[string]*doubt{}
		}
		d.records[id] = known
	}
	known.attempts = append(known.attempts, tried)
	known.attempts = known.attempts[max(0, len(known.attempts)-maxDoubtAttempts):]
	known.until = now.Add(doubtFor)
}

// about returns what the record was before the named attempt, and whether that is one which nobody was answered.
func (d *doubts) about(id, name string, now time.Time) (before storage.Grant, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.live(id, now)
	if known == nil {
		return storage.Grant{}, false
	}
	i := known.find(name)
	if i < 0 {
		return storage.Grant{}, false
	}
	return known.attempts[i].before, true
}

// any reports whether the record is in doubt at all.
func (d *doubts) any(id string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live(id, now) != nil
}

// take is about for one caller alone: it ends the doubt if it finds one.
func (d *doubts) take(id, name string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.live(id, now)
	if known == nil || known.find(name) < 0 {
		return false
	}
	delete(d.records, id)
	return true
}

// settle forgets a record: a write of it was answered.
func (d *doubts) settle(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.records, id)
}

func (d *doubts) live(id string, now time.Time) *doubt {
	known := d.records[id]
	if known == nil || now.After(known.until) {
		return nil
	}
	return known
}

// makeRoom drops what is too old, and if that is not enough whatever comes first.
func (d *doubts) makeRoom(now time.Time) {
	if len(d.records) < maxDoubts {
		return
	}
	for id, known := range d.records {
		if now.After(known.until) {
			delete(d.records, id)
		}
	}
	for id := range d.records {
		if len(d.records) < maxDoubts {
			return
		}
		delete(d.records, id)
	}
}

// newAttempt is a random name for one write.
func (s *Store) newAttempt() (string, error) {
	var raw [9]byte
	if _, err := io.ReadFull(s.Rand, raw[:]); err != nil {
		return "", fmt.Errorf("oauth2: randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// see makes entry what the unit knows of its grant. What an unanswered write of this process did is seen as follows: a code
// that it redeemed is not redeemed, so that its client can redeem it once, as before; and of a refresh token that it rotated it
// is known that nobody has the next one.
func (s *Store) see(u *unit, entry *storage.Entry[storage.Grant]) {
	u.stored, u.unanswered = entry, false
	g := &entry.Record
	if g.Attempt == "" {
		return
	}
	before, found := s.doubts.about(g.Document().ID, g.Attempt, s.now())
	switch {
	case !found || g.State != storage.GrantActive:
	case before.State == storage.GrantCode:
		entry.Record = before
	case before.Refresh != nil && g.Refresh != nil && g.Refresh.Generation == before.Refresh.Generation+1:
		u.unanswered = true
	}
}

// unansweredAssertion reports whether the jti of record was spent by a request to this process that was answered 503, because
// the outcome of spending it could not be found out. One caller gets true.
func (s *Store) unansweredAssertion(ctx context.Context, record storage.Assertion) (bool, error) {
	id := record.Document().ID
	if !s.doubts.any(id, s.now()) {
		return false, nil
	}
	stored, err := storage.Get[storage.Assertion](ctx, s.Engine, id)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("oauth2: assertion: %w", err)
	}
	return s.doubts.take(id, stored.Record.Attempt, s.now()), nil
}
