package demopage

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/minifed/minifed/internal/bounded"
)

const (
	// visitorCookies is what the name of the cookie begins with that names the browser with the page; the port of the page follows. Browsers
	// send it to all ports of the host, so that the servers of the demonstration know to whose page a request belongs.
	visitorCookies = "minifed-demo-"
	maxVisitors    = 256
	maxCalls       = 100
	maxCodes       = 1024
)

// screen is what a browser of the demonstration shows.
type screen struct {
	Address string `json:"address"`
	// Picture counts the pictures that were shown; 0 means that there is none on the screen.
	Picture int `json:"picture"`

	content []byte
}

// visitor is the state of one browser that has the page open.
type visitor struct {
	mu       sync.Mutex
	language string        // guarded by mu
	person   string        // whose phone it is; guarded by mu
	calls    []call        // guarded by mu
	numbered int           // the number of the last call; guarded by mu
	pictures int           // guarded by mu
	computer screen        // guarded by mu
	phone    screen        // guarded by mu
	link     openedLink    // guarded by mu
	album    screen        // the last picture that the camera read; guarded by mu
	received screen        // the picture in a message of the attacker; guarded by mu
	attacker *Browser      // guarded by mu
	changed  chan struct{} // closed at the next change; guarded by mu
}

// openedLink is the last link of WeChat that the phone's browser opened.
type openedLink struct {
	Number int    `json:"number"`
	URL    string `json:"url"`
}

// state is what the page shows of a visitor.
type state struct {
	Calls    []call     `json:"calls"`
	Computer screen     `json:"computer"`
	Phone    screen     `json:"phone"`
	Link     openedLink `json:"link"`
	Album    int        `json:"album"`
	Received int        `json:"received"`
}

func newVisitor(language string) *visitor {
	return &visitor{language: language, person: people()[0], changed: make(chan struct{})}
}

// change changes the state and notifies the streams.
func (v *visitor) change(act func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	act()
	close(v.changed)
	v.changed = make(chan struct{})
}

// state returns the state, and a channel that is closed when it changes.
func (v *visitor) state() (state, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return state{append([]call{}, v.calls...), v.computer, v.phone, v.link, v.album.Picture, v.received.Picture}, v.changed
}

// record adds a call to the list.
func (v *visitor) record(c call) {
	v.change(func() {
		v.numbered++
		c.Number = v.numbered
		v.calls = append(v.calls[max(0, len(v.calls)-maxCalls+1):], c)
	})
}

// shows records the document that a browser shows.
func (v *visitor) shows(device device, address string) {
	v.change(func() { *v.screenOf(device) = screen{Address: address} })
}

// showsPicture records the picture on the screen of a browser.
func (v *visitor) showsPicture(device device, content []byte) {
	v.change(func() {
		v.pictures++
		shown := v.screenOf(device)
		shown.Picture, shown.content = v.pictures, content
	})
}

func (v *visitor) screenOf(device device) *screen {
	if device == onPhone {
		return &v.phone
	}
	return &v.computer
}

// visitors are the visitors by their cookie, and by the authorization codes that their browsers got.
type visitors struct {
	mu    sync.Mutex
	byID  *bounded.Map[string, *visitor] // guarded by mu
	codes *bounded.Map[string, *visitor] // guarded by mu
}

// of returns the visitor of a request; nil without one.
func (s *Site) of(r *http.Request) *visitor {
	cookie, err := r.Cookie(s.visitorCookie())
	if err != nil {
		return nil
	}
	s.visitors.mu.Lock()
	defer s.visitors.mu.Unlock()
	found, _ := s.visitors.byID.Get(cookie.Value)
	return found
}

// visitorCookie is the name of the cookie of this demonstration: several can run on one machine.
func (s *Site) visitorCookie() string {
	return visitorCookies + s.Origin[strings.LastIndexByte(s.Origin, ':')+1:]
}

type visitorKey struct{}

// within returns a context of the visitor.
func within(ctx context.Context, v *visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// visitorIn returns the visitor of a context; nil without one.
func visitorIn(ctx context.Context) *visitor {
	v, _ := ctx.Value(visitorKey{}).(*visitor)
	return v
}
