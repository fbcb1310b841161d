package scan

import (
	"sync"
	"time"

	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/storage"
)

// maxKnown bounds the states in memory.
const maxKnown = 16384

// watches notifies the streams of browsers of the changes by this process.
type watches struct {
	now func() time.Time

	mu      sync.Mutex
	streams map[string]*watch           // by Scan.ID; guarded by mu
	states  *bounded.Map[string, known] // the last change of this process; guarded by mu
	closed  bool                        // guarded by mu
}

// known is what this process stored last of a sign-in.
type known struct {
	state  storage.ScanState
	endsAt time.Time
}

// watch is the stream of one browser.
type watch struct {
	// changed gets the new state. It holds one.
	changed chan storage.ScanState
	// replaced is closed when a newer stream of the same sign-in began, or the process ends.
	replaced chan struct{}
}

func newWatches(now func() time.Time) *watches {
	return &watches{now: now, streams: map[string]*watch{}, states: bounded.New[string, known](maxKnown)}
}

// open begins a stream, and ends the older one of the same sign-in. The function ends it.
func (w *watches) open(id string) (*watch, func()) {
	opened := &watch{make(chan storage.ScanState, 1), make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if older := w.streams[id]; older != nil {
		close(older.replaced)
	}
	w.streams[id] = opened
	if w.closed {
		close(opened.replaced)
		delete(w.streams, id)
	}
	return opened, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.streams[id] == opened {
			delete(w.streams, id)
		}
	}
}

// changed records and sends a change.
func (w *watches) changed(record storage.Scan) {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states.Put(record.ID, known{record.State, record.EndsAt}, now, record.ExpiresAt)
	stream := w.streams[record.ID]
	if stream == nil {
		return
	}
	select {
	case stream.changed <- record.State:
	default: // The stream ends by the earlier change.
	}
}

// last returns what this process stored last; false for nothing.
func (w *watches) last(id string) (known, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.states.Get(id)
}

// close ends all streams, now and later.
func (w *watches) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for id, stream := range w.streams {
		close(stream.replaced)
		delete(w.streams, id)
	}
}
