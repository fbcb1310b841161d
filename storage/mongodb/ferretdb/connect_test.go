package ferretdb

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// What MINIFED_TEST_MONGODB_URI does, with a replica set that is one by its looks.
func TestConnect_UsesTheDatabaseOfTheURI(t *testing.T) {
	t.Parallel()
	uri := ferret.ReplicaSet(t).URI("admin")
	server := must(Connect(t.Context(), uri))(t)
	if !strings.Contains(uri, server.address) || !server.IsMongoDB() {
		t.Errorf("%s leads to %s", uri, server.address)
	}
	database := ""
	t.Run("a test", func(t *testing.T) {
		database = server.Database(t)
		for world, proxied := range worlds() {
			engine := engineAt(t, proxied(server, t), database)
			doc := mustInsert(t, engine, grantDocument(world))
			wantRevision(t, engine, doc)
		}
	})
	client := must(mongo.Connect(options.Client().ApplyURI(uri)))(t)
	defer client.Disconnect(t.Context())
	if names := must(client.ListDatabaseNames(t.Context(), bson.D{{Key: "name", Value: database}}))(t); len(names) != 0 {
		t.Errorf("%q is still there", names)
	}
}

func TestConnect_HarnessRejectsOtherURIs(t *testing.T) {
	t.Parallel()
	for name, uri := range map[string]string{
		"a server that stands alone": ferret.Proxy(t).URI("admin"), "another scheme": "mongodb+srv://db.invalid", "no URI": "::",
	} {
		if _, err := Connect(t.Context(), uri); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
