package oauth2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

// maxTokenAhead is how far ahead of now an access token may have been issued: the longest difference of clocks that instances
// correct.
const maxTokenAhead = 5 * time.Minute

// IssuedAhead reports whether an access token was issued by a clock that is too far ahead. Such a token is not accepted: it would
// be valid longer than its lifetime.
func IssuedAhead(issuedAt, now time.Time) bool { return issuedAt.After(now.Add(maxTokenAhead)) }

// ErrClockApart means that a record is in the future of this instance, and that the clocks of the instance and of the store differ
// too much. Either can be wrong. Setting the record back could end a correct session or grant at the other instances.
var ErrClockApart = fmt.Errorf(
	"%w: the record is in the future of this machine, whose clock and the store's differ by more than five minutes: synchronize both (NTP)",
	storage.ErrUnavailable,
)

// mayBound returns ErrClockApart unless the clock of this instance is trusted.
func mayBound(trusted func() bool) error {
	if trusted != nil && !trusted() {
		return ErrClockApart
	}
	return nil
}

// bound corrects times of a grant that are ahead of now by more than storage.ClockBound. Such times come from a fast clock, or
// from before the clock was set back, and the grant would be valid for too long. One compare-and-set corrects them together with
// the times of due work. If it fails, or if this clock is not trusted, the caller gets an error and no grant.
func (s *Store) bound(ctx context.Context, engine storage.Engine, entry *storage.Entry[storage.Grant]) (*storage.Entry[storage.Grant], error) {
	for range attempts {
		next := copyGrant(&entry.Record)
		if !boundGrant(next, s.now()) {
			return entry, nil
		}
		if err := mayBound(s.ClockTrusted); err != nil {
			return nil, wrapGrant(err)
		}
		bounded, err := entry.Replace(ctx, s.Engine, *next)
		if !errors.Is(err, storage.ErrConflict) {
			return bounded, wrapGrant(err)
		}
		if entry, err = read(ctx, engine, next.Document().ID); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("oauth2: grant: %w: too many writers", storage.ErrUnavailable)
}

func wrapGrant(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("oauth2: grant: %w", err)
}

// boundGrant corrects the times of an active grant and reports whether they changed. Codes and tickets from the future are
// invalid instead.
func boundGrant(g *storage.Grant, now time.Time) bool {
	if g.State != storage.GrantActive || !storage.MadeAhead(lastUse(g), now) {
		return false
	}
	ahead := lastUse(g).Sub(now)
	// 1. The times of due work.
	if g.Refresh != nil {
		g.Refresh.IdleUntil = setBack(g.Refresh.IdleUntil, ahead)
	}
	g.RepeatUntil, g.ExpiresAt = setBack(g.RepeatUntil, ahead), setBack(g.ExpiresAt, ahead)
	// 2. The time of creation.
	g.CreatedAt, g.AuthTime = earlier(g.CreatedAt, now), earlier(g.AuthTime, now)
	if g.Refresh == nil {
		return true
	}
	// 3. The times of rotation. They are unknown, so tokens of earlier generations count as late.
	unanswered := len(g.Refresh.Rotated) > 0 && g.Refresh.Unanswered.Equal(g.Refresh.Rotated[0])
	for i, at := range g.Refresh.Rotated {
		g.Refresh.Rotated[i] = earlier(at, now.Add(-RefreshGrace-time.Second))
	}
	if unanswered {
		g.Refresh.Unanswered = g.Refresh.Rotated[0]
	}
	return true
}

// lastUse is the time when a grant was created or last refreshed.
func lastUse(g *storage.Grant) time.Time {
	if g.Refresh != nil && len(g.Refresh.Rotated) > 0 {
		return later(g.CreatedAt, g.Refresh.Rotated[0])
	}
	return g.CreatedAt
}

// BoundSession is bound for a session that has not ended: times in the future become now. trusted reports whether now may be
// compared with the times of other instances; nil is always.
func BoundSession(
	ctx context.Context, engine storage.Engine, entry *storage.Entry[storage.Session], now time.Time, trusted func() bool,
) (*storage.Entry[storage.Session], error) {
	for range attempts {
		next := entry.Record
		if !boundSession(&next, now) {
			return entry, nil
		}
		if err := mayBound(trusted); err != nil {
			return nil, err
		}
		bounded, err := entry.Replace(ctx, engine, next)
		if !errors.Is(err, storage.ErrConflict) {
			return bounded, err
		}
		if entry, err = storage.Get[storage.Session](ctx, engine, next.Document().ID); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("oauth2: session: %w: too many writers", storage.ErrUnavailable)
}

func boundSession(session *storage.Session, now time.Time) bool {
	latest := later(later(session.CreatedAt, session.AuthTime), session.SeenAt)
	if !session.EndedAt.IsZero() || !storage.MadeAhead(latest, now) {
		return false
	}
	if session.AuthTime.After(now) {
		session.ExpiresAt = setBack(session.ExpiresAt, session.AuthTime.Sub(now))
	}
	session.CreatedAt, session.AuthTime, session.SeenAt = earlier(session.CreatedAt, now), earlier(session.AuthTime, now), earlier(session.SeenAt, now)
	return true
}

// setBack returns a time set back; zero stays.
func setBack(at time.Time, by time.Duration) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(-by)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
