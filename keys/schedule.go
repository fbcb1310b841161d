package keys

import (
	"maps"
	"time"

	"github.com/minifed/minifed/storage"
)

// due is when the next step of a record is due: at its time, or at once when no key can sign or when a clock that was ahead wrote
// times that the schedule cannot have planned.
func (s Schedule) due(record storage.SigningKeys, now time.Time) time.Time {
	record.Keys = maps.Clone(record.Keys)
	if signer(record, now) == "" || s.bound(&record, now) {
		return now
	}
	return s.dueAt(record)
}

// bound limits every time of a record to the schedule's interval from now, and reports whether that changed anything. Otherwise
// keys created by a clock that was ahead would neither sign nor rotate until that time is reached.
func (s Schedule) bound(record *storage.SigningKeys, now time.Time) (changed bool) {
	signs := signer(*record, now)
	for kid, key := range record.Keys {
		if s.boundKey(&key, now, kid == signs) {
			record.Keys[kid] = key
			changed = true
		}
	}
	return changed
}

// boundKey is bound for one key. signs says that it is the key that signs now.
func (s Schedule) boundKey(key *storage.SigningKey, now time.Time, signs bool) (changed bool) {
	signAt, retireAt := now.Add(s.Margin), now.Add(s.Margin)
	if signs || key.Private == "" {
		signAt = now
	}
	removeAt := retireAt.Add(s.tokensEnd())
	for at, limit := range map[*time.Time]time.Time{
		&key.PublishAt: now, &key.SignAt: signAt, &key.RetireAt: retireAt, &key.RemoveAt: removeAt, &key.ForgetAt: removeAt.Add(s.HintLife),
	} {
		if at.After(limit.Add(skew)) { // Clocks may differ by that much.
			*at, changed = limit, true
		}
	}
	return changed
}
