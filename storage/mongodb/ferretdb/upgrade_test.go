package ferretdb

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/server/upgradetest"
	"github.com/minifed/minifed/storage/mongodb"
)

// TestUpgrade_OldMongoDBDocumentsGoOnWorking inserts the documents that the engine of commit be09ad4 stored.
func TestUpgrade_OldMongoDBDocumentsGoOnWorking(t *testing.T) {
	t.Parallel()
	name := ferret.Database(t)
	proxy := ferret.Proxy(t)
	// The test's clock stands at the time when the store was written. A TTL index goes by the server's clock, by which most of
	// the store is expired.
	proxy.Decide(rejectTTL)
	uri := proxy.URI(name)
	client := must(mongo.Connect(options.Client().ApplyURI(uri)))(t)
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	for kind, documents := range upgradetest.Documents(t) {
		for _, text := range documents {
			var document bson.D
			check(t, bson.UnmarshalExtJSON(text, true, &document))
			must(client.Database(name).Collection(string(kind)).InsertOne(t.Context(), document))(t)
		}
	}
	now := upgradetest.Now(t)
	engine := opened(t, mongodb.Options{URI: uri, Now: func() time.Time { return now }, Timeout: patience})
	t.Cleanup(func() { check(t, engine.Close()) })
	upgradetest.Run(t, engine)
}
