package mongodb

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/minifed/minifed/storage"
)

const (
	sweepEvery = time.Minute
	sweepBatch = 200
	// overdueAfter is how long after its expiry a document may still be there: MongoDB looks every minute.
	overdueAfter = 10 * time.Minute
)

// sweptKinds are the kinds whose expired documents the engine removes, because the server does not. The zero value is none.
type sweptKinds struct {
	mu      sync.Mutex
	reasons map[storage.Kind]string // guarded by mu
}

func (s *sweptKinds) add(kind storage.Kind, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reasons == nil {
		s.reasons = map[storage.Kind]string{}
	}
	s.reasons[kind] = reason
}

// all returns the kinds with the reason of each.
func (s *sweptKinds) all() map[storage.Kind]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.reasons)
}

// Run removes expired documents that the server leaves, until ctx ends: of kinds without a TTL index, and of those whose TTL
// index does not act.
func (e *Engine) Run(ctx context.Context) {
	count := map[string]int{}
	for _, reason := range e.swept.all() {
		count[reason]++
	}
	for reason, kinds := range count {
		e.options.Logger.WarnContext(ctx, "expired documents are swept by this process", "kinds", kinds, "cause", reason)
	}
	for wait(ctx, sweepEvery/2+rand.N(sweepEvery)) {
		if _, err := e.Sweep(ctx); err != nil && ctx.Err() == nil {
			e.options.Logger.WarnContext(ctx, "sweep failed, the next one tries again", "error", err)
		}
	}
}

// Sweep removes what is expired of each kind that the server does not remove by itself, up to 200 documents a command, and
// returns how many it removed.
func (e *Engine) Sweep(ctx context.Context) (int, error) {
	until, err := e.expiredUntil(ctx)
	if err != nil {
		return 0, err
	}
	if err := e.noticeOverdue(ctx, until); err != nil {
		return 0, err
	}
	removed := 0
	for kind := range e.swept.all() {
		for {
			n, err := e.sweep(ctx, kind, until)
			removed += n
			if err != nil {
				return removed, err
			}
			if n < sweepBatch {
				break
			}
		}
	}
	return removed, nil
}

// Overdue returns the kinds of which the server holds documents that expired more than ten minutes ago.
func (e *Engine) Overdue(ctx context.Context) ([]storage.Kind, error) {
	until, err := e.expiredUntil(ctx)
	if err != nil {
		return nil, err
	}
	var kinds []storage.Kind
	for _, kind := range slices.Sorted(maps.Keys(e.collections)) {
		leftovers, err := e.leftovers(ctx, kind, until.Add(-overdueAfter), 1)
		if err != nil {
			return nil, err
		}
		if len(leftovers) > 0 {
			kinds = append(kinds, kind)
		}
	}
	return kinds, nil
}

// noticeOverdue adds the kinds whose TTL index does not act, or not fast enough, to those that are swept.
func (e *Engine) noticeOverdue(ctx context.Context, until time.Time) error {
	swept := e.swept.all()
	for kind := range e.collections {
		if _, known := swept[kind]; known {
			continue
		}
		leftovers, err := e.leftovers(ctx, kind, until.Add(-overdueAfter), 1)
		if err != nil {
			return err
		}
		if len(leftovers) == 0 {
			continue
		}
		e.swept.add(kind, "the TTL index does not act")
		e.options.Logger.WarnContext(ctx, "the server accepted a TTL index and leaves documents that expired more than ten minutes ago: they are swept by this process; "+
			"see that ttlMonitorEnabled is on", "kind", kind)
	}
	return nil
}

// expiredUntil is the earlier time of the engine's clock and the server's. A clock that is ahead must not remove what others
// take for live.
func (e *Engine) expiredUntil(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	var hello struct {
		LocalTime time.Time `bson:"localTime"`
	}
	if err := e.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return time.Time{}, e.unavailable("ask for the time", err)
	}
	now := e.options.Now()
	if !hello.LocalTime.IsZero() && hello.LocalTime.Before(now) {
		return hello.LocalTime, nil
	}
	return now, nil
}

// leftovers returns the IDs of up to limit documents that expired by a time.
func (e *Engine) leftovers(ctx context.Context, kind storage.Kind, until time.Time, limit int) (bson.A, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	cursor, err := e.collections[kind].Find(ctx, bson.D{expired(until)}, findAll(limit).SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, e.unavailable("sweep", err)
	}
	var found []record
	if err := cursor.All(ctx, &found); err != nil {
		return nil, e.unavailable("sweep", err)
	}
	ids := make(bson.A, len(found))
	for i, leftover := range found {
		ids[i] = leftover.ID
	}
	return ids, nil
}

func (e *Engine) sweep(ctx context.Context, kind storage.Kind, until time.Time) (int, error) {
	ids, err := e.leftovers(ctx, kind, until, sweepBatch)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	// The second condition excludes a document that replaced the leftover meanwhile.
	result, err := e.collections[kind].DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, expired(until)})
	if err != nil {
		return 0, e.unavailable("sweep", err)
	}
	return int(result.DeletedCount), nil
}

// expired is the condition of documents that expired by a time.
func expired(until time.Time) bson.E {
	return bson.E{Key: "expires_at", Value: bson.D{{Key: "$lte", Value: until}}}
}
