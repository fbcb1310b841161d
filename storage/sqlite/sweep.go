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
	// sweepEvery is the mean time between two sweeps.
	sweepEvery = time.Minute
)

// sweep frees the space of expired documents, one short commit at a time while no request waits. A nil sweep never works.
type sweep struct {
	timer *time.Timer
	kinds []storage.Kind
	rest  []storage.Kind // what the running sweep still has to visit
}

func newSweep(e *Engine) *sweep {
	s := &sweep{timer: time.NewTimer(pause())}
	for kind := range e.tables {
		s.kinds = append(s.kinds, kind)
	}
	slices.Sort(s.kinds)
	return s
}

// pause is jittered, so that instances that were started together do not sweep together.
func pause() time.Duration { return sweepEvery/2 + rand.N(sweepEvery) }

func (s *sweep) working() bool { return s != nil && len(s.rest) > 0 }

// due yields when the next sweep should begin.
func (s *sweep) due() <-chan time.Time {
	if s == nil {
		return nil
	}
	return s.timer.C
}

func (s *sweep) begin() { s.rest = s.kinds }

// step deletes some expired documents of one kind; a kind that has no more is done.
func (s *sweep) step(w *writer) {
	deleted, err := w.sweepKind(s.rest[0])
	if err != nil {
		w.engine.logger.Warn("expired documents could not be removed", slog.Any("error", err))
		s.rest = nil
	} else if deleted < sweepRows {
		s.rest = s.rest[1:]
	}
	if len(s.rest) == 0 {
		s.timer.Reset(pause())
	}
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
