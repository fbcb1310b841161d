package oauth2

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// doubtFor is how long a write is in doubt whose outcome this process was not told.
	doubtFor = 10 * time.Minute
	// maxDoubts bounds the records in doubt, and maxDoubtAttempts the writes of one record.
	maxDoubts        = 4096
	maxDoubtAttempts = 8
)

// doubts are the writes of this process whose outcome nobody could tell: the engine answered storage.ErrUnavailable, and the
// request was answered 503. When its repeat finds that the write was executed, the attempt that the record names tells it
// that nobody was ever given what came of it: it is no reuse and no replay. Only this process knows that, until it has said so
// in the store: see Store.Settle. The zero value has none.
type doubts struct {
	mu      sync.Mutex
	records map[string]*doubt // guarded by mu; by the document's ID
	arisen  chan struct{}     // guarded by mu; made when it is first asked for
	pass    int               // guarded by mu; counts the calls of due
	dropped int               // guarded by mu; how many were given up since the last of them
}

// doubt is one record that may have been written, by one of several attempts.
type doubt struct {
	kind     storage.Kind
	id       string
	attempts []attempt
	until    time.Time
	// absences counts how often in a row the record was not there when it was looked for, and resume is the pass in which it
	// is looked for again.
	absences, resume int
}

// attempt is one write.
type attempt struct {
	name string
	// base is the revision whose place the write takes; empty for an insert.
	base string
	// before is the grant whose code the write redeems; nil when it rotates a refresh token or spends a jti.
	before *storage.Grant
}

// find returns the attempt of that name, or nil.
func find(attempts []attempt, name string) *attempt {
	for i := range attempts {
		if attempts[i].name == name {
			return &attempts[i]
		}
	}
	return nil
}

// add remembers that an attempt may have written the record of that ID.
func (d *doubts) add(kind storage.Kind, id string, tried attempt, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.live(id, now)
	if known == nil {
		known = &doubt{kind: kind, id: id}
		d.makeRoom(now)
		if d.records == nil {
			d.records = map[string]*doubt{}
		}
		d.records[id] = known
	}
	known.attempts = append(known.attempts, tried)
	known.attempts = known.attempts[max(0, len(known.attempts)-maxDoubtAttempts):]
	known.until = now.Add(doubtFor)
	known.absences, known.resume = 0, 0
	select {
	case d.bell() <- struct{}{}:
	default:
	}
}

// about returns the attempts that may have written the record, and that nobody was answered.
func (d *doubts) about(id string, now time.Time) []attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.live(id, now)
	if known == nil {
		return nil
	}
	return slices.Clone(known.attempts)
}

// forget forgets those attempts of a record: it is known what became of each.
func (d *doubts) forget(id string, over []attempt) {
	if len(over) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.records[id]
	if known == nil {
		return
	}
	known.attempts = slices.DeleteFunc(known.attempts, func(a attempt) bool { return find(over, a.name) != nil })
	if len(known.attempts) == 0 {
		delete(d.records, id)
	}
}

// due returns copies of the records whose turn it is, and forgets those that have been in doubt for too long: given up are those
// that may be in the store as an attempt left them.
func (d *doubts) due(now time.Time) (turn []doubt, givenUp int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pass++
	d.dropOld(now)
	for _, known := range d.records {
		if known.resume <= d.pass {
			found := *known
			found.attempts = slices.Clone(known.attempts)
			turn = append(turn, found)
		}
	}
	givenUp, d.dropped = d.dropped, 0
	return turn, givenUp
}

// longestRest is for how many passes a record is left alone that was not there again and again.
const longestRest = 64

// rest leaves a record alone for a while that was not there. It rests twice as long every time.
func (d *doubts) rest(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.records[id]; known != nil {
		known.absences++
		known.resume = d.pass + min(1<<min(known.absences, 16), longestRest)
	}
}

// count returns how many records are in doubt, and how many of them may be in the store as an attempt left them.
func (d *doubts) count() (all, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, known := range d.records {
		if known.absences == 0 {
			open++
		}
	}
	return len(d.records), open
}

// rung returns the channel that says that there is something in doubt.
func (d *doubts) rung() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bell()
}

func (d *doubts) bell() chan struct{} {
	if d.arisen == nil {
		d.arisen = make(chan struct{}, 1)
	}
	return d.arisen
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
	d.dropOld(now)
	for id := range d.records {
		if len(d.records) < maxDoubts {
			return
		}
		d.drop(id)
	}
}

func (d *doubts) dropOld(now time.Time) {
	for id := range d.records {
		if d.live(id, now) == nil {
			d.drop(id)
		}
	}
}

// drop forgets a record. Nothing is lost with one that was looked for and not there.
func (d *doubts) drop(id string) {
	if d.records[id].absences == 0 {
		d.dropped++
	}
	delete(d.records, id)
}

// newAttempt is a random name for one write.
func (s *Store) newAttempt() (string, error) {
	var raw [9]byte
	if _, err := io.ReadFull(s.Rand, raw[:]); err != nil {
		return "", fmt.Errorf("oauth2: randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// doubt remembers that u.next may have been stored in the place of what was read, if another request would see that. A write
// that ends a grant is none to remember, since it only has to be asked for again, and neither is the use of a ticket, whose
// repeat is answered alike wherever it arrives.
func (s *Store) doubt(u *unit) {
	before, tried := u.stored.Record, attempt{name: u.next.Attempt, base: u.stored.Revision()}
	switch {
	case u.next.State != storage.GrantActive, u.prolongs:
		return
	case before.State == storage.GrantCode:
		tried.before = &before
	case before.State != storage.GrantActive:
		return
	}
	s.doubts.add(storage.KindGrant, u.next.Document().ID, tried, s.now())
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
	tried := find(s.doubts.about(g.Document().ID, s.now()), g.Attempt)
	switch {
	case tried == nil:
	case tried.before != nil:
		entry.Record = *tried.before
	default:
		u.unanswered = true
	}
}
