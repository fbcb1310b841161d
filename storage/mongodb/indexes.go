package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/storage"
)

// createIndexes creates one index a command. What exists already is left alone, so that instances may start together.
func (e *Engine) createIndexes(ctx context.Context) error {
	for kind, indexes := range storage.Kinds() {
		for _, keys := range indexKeys(indexes) {
			if err := e.createIndex(ctx, kind, mongo.IndexModel{Keys: keys}); err != nil {
				return e.unavailable("create index", err)
			}
		}
		if err := e.createTTL(ctx, kind); err != nil {
			return e.unavailable("create index", err)
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

// expiryIndex is the name of the index by which documents expire: the server's own choice for its key.
const expiryIndex = "expires_at_1"

// createTTL creates the index by which the server removes what is expired. Where it cannot, Sweep does.
func (e *Engine) createTTL(ctx context.Context, kind storage.Kind) error {
	err := e.createExpiryIndex(ctx, kind, true)
	if inTheWay(err) { // FerretDB 1 has no TTL indexes, and left an ordinary one.
		if err := e.dropIndex(ctx, kind, expiryIndex); err != nil {
			e.swept.add(kind, "the index "+expiryIndex+" is in the way of the TTL index and cannot be dropped: drop it in mongosh and restart: "+e.dropCommand(kind, expiryIndex))
			return nil
		}
		err = e.createExpiryIndex(ctx, kind, true)
	}
	switch {
	case inTheWay(err):
		name, err := e.nameInTheWay(ctx, kind)
		e.swept.add(kind, "another index of expires_at is in the way of the TTL index: drop it in mongosh and restart: "+e.dropCommand(kind, name))
		return err
	case withoutTTL(err):
		e.swept.add(kind, "this server has no TTL indexes")
		return e.createExpiryIndex(ctx, kind, false)
	default:
		return err // or nil
	}
}

// nameInTheWay is the name of the collection's own index of expires_at.
func (e *Engine) nameInTheWay(ctx context.Context, kind storage.Kind) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	indexes, err := e.collections[kind].Indexes().ListSpecifications(ctx)
	if err != nil {
		return "", err
	}
	for _, index := range indexes {
		if key, err := index.KeysDocument.IndexErr(0); err == nil && key.Key() == "expires_at" {
			return index.Name, nil
		}
	}
	return expiryIndex, nil // It was dropped meanwhile.
}

// dropCommand is the command of mongosh that drops an index.
func (e *Engine) dropCommand(kind storage.Kind, index string) string {
	return fmt.Sprintf("db.getCollection(%q).dropIndex(%q)", e.collections[kind].Name(), index)
}

func (e *Engine) createExpiryIndex(ctx context.Context, kind storage.Kind, ttl bool) error {
	model := mongo.IndexModel{Keys: bson.D{{Key: "expires_at", Value: 1}}}
	if ttl {
		model.Options = options.Index().SetExpireAfterSeconds(0)
	}
	return e.createIndex(ctx, kind, model)
}

// dropIndex drops an index, or finds that another instance did.
func (e *Engine) dropIndex(ctx context.Context, kind storage.Kind, name string) error {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	err := e.collections[kind].Indexes().DropOne(ctx, name)
	if code, _ := codeOf(err); code == codeIndexNotFound {
		return nil
	}
	return err
}
