package onetimecode

import (
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// codeLife is how long a code works.
	codeLife = 5 * time.Minute
	// resendAfter is the time between two codes for one browser.
	resendAfter = time.Minute
	// countedFor is how long sent codes and wrong tries count.
	countedFor = 24 * time.Hour
)

// limit is the most events in a time.
type limit struct {
	within time.Duration
	most   int
}

// sentLimits are the codes that one address gets from strangers, and from each browser of its owner.
func sentLimits() []limit { return []limit{{time.Hour, 5}, {countedFor, 10}} }

// wrongLimits are the wrong tries of an address from strangers, and from each browser of its owner.
func wrongLimits() []limit { return []limit{{time.Hour, 10}, {countedFor, 30}} }

// wait returns how long the next event of a device has to wait. Events of other devices do not count.
func wait(events []storage.CodeEvent, device string, limits []limit, now time.Time) (longest time.Duration) {
	var times []time.Time
	for _, event := range events {
		if event.Device == device {
			times = append(times, event.At)
		}
	}
	for _, each := range limits {
		if len(times) >= each.most {
			longest = max(longest, times[len(times)-each.most].Add(each.within).Sub(now))
		}
	}
	return longest
}

// with returns events with one more, without those that no longer count. A full list first loses events of known devices: those of
// strangers are an attacker's.
func with(events []storage.CodeEvent, next storage.CodeEvent) []storage.CodeEvent {
	counted := slices.DeleteFunc(slices.Clone(events), func(event storage.CodeEvent) bool { return next.At.Sub(event.At) >= countedFor })
	if len(counted) >= storage.MaxCodeEvents {
		oldest := max(0, slices.IndexFunc(counted, func(event storage.CodeEvent) bool { return event.Device != "" }))
		counted = slices.Delete(counted, oldest, oldest+1)
	}
	return append(counted, next)
}

// live returns the codes that work, without that of one asker. The oldest goes if there are too many.
func live(codes []storage.OneTimeCode, asker string, now time.Time) []storage.OneTimeCode {
	left := slices.DeleteFunc(slices.Clone(codes), func(code storage.OneTimeCode) bool { return code.Asker == asker || isOver(code, now) })
	return left[max(0, len(left)-storage.MaxLiveCodes+1):]
}

// isOver reports whether the time of a code is over.
func isOver(code storage.OneTimeCode, now time.Time) bool {
	return storage.IsOver(code.SentAt.Add(codeLife), codeLife, now)
}
