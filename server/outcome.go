package server

import (
	"sync"
	"time"
)

// outcomes remembers for a day how the last try of each of many callers ended.
type outcomes struct {
	now func() time.Time

	mu   sync.Mutex
	last map[caller]outcome // guarded by mu
}

type outcome struct {
	good bool
	at   time.Time
}

const (
	// outcomeLife is how long an outcome is remembered.
	outcomeLife = 24 * time.Hour
	// outcomeRenewed is how old one may become before the same outcome is noted again.
	outcomeRenewed = time.Minute
	// outcomesKept bounds the callers in memory.
	outcomesKept = 16384
)

func newOutcomes(now func() time.Time) *outcomes {
	return &outcomes{now: now, last: map[caller]outcome{}}
}

// of returns how the last try of a caller ended, if that is known.
func (o *outcomes) of(who caller) (good, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last, ok := o.last[who]
	return last.good, ok && o.now().Sub(last.at) < outcomeLife
}

// note remembers how a try ended.
func (o *outcomes) note(who caller, good bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	last, known := o.last[who]
	if known && last.good == good && now.Sub(last.at) < outcomeRenewed {
		return
	}
	if !known && len(o.last) >= outcomesKept {
		shed(o.last, outcomesKept, func(old outcome) bool { return now.Sub(old.at) >= outcomeLife })
	}
	o.last[who] = outcome{good, now}
}
