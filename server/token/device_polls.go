package token

import (
	"sync"
	"time"

	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/storage/oauth2"
)

// DeviceInterval is the time between two token requests of a device (RFC 8628 §3.2, interval).
const DeviceInterval = 5 * time.Second

const (
	// slowDown is added to the interval of a device that asks too often (RFC 8628 §3.5).
	slowDown = 5 * time.Second
	// maxDeviceInterval bounds the interval.
	maxDeviceInterval = time.Minute
	// earlyTolerance is how much earlier a request may arrive: the network delays one request more than the next.
	earlyTolerance = time.Second
	// maxDevicePolls bounds the devices in memory.
	maxDevicePolls = 16384
)

// devicePolls remembers when each device may ask again. It is in memory, for this process.
type devicePolls struct {
	now func() time.Time

	mu    sync.Mutex
	polls *bounded.Map[string, devicePoll] // by the ID of the grant; guarded by mu
}

// devicePoll is the state of one device.
type devicePoll struct {
	next     time.Time
	interval time.Duration
}

func newDevicePolls(now func() time.Time) *devicePolls {
	return &devicePolls{now: now, polls: bounded.New[string, devicePoll](maxDevicePolls)}
}

// tooEarly counts a request of a device. A request that is too early adds to the interval.
func (p *devicePolls) tooEarly(grantID string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	known, ok := p.polls.Get(grantID)
	if !ok || known.next.Sub(now) > maxDeviceInterval { // The second condition means that the clock was set back.
		known = devicePoll{next: now, interval: DeviceInterval}
	}
	early := now.Before(known.next)
	if early {
		known.interval = min(known.interval+slowDown, maxDeviceInterval)
	}
	known.next = now.Add(known.interval - earlyTolerance)
	p.polls.Put(grantID, known, now, now.Add(oauth2.DeviceCodeLifetime))
	return early
}
