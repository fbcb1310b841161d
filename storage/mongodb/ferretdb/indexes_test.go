package ferretdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// indexes returns the indexes of a collection, by name.
func indexes(t *testing.T, proxy *Proxy, database string, kind storage.Kind) map[string]mongo.IndexSpecification {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(proxy.URI(database)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	specifications, err := client.Database(database).Collection(string(kind)).Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]mongo.IndexSpecification{}
	for _, specification := range specifications {
		byName[specification.Name] = specification
	}
	return byName
}

func TestIndexes_ConcurrentStartCreatesOnce(t *testing.T) {
	t.Parallel()
	database := ferret.Database(t)
	var started sync.WaitGroup
	var failures atomic.Int64
	for range 4 {
		proxy := ferret.Proxy(t)
		started.Go(func() {
			engine, err := mongodb.Open(t.Context(), mongodb.Options{URI: proxy.URI(database, patient), Timeout: patience})
			if err != nil {
				failures.Add(1)
				t.Errorf("open: %v", err)
				return
			}
			_ = engine.Close()
		})
	}
	started.Wait()
	want := []string{"_id_", "due_at_1__id_1", "expires_at_1", "owner_1_created_at_1__id_1"}
	made := indexes(t, ferret.Proxy(t), database, storage.KindSigningKeys)
	if got := slices.Sorted(maps.Keys(made)); !slices.Equal(got, want) {
		t.Errorf("indexes %v, want %v", got, want)
	}
	// MongoDB removes what is expired by itself; FerretDB knows no such index.
	if after := made["expires_at_1"].ExpireAfterSeconds; ferret.IsMongoDB() != (after != nil && *after == 0) {
		t.Errorf("documents are removed %v seconds after they expire", after)
	}
}

func TestSweep_DeletesWhatTheServerDoesNot(t *testing.T) {
	t.Parallel()
	if ferret.IsMongoDB() {
		t.Skip("MongoDB does")
	}
	// The server's clock goes too, so the engine's starts an hour ago.
	var ahead atomic.Int64
	start := time.Now().Add(-time.Hour)
	now := func() time.Time { return start.Add(time.Duration(ahead.Load())) }
	proxy := ferret.Proxy(t)
	database := ferret.Database(t)
	engine := engineAt(t, proxy, database, func(o *mongodb.Options) { o.Now = now })
	const leftovers = 205 // more than one command takes
	for i := range leftovers {
		doc := grantDocument(fmt.Sprint(i))
		doc.ExpiresAt = now().Add(time.Minute)
		mustInsert(t, engine, doc)
	}
	kept := grantDocument("kept")
	kept.ExpiresAt = now().Add(time.Hour)
	kept = mustInsert(t, engine, kept)
	mustInsert(t, engine, grantDocument("for ever"))

	if n, err := engine.Sweep(t.Context()); err != nil || n != 0 {
		t.Errorf("swept %d before anything expired: %v", n, err)
	}
	ahead.Store(int64(2 * time.Minute))
	if n, err := engine.Sweep(t.Context()); err != nil || n != leftovers {
		t.Errorf("swept %d, want %d: %v", n, leftovers, err)
	}
	wantRevision(t, engine, kept)
	ahead.Store(0)
	if _, err := engine.Get(t.Context(), storage.KindGrant, "0"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a leftover is still there: %v", err)
	}
	if _, err := engine.Get(t.Context(), storage.KindGrant, "for ever"); err != nil {
		t.Error(err)
	}
}

func TestConnect_UnreachableIsUnavailableWithARemedy(t *testing.T) {
	t.Parallel()
	proxy := ferret.Proxy(t)
	proxy.Down()
	_, err := mongodb.Open(t.Context(), mongodb.Options{URI: proxy.URI("s3cr3t"), Timeout: 500 * time.Millisecond})
	wantUnavailable(t, err, "no primary can be reached", "s3cr3t")
}

func TestConnect_LostServerIsUnavailableUntilItReturns(t *testing.T) {
	t.Parallel()
	proxy := ferret.Proxy(t)
	engine := engineAt(t, proxy, ferret.Database(t), func(o *mongodb.Options) { o.Timeout = 10 * time.Second })
	doc := mustInsert(t, engine, grantDocument("s3cr3t"))
	proxy.Down()
	var waiting sync.WaitGroup
	for operation, do := range map[string]func() error{
		"read":    func() error { _, err := engine.Get(t.Context(), doc.Kind, doc.ID); return err },
		"insert":  func() error { _, err := engine.Insert(t.Context(), grantDocument("s3cr3t2")); return err },
		"replace": func() error { _, err := engine.Replace(t.Context(), doc); return err },
		"list":    func() error { _, err := engine.List(t.Context(), storage.Query{Kind: doc.Kind}); return err },
		"delete":  func() error { return engine.Delete(t.Context(), doc.Kind, doc.ID) },
		"ping":    func() error { return engine.Ping(t.Context()) },
	} {
		waiting.Go(func() { wantUnavailable(t, do(), operation, doc.ID) })
	}
	waiting.Wait()
	proxy.Up()
	wantRevision(t, engine, doc)
}

// rejectTTL replies that another index conflicts with every TTL index.
func rejectTTL(command Command) Fault {
	indexes, _ := command.Body.Lookup("indexes").ArrayOK()
	if command.Name == "createIndexes" && strings.Contains(indexes.String(), "expireAfterSeconds") {
		return IndexInTheWay
	}
	return Pass
}

// The operator's own index of the same key is left alone, and its removal described.
func TestTTLIndex_NamesTheIndexThatIsInTheWay(t *testing.T) {
	t.Parallel()
	proxy := ferret.Proxy(t)
	proxy.Decide(rejectTTL)
	var log buffer
	database := ferret.Database(t)
	client := must(mongo.Connect(options.Client().ApplyURI(proxy.URI(database))))(t)
	defer client.Disconnect(t.Context())
	grants := client.Database(database).Collection(string(storage.KindGrant))
	own := mongo.IndexModel{Keys: bson.D{{Key: "expires_at", Value: 1}}, Options: options.Index().SetName("the_operators_own")}
	must(grants.Indexes().CreateOne(t.Context(), own))(t)
	engine := engineAt(t, proxy, database, func(o *mongodb.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	engine.Run(ended)
	command := `db.getCollection("grants").dropIndex("the_operators_own")`
	if said := strings.ReplaceAll(log.String(), `\`, ""); !strings.Contains(said, "in the way") || !strings.Contains(said, command) {
		t.Errorf("the log says %q", said)
	}
	expired := grantDocument("expired")
	expired.ExpiresAt = time.Now().Add(-time.Minute)
	mustInsert(t, engine, expired)
	if n, err := engine.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}
