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
	// unknownOutcomeLife is the time after which a write with an unknown outcome is no longer tracked.
	unknownOutcomeLife = 10 * time.Minute
	// maxUnknownOutcomes is the maximum number of tracked records, and maxUnknownAttempts that of the writes of one record.
	maxUnknownOutcomes = 4096
	maxUnknownAttempts = 8
)

// unknownOutcomes are the writes of this process with an unknown outcome, whose result was never returned to a client: the engine returned
// storage.ErrUnavailable, and the response was 503. If the repeat of the request finds that the write was executed, the name of
// the attempt in the record shows that this is no reuse and no replay. Only this process knows that until it has stored it: see
// Store.Settle. The zero value is empty.
type unknownOutcomes struct {
	mu      sync.Mutex
	records map[string]*unknownOutcome // guarded by mu; by the document's ID
	added   chan struct{}              // guarded by mu; created on first use
	pass    int                        // guarded by mu; counts the calls of due
	dropped int                        // guarded by mu; number of records dropped since the last call of due
}

// unknownOutcome is one record that may have been written, by one of several attempts.
type unknownOutcome struct {
	kind     storage.Kind
	id       string
	attempts []attempt
	until    time.Time
	// misses counts how often in a row the record was not found, and nextPass is the pass of the next look-up.
	misses, nextPass int
}

// attempt is one write.
type attempt struct {
	name string
	// base is the revision that the write replaces; empty for an insert.
	base string
	// before is the grant whose code or device code the write redeems; nil when it rotates a refresh token or spends a jti.
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

// add records that an attempt may have written the record with this ID.
func (d *unknownOutcomes) add(kind storage.Kind, id string, tried attempt, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.current(id, now)
	if known == nil {
		known = &unknownOutcome{kind: kind, id: id}
		d.evict(now)
		if d.records == nil {
			d.records = map[string]*unknownOutcome{}
		}
		d.records[id] = known
	}
	known.attempts = append(known.attempts, tried)
	known.attempts = known.attempts[max(0, len(known.attempts)-maxUnknownAttempts):]
	known.until = now.Add(unknownOutcomeLife)
	known.misses, known.nextPass = 0, 0
	select {
	case d.addedChannel() <- struct{}{}:
	default:
	}
}

// attempts returns the attempts that may have written the record and had no response.
func (d *unknownOutcomes) attempts(id string, now time.Time) []attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.current(id, now)
	if known == nil {
		return nil
	}
	return slices.Clone(known.attempts)
}

// forget removes these attempts of a record: their outcome is known.
func (d *unknownOutcomes) forget(id string, over []attempt) {
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

// due returns copies of the records to look up now, and removes those that are too old. givenUp counts the removed records that
// may still be in the store as an attempt left them.
func (d *unknownOutcomes) due(now time.Time) (turn []unknownOutcome, givenUp int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pass++
	d.dropOld(now)
	for _, known := range d.records {
		if known.nextPass <= d.pass {
			found := *known
			found.attempts = slices.Clone(known.attempts)
			turn = append(turn, found)
		}
	}
	givenUp, d.dropped = d.dropped, 0
	return turn, givenUp
}

// maxPostponement is the maximum number of passes between two look-ups of a record that was not found.
const maxPostponement = 64

// postpone delays the next look-up of a record that was not found. The delay doubles every time.
func (d *unknownOutcomes) postpone(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.records[id]; known != nil {
		known.misses++
		known.nextPass = d.pass + min(1<<min(known.misses, 16), maxPostponement)
	}
}

// count returns the number of tracked records, and of those that may be in the store as an attempt left them.
func (d *unknownOutcomes) count() (all, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, known := range d.records {
		if known.misses == 0 {
			open++
		}
	}
	return len(d.records), open
}

// additions returns the channel that signals a new record.
func (d *unknownOutcomes) additions() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addedChannel()
}

func (d *unknownOutcomes) addedChannel() chan struct{} {
	if d.added == nil {
		d.added = make(chan struct{}, 1)
	}
	return d.added
}

func (d *unknownOutcomes) current(id string, now time.Time) *unknownOutcome {
	known := d.records[id]
	if known == nil || now.After(known.until) {
		return nil
	}
	return known
}

// evict removes the records that are too old and, if that is not enough, any others.
func (d *unknownOutcomes) evict(now time.Time) {
	if len(d.records) < maxUnknownOutcomes {
		return
	}
	d.dropOld(now)
	for id := range d.records {
		if len(d.records) < maxUnknownOutcomes {
			return
		}
		d.drop(id)
	}
}

func (d *unknownOutcomes) dropOld(now time.Time) {
	for id := range d.records {
		if d.current(id, now) == nil {
			d.drop(id)
		}
	}
}

// drop removes a record. It does not count one that was looked up and not found.
func (d *unknownOutcomes) drop(id string) {
	if d.records[id].misses == 0 {
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

// recordUnknownOutcome records that u.next may have been stored, if another request would see a difference. It does not record a write that ends
// a grant, which can simply be repeated, or the use of a ticket, whose repeat has the same response on every instance.
func (s *Store) recordUnknownOutcome(u *unit) {
	before, tried := u.stored.Record, attempt{name: u.next.Attempt, base: u.stored.Revision()}
	switch {
	case u.next.State != storage.GrantActive, u.prolongs:
		return
	case redeemable(&before):
		tried.before = &before
	case before.State != storage.GrantActive:
		return
	}
	s.unknownOutcomes.add(storage.KindGrant, u.next.Document().ID, tried, s.now())
}

// reconcile sets entry as the stored grant of the unit, and corrects it for writes of this process whose result was never
// returned to a client. A code redeemed by such a write can be redeemed once more. A refresh token rotated by such a write is
// marked: no client has its successor.
func (s *Store) reconcile(u *unit, entry *storage.Entry[storage.Grant]) {
	u.stored, u.unanswered = entry, false
	g := &entry.Record
	if g.Attempt == "" {
		return
	}
	tried := find(s.unknownOutcomes.attempts(g.Document().ID, s.now()), g.Attempt)
	switch {
	case tried == nil:
	case tried.before != nil:
		entry.Record = *tried.before
	default:
		u.unanswered = true
	}
}
