package scan

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
)

const (
	// streamLife is how long one stream lasts. The browser opens the next one.
	streamLife = 25 * time.Second
	// reconnectAfter is when it does so.
	reconnectAfter = time.Second

	// stateParameter is the state that the page shows.
	stateParameter = "state"

	// eventChange means that the page has to load again. eventReplaced means that another page of the sign-in has the stream now, or
	// ends the sign-in: the page loads again when the user returns to it.
	eventChange   = "change"
	eventReplaced = "replaced"
)

// events is the stream of the changes of a sign-in (server-sent events, HTML §9.2). It ends with the first change. If this is the
// only process, a stream reads nothing from the store. Otherwise it reads once a second.
func (e *Login) events(w http.ResponseWriter, r *endpoint.Request) error {
	made, err := e.Service.sealed(r, e.Method)
	if errors.Is(err, errOver) {
		return endpoint.NotFound()
	}
	if err != nil {
		return err
	}
	id := scanID(r.Issuer.Directory, made.Scene)
	watched, done := e.Service.watches.open(id)
	defer done()
	stream := &stream{service: e.Service, key: storage.Key(r.Issuer.Directory.ID, id), id: id, shown: storage.ScanState(r.URL.Query().Get(stateParameter)), link: e.Method == storage.SignInLink}
	ends, err := stream.start(r)
	if err != nil {
		return err
	}
	controller := http.NewResponseController(w)
	_ = controller.SetWriteDeadline(time.Now().Add(streamLife + 10*time.Second)) // A server without deadlines needs none.
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx passes events on at once.
	w.WriteHeader(http.StatusOK)
	_, _ = fmt.Fprintf(w, "retry: %d\n\n", reconnectAfter.Milliseconds()) // The connection is gone when this fails.
	_ = controller.Flush()
	if event := stream.wait(r, watched, ends); event != "" {
		_, _ = fmt.Fprintf(w, "event: %s\ndata: \n\n", event) // The connection is gone when this fails.
	}
	return nil
}

// stream is the state of one stream.
type stream struct {
	service *Service
	id, key string
	// shown is the state that the page shows. link means that the method is the link.
	shown storage.ScanState
	link  bool
	// last is the event for the state that was read last; empty if the page remains as it is.
	last string
}

// start returns when the sign-in ends, in real time.
func (s *stream) start(r *endpoint.Request) (time.Duration, error) {
	if last, found := s.service.watches.last(s.id); found && s.service.SingleProcess {
		return s.left(last), nil
	}
	return s.read(r)
}

// left returns how long the page remains as it is, at most streamLife: zero if it has to load again.
func (s *stream) left(last known) time.Duration {
	if s.last = s.event(last.state); s.last != "" {
		return 0
	}
	return max(0, min(streamLife, last.endsAt.Sub(s.service.Now())))
}

// read reads the sign-in, and returns how long it still lasts: zero if the page has to load again.
func (s *stream) read(r *endpoint.Request) (time.Duration, error) {
	entry, err := storage.Get[storage.Scan](r.Context(), s.service.Engine, s.key)
	if errors.Is(err, storage.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if storage.MadeAhead(entry.Record.CreatedAt, s.service.Now()) {
		return 0, nil
	}
	return s.left(known{entry.Record.State, entry.Record.EndsAt}), nil
}

// event returns the event for a state; empty if the page remains as it is. The page of a link has the same form until it is rejected,
// so that digits which are being typed remain. It does not load again when its digits were right: that would cancel the request that
// sent them, and the response with the session would be lost.
func (s *stream) event(state storage.ScanState) string {
	switch {
	case s.link && state == storage.ScanUsed:
		return eventReplaced
	case s.link && state == storage.ScanDenied, !s.link && state != s.shown:
		return eventChange
	default:
		return ""
	}
}

// wait returns the event that ends the stream; empty for none.
func (s *stream) wait(r *endpoint.Request, watched *watch, lasts time.Duration) string {
	if lasts <= 0 {
		return cmp.Or(s.last, eventChange)
	}
	end := time.NewTimer(lasts)
	defer end.Stop()
	poll, stop := s.polls()
	defer stop()
	for {
		select {
		case <-r.Context().Done():
			return ""
		case <-watched.replaced:
			return eventReplaced
		case state := <-watched.changed:
			if event := s.event(state); event != "" {
				return event
			}
		case <-end.C:
			if lasts < streamLife {
				return eventChange // The sign-in is over.
			}
			return ""
		case <-poll:
			if left, err := s.read(r); err == nil && left <= 0 {
				return cmp.Or(s.last, eventChange)
			}
		}
	}
}

// polls returns the times at which the stream reads the store, if another process may change it.
func (s *stream) polls() (<-chan time.Time, func()) {
	if s.service.SingleProcess {
		return nil, func() {}
	}
	ticker := time.NewTicker(s.service.PollEvery)
	return ticker.C, ticker.Stop
}
