package sqlite

import (
	"errors"
	"log/slog"
	"math/rand/v2"
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
)

// sweep frees the space of expired documents, one short commit at a time and behind the requests that wait. A nil sweep is
// never due.
type sweep struct {
	timer *time.Timer
	kinds []storage.Kind
	next  int // the kind that the next step looks at
}

func newSweep(e *Engine) *sweep {
	s := &sweep{timer: time.NewTimer(untilSweep())}
	for kind := range e.tables {
		s.kinds = append(s.kinds, kind)
	}
	slices.Sort(s.kinds)
	return s
}

// untilSweep is jittered, so that servers that were started together do not sweep together.
func untilSweep() time.Duration { return sweepEvery/2 + rand.N(sweepEvery) }

// due yields when the next step should be made.
func (s *sweep) due() <-chan time.Time {
	if s == nil {
		return nil
	}
	return s.timer.C
}

// step deletes the next few expired documents, or finds that none are left.
func (s *sweep) step(w *writer) {
	for s.next < len(s.kinds) {
		deleted, err := w.sweepKind(s.kinds[s.next])
		if err != nil {
			w.engine.logger.Warn("expired documents could not be removed", slog.Any("error", err))
			break
		}
		if deleted < sweepRows {
			s.next++
		}
		if deleted > 0 {
			s.timer.Reset(sweepRest)
			return
		}
	}
	s.next = 0
	s.timer.Reset(untilSweep())
}

func (w *writer) sweepKind(kind storage.Kind) (deleted int64, err error) {
	if err := w.connect(); err != nil {
		return 0, err
	}
	deleted, err = w.conn.exec(w.engine.tables[kind].sweep, w.engine.now().UnixMilli(), int64(sweepRows))
	if err != nil {
		return 0, errors.Join(unavailable(w.engine.path, "sweep", err), w.disconnect())
	}
	return deleted, nil
}
