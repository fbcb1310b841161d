package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// sweepRows bounds what one commit of a sweep deletes, so that a request waits for it a few milliseconds at most.
	sweepRows = 200
	// sweepRest is how long the writer is left to requests after each of these commits.
	sweepRest = 20 * time.Millisecond
	// sweepEvery is the mean time between two sweeps.
	sweepEvery = time.Minute
	// sweepAfter is for how long this process must have known a document to be expired. It is longer than a client assertion
	// and, by default, an access token live: a clock that is ahead for less deletes none of the records that keep them from being
	// used again.
	sweepAfter = time.Hour
	// truncateEvery is the time after which the log is emptied. Until then it can contain what was deleted.
	truncateEvery = time.Hour
	// clockStep is how far the clock may move against the time that passed before it counts as set.
	clockStep = 10 * time.Second
)

// sweep frees the space of expired documents, one short commit at a time and behind the requests that wait. A nil sweep is
// never due.
type sweep struct {
	timer *time.Timer
	kinds []storage.Kind
	next  int // the kind that the next step looks at
	// now is the engine's clock, and started measures elapsed time, independent of clock changes.
	now     func() time.Time
	started time.Time
	// last is the last reading of the clock, and readings are one a minute since the clock was last set, the oldest first.
	last     reading
	readings []reading
	// until is when a document must have expired to be deleted; zero deletes nothing.
	until time.Time
	// truncated is when the log was last emptied.
	truncated time.Time
	// overwriting overwrites unused space before the log is emptied; nil while it does not run. overwritten says that it has run since
	// the log was last emptied, and emptied that this process has emptied the log.
	overwriting          *overwriting
	overwritten, emptied bool
	// removals are the expired documents that are being deleted, by table, where rows are indexed later.
	removals map[*lookups]*removal
}

// reading is a reading of the clock, after a time that passed.
type reading struct {
	clock  time.Time
	passed time.Duration
}

// read reads the clock, and moves until to the reading of sweepAfter ago. When the clock was set since the last reading, all
// begins again.
func (s *sweep) read() {
	latest := reading{s.now(), time.Since(s.started)}
	moved := latest.clock.Sub(s.last.clock) - (latest.passed - s.last.passed)
	if moved.Abs() > clockStep {
		s.readings, s.until = nil, time.Time{}
		clear(s.removals)
	}
	if n := len(s.readings); n == 0 || latest.passed-s.readings[n-1].passed >= sweepEvery/2 {
		s.readings = append(s.readings, latest)
	}
	for len(s.readings) > 0 && latest.passed-s.readings[0].passed >= sweepAfter {
		s.until, s.readings = s.readings[0].clock, s.readings[1:]
	}
	s.last = latest
}

func newSweep(e *Engine) *sweep {
	s := &sweep{timer: time.NewTimer(untilSweep()), now: e.now, started: time.Now(), truncated: time.Now(), removals: map[*lookups]*removal{}}
	s.read()
	for kind := range e.tables {
		s.kinds = append(s.kinds, kind)
	}
	slices.Sort(s.kinds)
	return s
}

// untilSweep is jittered, so that servers that were started together do not sweep together.
func untilSweep() time.Duration { return sweepEvery/2 + rand.N(sweepEvery) }

// due returns a channel for the time of the next step.
func (s *sweep) due() <-chan time.Time {
	if s == nil {
		return nil
	}
	return s.timer.C
}

// step goes on with a merge, or deletes the next few expired documents, or finds that nothing is to be done.
func (s *sweep) step(w *writer) {
	s.read()
	rest := untilSweep()
	if more, err := s.work(w); err != nil {
		w.engine.logger.Warn("expired documents could not be removed", slog.Any("error", err))
		clear(s.removals)
		s.next = 0
	} else if more || s.erase(w) {
		rest = sweepRest
	}
	s.timer.Reset(rest)
}

// erase overwrites the unused space of the file when it is due, and empties the log after that. It reports whether more is to be done
// soon. If the log is still empty, no process has changed the file.
func (s *sweep) erase(w *writer) (more bool) {
	if time.Since(s.truncated) < truncateEvery || w.connect() != nil { // The next request reports the error.
		return false
	}
	if s.emptied && isEmpty(w.engine.path+"-wal") {
		s.truncated = time.Now()
		return false
	}
	if !s.overwritten {
		more, err := s.overwrite(w)
		if err != nil {
			w.engine.logger.Warn("unused space of the file could not be overwritten; it is tried again", slog.Any("error", err))
		}
		if more || err != nil {
			return more
		}
		s.overwritten = true
	}
	s.truncate(w)
	return false
}

// overwrite executes one transaction that overwrites unused space. It reports whether more is to be done.
func (s *sweep) overwrite(w *writer) (more bool, err error) {
	if s.overwriting == nil {
		conn, err := dialPages(context.Background(), w.engine.path)
		if err != nil {
			return false, err
		}
		s.overwriting = &overwriting{conn: conn}
	}
	more, writes, err := s.overwriting.step()
	if reasonOf(err) == FileLocked { // by a tool
		return true, nil
	}
	w.checkpoints.committed(w.conn, writes)
	if more && err == nil {
		return true, nil
	}
	return false, errors.Join(err, s.stop())
}

// stop ends overwriting. The next one begins with the first page.
func (s *sweep) stop() error {
	if s == nil || s.overwriting == nil {
		return nil
	}
	conn := s.overwriting.conn
	s.overwriting = nil
	return conn.Close()
}

// isEmpty reports whether a file has no content.
func isEmpty(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() == 0
}

// truncate empties the log. While another connection reads from the log, it is tried again after the next sweep.
func (s *sweep) truncate(w *writer) {
	emptied, err := w.conn.truncateLog()
	w.checkpoints.warn(err)
	if emptied {
		s.truncated, s.overwritten, s.emptied = time.Now(), false, true
	}
}

// work executes one short transaction. It reports whether more is to be done soon.
func (s *sweep) work(w *writer) (more bool, err error) {
	if more, err = w.mergeStep(); more || err != nil {
		return more, err
	}
	for s.next < len(s.kinds) && !s.until.IsZero() {
		deleted, more, err := s.sweepKind(w, s.kinds[s.next])
		if err != nil {
			return false, err
		}
		if !more {
			s.next++
		}
		if deleted > 0 {
			return true, nil
		}
	}
	s.next = 0
	return false, nil
}

// sweepKind deletes documents of a kind. It reports whether there may be more of them.
func (s *sweep) sweepKind(w *writer, kind storage.Kind) (deleted int64, more bool, err error) {
	l := w.engine.tables[kind].lookups
	if l == nil {
		deleted, err = w.sweepKind(kind, s.until)
		return deleted, deleted == sweepRows, err
	}
	if s.removals[l] == nil {
		s.removals[l] = &removal{lookups: l, until: s.until.UnixMilli()}
	}
	deleted, err = w.remove(s.removals[l])
	if s.removals[l].done {
		delete(s.removals, l)
		return deleted, false, err
	}
	return deleted, true, err
}

// mergeStep goes on with a merge when no request does. It reports whether there is more to do.
func (w *writer) mergeStep() (more bool, err error) {
	for _, m := range w.merges {
		m.start(w.engine, w.engine.now())
		if !m.ready() {
			continue
		}
		if err := w.transact(func(c *connection) error { return m.step(c, mergeSlice) }); err != nil {
			return false, err
		}
		m.committed()
		w.checkpoints.committed(w.conn, mergeSlice/entriesAtOnce)
		return true, nil
	}
	return false, nil
}

// transact executes statements in a transaction of its own. After a failure the connection is closed.
func (w *writer) transact(do func(*connection) error) error {
	err := w.begin()
	if err == nil {
		err = do(w.conn)
	}
	if err == nil {
		_, err = w.conn.exec("COMMIT")
	}
	if err != nil {
		return errors.Join(unavailable(w.engine.path, "sweep", err), w.disconnect())
	}
	return nil
}

func (w *writer) sweepKind(kind storage.Kind, until time.Time) (deleted int64, err error) {
	err = w.transact(func(c *connection) (err error) {
		deleted, err = c.exec(w.engine.tables[kind].sweep, until.UnixMilli(), int64(sweepRows))
		return err
	})
	return deleted, err
}
