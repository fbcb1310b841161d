package grants

import "sync"

// flightKey tells codes apart: the same text may be another client's code, and the same client ID another issuer's client.
type flightKey struct{ issuer, client, code string }

// flights lets requests of one process that carry the same code share one WeChat call.
type flights struct {
	mu   sync.Mutex
	open map[flightKey]*flight
}

// flight is one code on its way. Only its leader spends the code; the others wait until it has landed.
type flight struct {
	landed chan struct{}
	err    error // why the leader has no subject; written before landed is closed
}

// join returns the flight of key, and whether the caller leads it and so has to land it.
func (f *flights) join(key flightKey) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if open, ok := f.open[key]; ok {
		return open, false
	}
	led := &flight{landed: make(chan struct{})}
	f.open[key] = led
	return led, true
}

// land tells those who wait how the flight ended, and lets the next request with this code lead its own.
func (f *flights) land(key flightKey, led *flight, err error) {
	led.err = err
	f.mu.Lock()
	delete(f.open, key)
	f.mu.Unlock()
	close(led.landed)
}
