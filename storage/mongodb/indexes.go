package mongodb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/storage"
)

const (
	sweepEvery = time.Minute
	sweepBatch = 200
)

// createIndexes creates one index a command: what exists already is left alone.
func (e *Engine) createIndexes(ctx context.Context) error {
	for kind, indexes := range storage.Kinds() {
		for _, keys := range indexKeys(indexes) {
			model := mongo.IndexModel{Keys: keys}
			if _, err := e.collections[kind].Indexes().CreateOne(ctx, model); err != nil {
				return unavailable("create index", err)
			}
		}
		if err := e.createTTL(ctx, kind); err != nil {
			return err
		}
	}
	return nil
}

func indexKeys(indexes storage.Indexes) []bson.D {
	var keys []bson.D
	if indexes.Created {
		keys = append(keys, bson.D{{Key: "owner", Value: 1}, {Key: "created_at", Value: 1}, {Key: "_id", Value: 1}})
	}
	if indexes.Name {
		keys = append(keys, bson.D{{Key: "owner", Value: 1}, {Key: "name", Value: 1}, {Key: "_id", Value: 1}})
	}
	if indexes.Due {
		keys = append(keys, bson.D{{Key: "due_at", Value: 1}, {Key: "_id", Value: 1}})
	}
	return keys
}

// createTTL lets the server remove what is expired. Where it will not, an ordinary index and Sweep do the same.
func (e *Engine) createTTL(ctx context.Context, kind storage.Kind) error {
	keys := bson.D{{Key: "expires_at", Value: 1}}
	model := mongo.IndexModel{Keys: keys, Options: options.Index().SetExpireAfterSeconds(0)}
	_, err := e.collections[kind].Indexes().CreateOne(ctx, model)
	if err == nil {
		return nil
	}
	if mongo.IsNetworkError(err) || mongo.IsTimeout(err) {
		return unavailable("create index", err)
	}
	if _, err := e.collections[kind].Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys}); err != nil {
		return unavailable("create index", err)
	}
	e.sweeps = append(e.sweeps, kind)
	return nil
}

// Run removes expired documents until ctx ends, where the server has no TTL indexes; it returns at once where it has.
func (e *Engine) Run(ctx context.Context) {
	if len(e.sweeps) == 0 {
		return
	}
	e.options.Logger.InfoContext(ctx, "this server has no TTL indexes: expired documents are swept instead", "kinds", len(e.sweeps))
	for wait(ctx, sweepEvery/2+rand.N(sweepEvery)) {
		if _, err := e.Sweep(ctx); err != nil && ctx.Err() == nil {
			e.options.Logger.WarnContext(ctx, "sweep failed, the next one tries again", "error", err)
		}
	}
}

// Sweep removes up to 200 expired documents of each kind without a TTL index, and returns how many.
func (e *Engine) Sweep(ctx context.Context) (int, error) {
	removed := 0
	for _, kind := range e.sweeps {
		n, err := e.sweep(ctx, kind)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (e *Engine) sweep(ctx context.Context, kind storage.Kind) (int, error) {
	expired := bson.D{{Key: "expires_at", Value: bson.D{{Key: "$lte", Value: e.options.Now()}}}}
	find := options.Find().SetLimit(sweepBatch).SetProjection(bson.D{{Key: "_id", Value: 1}, {Key: "rev", Value: 1}})
	cursor, err := e.collections[kind].Find(ctx, expired, find)
	if err != nil {
		return 0, unavailable("sweep", err)
	}
	var leftovers []bson.D
	if err := cursor.All(ctx, &leftovers); err != nil {
		return 0, unavailable("sweep", err)
	}
	removed := 0
	for _, leftover := range leftovers {
		// The revision keeps a document that took the leftover's place meanwhile.
		result, err := e.collections[kind].DeleteOne(ctx, leftover)
		if err != nil {
			return removed, fmt.Errorf("mongodb: %w", unavailable("sweep", err))
		}
		removed += int(result.DeletedCount)
	}
	return removed, nil
}
