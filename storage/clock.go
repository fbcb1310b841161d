package storage

import "time"

// ClockBound is how far the clocks of two instances of one store may be apart for their records to mean the same to both.
const ClockBound = 30 * time.Second

// MadeAhead reports whether what was made at that time was made by a clock that is ahead of now by more than ClockBound, or before
// the clock was set back.
func MadeAhead(at, now time.Time) bool { return at.After(now.Add(ClockBound)) }

// IsOver reports whether what lasts for life until ends is over: its end has come, or it was made ahead.
func IsOver(ends time.Time, life time.Duration, now time.Time) bool {
	return !now.Before(ends) || MadeAhead(ends.Add(-life), now)
}
