package mongodb

import (
	"context"
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

// createIndexes creates one index a command. What exists already is left alone, so that instances may start together.
func (e *Engine) createIndexes(ctx context.Context) error {
	for kind, indexes := range storage.Kinds() {
		for _, keys := range indexKeys(indexes) {
			if err := e.createIndex(ctx, kind, mongo.IndexModel{Keys: keys}); err != nil {
				return unavailable("create index", err)
			}
		}
		if err := e.createTTL(ctx, kind); err != nil {
			return unavailable("create index", err)
		}
	}
	return nil
}

func (e *Engine) createIndex(ctx context.Context, kind storage.Kind, model mongo.IndexModel) error {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	_, err := e.collections[kind].Indexes().CreateOne(ctx, model)
	return err
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
	err := e.createIndex(ctx, kind, mongo.IndexModel{Keys: keys, Options: options.Index().SetExpireAfterSeconds(0)})
	if !withoutTTL(err) {
		return err // or nil
	}
	if err := e.createIndex(ctx, kind, mongo.IndexModel{Keys: keys}); err != nil {
		return err
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

// Sweep removes what is expired of each kind without a TTL index, up to 200 documents a command, and returns how many it removed.
func (e *Engine) Sweep(ctx context.Context) (int, error) {
	removed := 0
	for _, kind := range e.sweeps {
		for {
			n, err := e.sweep(ctx, kind)
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

func (e *Engine) sweep(ctx context.Context, kind storage.Kind) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	c := e.collections[kind]
	expired := bson.E{Key: "expires_at", Value: bson.D{{Key: "$lte", Value: e.options.Now()}}}
	find := options.Find().SetLimit(sweepBatch).SetProjection(bson.D{{Key: "_id", Value: 1}})
	cursor, err := c.Find(ctx, bson.D{expired}, find)
	if err != nil {
		return 0, unavailable("sweep", err)
	}
	var leftovers []record
	if err := cursor.All(ctx, &leftovers); err != nil {
		return 0, unavailable("sweep", err)
	}
	if len(leftovers) == 0 {
		return 0, nil
	}
	ids := make(bson.A, len(leftovers))
	for i, leftover := range leftovers {
		ids[i] = leftover.ID
	}
	// The second condition keeps a document that took the leftover's place meanwhile.
	result, err := c.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, expired})
	if err != nil {
		return 0, unavailable("sweep", err)
	}
	return int(result.DeletedCount), nil
}
