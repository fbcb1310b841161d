package secantusdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// eventually polls until the condition holds; it depends on another process.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute); ; {
		if yes() {
			cancel()
			return
		}
		select {
		case <-ctx.Done():
			cancel()
			t.Fatal("it never came: " + what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stored counts the documents of a kind, expired ones included.
func stored(t *testing.T, client *mongo.Client, database string, kind storage.Kind) int64 {
	t.Helper()
	n, err := client.Database(database).Collection(string(kind)).CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// expire has the server delete the documents that its TTL indexes find expired. It does so by itself every 60 seconds.
func expire(t *testing.T, client *mongo.Client) {
	t.Helper()
	command(t, client, "admin", bson.D{{Key: "secantusAdmin.pruneTtl", Value: 1}})
}

func TestTTLIndex_RemovesExpiredDocuments(t *testing.T) {
	t.Parallel()
	name := database()
	uri := shared.URI("", name)
	engine, client := open(t, uri), connect(t, uri)
	kept := insert(t, engine, grant("kept"))
	expired := grant("expired")
	expired.ExpiresAt = time.Now().Add(-time.Minute)
	insert(t, engine, expired)
	expire(t, client)
	if n := stored(t, client, name, kept.Kind); n != 1 {
		t.Errorf("the server leaves %d documents, want 1", n)
	}
	if _, err := engine.Get(t.Context(), kept.Kind, kept.ID); err != nil {
		t.Error(err)
	}
	if n, err := engine.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d, %v: the server does it", n, err)
	}
}

// FerretDB 1 knows no TTL indexes. A store that was moved from it to another server has ordinary ones.
func TestTTLIndex_ReplacesTheOrdinaryOneOfAnotherServer(t *testing.T) {
	t.Parallel()
	name := database()
	uri := shared.URI("", name)
	client := connect(t, uri)
	indexes := client.Database(name).Collection(string(storage.KindGrant)).Indexes()
	if _, err := indexes.CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "expires_at", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	var started sync.WaitGroup
	for range 4 {
		started.Go(func() {
			engine, err := mongodb.Open(t.Context(), mongodb.Options{URI: uri})
			if err != nil {
				t.Error(err)
				return
			}
			_ = engine.Close()
		})
	}
	started.Wait()
	specifications, err := indexes.ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range specifications {
		if index.Name == "expires_at_1" && index.ExpireAfterSeconds != nil && *index.ExpireAfterSeconds == 0 {
			return
		}
	}
	t.Errorf("no TTL index among %+v", specifications)
}

func TestTTLIndex_ThatDoesNotActIsNoticedAndSwept(t *testing.T) {
	t.Parallel()
	server, name := start(t, Options{}), database()
	var log bytes.Buffer
	engine := open(t, server.URI("", name), func(o *mongodb.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for id, age := range map[string]time.Duration{"old": 11 * time.Minute, "new": time.Minute} {
		doc := grant(id)
		doc.ExpiresAt = time.Now().Add(-age)
		insert(t, engine, doc)
	}
	if kinds, err := engine.Overdue(t.Context()); err != nil || len(kinds) != 1 || kinds[0] != storage.KindGrant {
		t.Errorf("overdue: %v, %v", kinds, err)
	}
	if n, err := engine.Sweep(t.Context()); n != 2 || err != nil {
		t.Errorf("swept %d, want both: %v", n, err)
	}
	if said := log.String(); !strings.Contains(said, "TTL index") || !strings.Contains(said, "kind=grant") {
		t.Errorf("the log says %q", said)
	}
	if kinds, err := engine.Overdue(t.Context()); err != nil || len(kinds) != 0 {
		t.Errorf("overdue after the sweep: %v, %v", kinds, err)
	}
}

// A process whose clock is ahead takes live documents for expired. It must not remove them.
func TestSweep_GoesByTheEarlierClock(t *testing.T) {
	t.Parallel()
	server := start(t, Options{})
	uri := server.URI("", database())
	ahead := open(t, uri, func(o *mongodb.Options) { o.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) } })
	engine := open(t, uri)
	live := grant("live")
	live.ExpiresAt = time.Now().Add(time.Hour)
	insert(t, engine, live)
	if n, err := ahead.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if _, err := engine.Get(t.Context(), live.Kind, live.ID); err != nil {
		t.Error(err)
	}
}

// Pages and sweeps come in one reply of any size.
func TestList_TakesOneCommand(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	sent := map[string]int{}
	engine := open(t, start(t, Options{}).URI("", database()), func(o *mongodb.Options) {
		o.Monitor = &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
			mu.Lock()
			defer mu.Unlock()
			sent[e.CommandName]++
		}}
	})
	var inserted sync.WaitGroup
	for worker := range 8 {
		inserted.Go(func() {
			for i := worker; i < storage.MaxPage+1; i += 8 {
				doc := grant(fmt.Sprint(i))
				doc.ExpiresAt = time.Now().Add(time.Hour)
				if i < 200 {
					doc.ExpiresAt = time.Now().Add(-time.Hour)
				}
				if _, err := engine.Insert(t.Context(), doc); err != nil {
					t.Error(err)
				}
			}
		})
	}
	inserted.Wait()
	for _, limit := range []int{0, 101, 150, 301, storage.MaxPage} {
		mu.Lock()
		clear(sent)
		mu.Unlock()
		page, err := engine.List(t.Context(), storage.Query{Kind: storage.KindGrant, Limit: limit})
		if err != nil || len(page.Documents) != min(storage.Query{Limit: limit}.PageSize(), 301) {
			t.Errorf("limit %d: %d documents, %v", limit, len(page.Documents), err)
		}
		if fmt.Sprint(sent) != "map[find:1]" {
			t.Errorf("limit %d takes %v", limit, sent)
		}
	}
	if n, err := engine.Sweep(t.Context()); n != 200 || err != nil || sent["getMore"] != 0 {
		t.Errorf("swept %d by %v, %v", n, sent, err)
	}
}

func TestServer_NamesTheReplicaSetAndItsMembers(t *testing.T) {
	t.Parallel()
	said, err := open(t, shared.URI("", database())).Server(t.Context())
	if err != nil || said.ReplicaSet != SetName || said.Members != 1 || said.Sharded {
		t.Errorf("got %+v, %v", said, err)
	}
}

// wantUnavailable asserts an error with every text.
func wantUnavailable(t *testing.T, err error, texts ...string) {
	t.Helper()
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got %v, want unavailable", err)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("it says %q, want %q", err, text)
		}
	}
}
