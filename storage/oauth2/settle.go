package oauth2

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// firstLook is how soon after a doubt arises it is looked into; the time doubles up to longestLook until none is left.
	firstLook   = 100 * time.Millisecond
	longestLook = time.Second
	// lastLook bounds the last attempt to settle doubts, when the process ends.
	lastLook = 2 * time.Second
	// settledAtOnce is how many doubts are settled at a time.
	settledAtOnce = 8
	// longOver is how far in the past the expiry of a jti is that was released: more than clocks of instances differ.
	longOver = time.Hour
)

// Settlement is what one call of Settle did.
type Settlement struct {
	// Settled is how many records are in doubt no more.
	Settled int
	// GivenUp is how many were in doubt for too long, or too many. A repeat of their requests may be taken for a reuse.
	GivenUp int
	// Left is how many may still be in the store as a write left them that nobody was answered.
	Left int
}

// Run settles what is in doubt, soon after it came to be and until nothing is, and says so in the log. When ctx ends it tries
// once more, and the store has two seconds to answer. Nothing is asked of the store while nothing is in doubt.
func (s *Store) Run(ctx context.Context, logger *slog.Logger) {
	arisen := s.doubts.rung()
	for {
		select {
		case <-ctx.Done():
			s.settleLast(ctx, logger)
			return
		case <-arisen:
		}
		s.settleAll(ctx, logger)
	}
}

// settleAll calls Settle until nothing is in doubt.
func (s *Store) settleAll(ctx context.Context, logger *slog.Logger) {
	for pause := firstLook; ; pause = min(2*pause, longestLook) {
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		report(ctx, logger, s.Settle(ctx))
		if all, _ := s.doubts.count(); all == 0 {
			return
		}
	}
}

// settleLast calls Settle once more although ctx has ended.
func (s *Store) settleLast(ctx context.Context, logger *slog.Logger) {
	if all, _ := s.doubts.count(); all == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	done := s.Settle(ctx)
	done.GivenUp += done.Left
	report(ctx, logger, done)
}

func report(ctx context.Context, logger *slog.Logger, done Settlement) {
	if done.Settled > 0 {
		logger.InfoContext(ctx, "writes whose outcome was unknown are settled", "settled", done.Settled, "left", done.Left)
	}
	if done.GivenUp > 0 {
		logger.WarnContext(ctx, "writes whose outcome is unknown are given up", "given_up", done.GivenUp)
	}
}

// Settle goes once through the writes of this process whose outcome is unknown, and decides in the store those that it can, so
// that the repeats of their requests, which were answered 503, are served by every instance as by this one:
//   - a code that was redeemed is so no more;
//   - a refresh token that was rotated is marked as one whose successor nobody has;
//   - a jti that was spent is released;
//   - what was not executed, as far as can be read, is rewritten as it is, so that it never will be.
//
// All of it is done by compare-and-set on the revision that was read: whatever anybody else wrote since stays, and so does what
// is written meanwhile. A write of Settle whose own outcome is unknown is decided again by the next call. It may be called beside
// any request and beside itself.
func (s *Store) Settle(ctx context.Context) Settlement {
	turn, givenUp := s.doubts.due(s.now())
	slots := make(chan struct{}, settledAtOnce)
	var deciding sync.WaitGroup
	var mu sync.Mutex
	done := Settlement{GivenUp: givenUp}
	for _, d := range turn {
		slots <- struct{}{}
		deciding.Go(func() {
			defer func() { <-slots }()
			if s.settle(ctx, d) {
				mu.Lock()
				defer mu.Unlock()
				done.Settled++
			}
		})
	}
	deciding.Wait()
	_, done.Left = s.doubts.count()
	return done
}

// settle decides about one record, and reports whether that is done. One that is not there may yet be inserted by a command that
// is late: it is looked for again, less and less often.
func (s *Store) settle(ctx context.Context, d doubt) bool {
	decide := s.settleGrant
	if d.kind == storage.KindAssertion {
		decide = s.releaseAssertion
	}
	err := decide(ctx, d)
	switch {
	case err == nil, errors.Is(err, storage.ErrNewerVersion): // which somebody else wrote
		s.doubts.forget(d.id, d.attempts)
		return true
	case errors.Is(err, storage.ErrNotFound):
		s.doubts.rest(d.id)
	}
	return false
}

// settleGrant settles what may have become of a code or a refresh token.
func (s *Store) settleGrant(ctx context.Context, d doubt) error {
	entry, err := storage.Get[storage.Grant](ctx, s.exact(), d.id)
	if err != nil {
		return err
	}
	next := settled(d, entry)
	if next == nil {
		return nil
	}
	if next.Attempt, err = s.newAttempt(); err != nil {
		return err
	}
	_, err = entry.Replace(ctx, s.Engine, *next)
	return err
}

// settled returns what a grant in doubt should be, or nil when none of the attempts is what is stored or could still be executed.
func settled(d doubt, entry *storage.Entry[storage.Grant]) *storage.Grant {
	next := copyGrant(&entry.Record)
	tried := find(d.attempts, next.Attempt)
	switch {
	case tried != nil && tried.before != nil:
		return copyGrant(tried.before)
	case tried != nil: // Another instance may have given away the new refresh token by now, in answer to a late copy of the old one.
		next.Refresh.Unanswered = next.Refresh.Rotated[0]
		return next
	}
	for _, tried := range d.attempts {
		if tried.base == entry.Revision() {
			return next
		}
	}
	return nil
}

// releaseAssertion lets a jti be spent that was spent for nobody. It expires rather than being deleted, because that can be made
// to depend on the revision: a command that is executed late must not delete what somebody else inserted.
func (s *Store) releaseAssertion(ctx context.Context, d doubt) error {
	entry, err := storage.Get[storage.Assertion](ctx, s.exact(), d.id)
	if err != nil || find(d.attempts, entry.Record.Attempt) == nil {
		return err
	}
	released := entry.Record
	released.ExpiresAt = s.now().Add(-longOver)
	_, err = entry.Replace(ctx, s.Engine, released)
	return err
}
