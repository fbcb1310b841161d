package ferretdb

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// indexes returns the names of the indexes of a collection.
func indexes(t *testing.T, proxy *Proxy, database string, kind storage.Kind) []string {
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
	var names []string
	for _, specification := range specifications {
		names = append(names, specification.Name)
	}
	return names
}

func TestInstancesThatStartTogetherMakeTheIndexesOnce(t *testing.T) {
	t.Parallel()
	database := ferret.Database()
	var started sync.WaitGroup
	var failures atomic.Int64
	for range 4 {
		proxy := ferret.Proxy(t)
		started.Go(func() {
			engine, err := mongodb.Open(t.Context(), mongodb.Options{URI: proxy.URI(database)})
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
	if got := indexes(t, ferret.Proxy(t), database, storage.KindSigningKeys); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("indexes %v, want %v", got, want)
	}
}

func TestWhatIsExpiredIsSweptWhereTheServerDoesNot(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	proxy := ferret.Proxy(t)
	database := ferret.Database()
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

func TestAServerThatCannotBeReachedIsUnavailableAndSaysWhatToLookAt(t *testing.T) {
	t.Parallel()
	proxy := ferret.Proxy(t)
	proxy.Down()
	_, err := mongodb.Open(t.Context(), mongodb.Options{URI: proxy.URI("s3cr3t"), Timeout: 500 * time.Millisecond})
	wantUnavailable(t, err, "no primary can be reached", "s3cr3t")
}

func TestAServerThatGoesAwayIsUnavailableUntilItIsBack(t *testing.T) {
	t.Parallel()
	proxy := ferret.Proxy(t)
	engine := engineAt(t, proxy, ferret.Database(), func(o *mongodb.Options) { o.Timeout = time.Second })
	doc := mustInsert(t, engine, grantDocument("s3cr3t"))
	proxy.Down()
	_, err := engine.Get(t.Context(), doc.Kind, doc.ID)
	wantUnavailable(t, err, "read", doc.ID)
	_, err = engine.Insert(t.Context(), grantDocument("s3cr3t2"))
	wantUnavailable(t, err, "insert", doc.ID)
	_, err = engine.Replace(t.Context(), doc)
	wantUnavailable(t, err, "replace", doc.ID)
	_, err = engine.List(t.Context(), storage.Query{Kind: doc.Kind})
	wantUnavailable(t, err, "list", doc.ID)
	wantUnavailable(t, engine.Delete(t.Context(), doc.Kind, doc.ID), "delete", doc.ID)
	wantUnavailable(t, engine.Ping(t.Context()), "ping", doc.ID)
	_, err = engine.Sweep(t.Context())
	wantUnavailable(t, err, "sweep", doc.ID)
	proxy.Up()
	wantRevision(t, engine, doc)
}
