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
	// firstSettleDelay is the time between an unknown outcome and the first attempt to settle it; it doubles up to maxSettleDelay.
	firstSettleDelay = 100 * time.Millisecond
	maxSettleDelay   = time.Second
	// lastSettleTimeout limits the last attempt to settle unknown outcomes, when the process ends.
	lastSettleTimeout = 2 * time.Second
	// maxConcurrentSettles is the number of records that are settled concurrently.
	maxConcurrentSettles = 8
	// releasedAge is how long ago a released jti has expired: more than the clocks of instances differ.
	releasedAge = time.Hour
)

// Settlement is the result of one call of Settle.
type Settlement struct {
	// Settled is the number of records whose outcome is now known.
	Settled int
	// GivenUp is the number of records dropped as too old or too many. A repeat of their requests may count as a reuse.
	GivenUp int
	// Left is the number of records that may still be in the store as a write without response left them.
	Left int
}

// Run settles unknown outcomes soon after they occur, until there are none, and logs that. When ctx ends it tries once more, for
// at most two seconds. It does not use the store while there are none.
func (s *Store) Run(ctx context.Context, logger *slog.Logger) {
	arisen := s.unknownOutcomes.additions()
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

// settleAll calls Settle until there are no unknown outcomes.
func (s *Store) settleAll(ctx context.Context, logger *slog.Logger) {
	for pause := firstSettleDelay; ; pause = min(2*pause, maxSettleDelay) {
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		report(ctx, logger, s.Settle(ctx))
		if all, _ := s.unknownOutcomes.count(); all == 0 {
			return
		}
	}
}

// settleLast calls Settle once more although ctx has ended.
func (s *Store) settleLast(ctx context.Context, logger *slog.Logger) {
	if all, _ := s.unknownOutcomes.count(); all == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSettleTimeout)
	defer cancel()
	done := s.Settle(ctx)
	done.GivenUp += done.Left
	report(ctx, logger, done)
}

func report(ctx context.Context, logger *slog.Logger, done Settlement) {
	if done.Settled > 0 {
		logger.InfoContext(ctx, "writes with an unknown outcome are settled", "settled", done.Settled, "left", done.Left)
	}
	if done.GivenUp > 0 {
		logger.WarnContext(ctx, "writes with an unknown outcome are abandoned", "given_up", done.GivenUp)
	}
}

// Settle processes once the writes of this process with an unknown outcome, and decides them in the store where possible. Then
// every instance can serve the repeats of their requests, which had the response 503:
//   - a redeemed code can be redeemed again;
//   - a rotated refresh token is marked: no client has its successor;
//   - a spent jti is released;
//   - a write that seems not executed is prevented: the record is rewritten unchanged, with a new revision.
//
// Every change is a compare-and-set on the revision that was read, so concurrent writes are never lost. If the outcome of a write
// of Settle is itself unknown, the next call decides again. It may run concurrently with any request and with itself.
func (s *Store) Settle(ctx context.Context) Settlement {
	turn, givenUp := s.unknownOutcomes.due(s.now())
	slots := make(chan struct{}, maxConcurrentSettles)
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
	_, done.Left = s.unknownOutcomes.count()
	return done
}

// settle decides one record, and reports whether that is done. A missing record may still be inserted by a delayed command: it is
// looked up again, less and less often.
func (s *Store) settle(ctx context.Context, d unknownOutcome) bool {
	decide := s.settleGrant
	if d.kind == storage.KindAssertion {
		decide = s.releaseAssertion
	}
	err := decide(ctx, d)
	switch {
	case err == nil, errors.Is(err, storage.ErrNewerVersion): // which another instance wrote
		s.unknownOutcomes.forget(d.id, d.attempts)
		return true
	case errors.Is(err, storage.ErrNotFound):
		s.unknownOutcomes.postpone(d.id)
	}
	return false
}

// settleGrant settles the unknown outcome of a write of a code or a refresh token.
func (s *Store) settleGrant(ctx context.Context, d unknownOutcome) error {
	entry, err := storage.Get[storage.Grant](ctx, s.consistentEngine(), d.id)
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

// settled returns the new state of a grant, or nil when no attempt is stored or can still be executed.
func settled(d unknownOutcome, entry *storage.Entry[storage.Grant]) *storage.Grant {
	next := copyGrant(&entry.Record)
	tried := find(d.attempts, next.Attempt)
	switch {
	case tried != nil && tried.before != nil:
		return copyGrant(tried.before)
	case tried != nil: // Another instance may already have returned the new refresh token, in response to a late copy of the old one.
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

// releaseAssertion allows a jti to be spent again if its spending had no response. It sets an expiry instead of deleting, because
// that can depend on the revision: a delayed command must not delete a concurrent insert.
func (s *Store) releaseAssertion(ctx context.Context, d unknownOutcome) error {
	entry, err := storage.Get[storage.Assertion](ctx, s.consistentEngine(), d.id)
	if err != nil || find(d.attempts, entry.Record.Attempt) == nil {
		return err
	}
	released := entry.Record
	released.ExpiresAt = s.now().Add(-releasedAge)
	_, err = entry.Replace(ctx, s.Engine, released)
	return err
}
