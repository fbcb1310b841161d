package secantusdb

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// shared is the server of all tests that need nothing special. Each has a database of its own.
var shared *Server

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	flag.Parse()
	folder, err := os.MkdirTemp("", "minifed-secantusdb-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(folder)
	if shared, err = Start(context.Background(), Options{Folder: filepath.Join(folder, "shared")}); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, shared.Stop()
}

var databases atomic.Int64

// database is the name of a database that no other test uses.
func database() string { return fmt.Sprint("minifed_test_", databases.Add(1)) }

// start starts a server for one test.
func start(t *testing.T, opts Options) *Server {
	t.Helper()
	if opts.Folder == "" {
		opts.Folder = t.TempDir()
	}
	server, err := Start(context.WithoutCancel(t.Context()), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() }) // A test may have stopped it.
	return server
}

// open opens the engine.
func open(t *testing.T, uri string, change ...func(*mongodb.Options)) *mongodb.Engine {
	t.Helper()
	opts := mongodb.Options{URI: uri, Timeout: time.Minute}
	for _, c := range change {
		c(&opts)
	}
	engine, err := mongodb.Open(t.Context(), opts)
	for tries := 0; errors.Is(err, storage.ErrUnavailable) && tries < 5; tries++ { // A busy machine takes longer than an engine waits.
		engine, err = mongodb.Open(t.Context(), opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// connect returns a client of the driver.
func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// command runs a command on a database.
func command(t *testing.T, client *mongo.Client, database string, c bson.D) {
	t.Helper()
	if err := client.Database(database).RunCommand(t.Context(), c).Err(); err != nil {
		t.Fatalf("%s: %v", c[0].Key, err)
	}
}

// grant is a document.
func grant(id string) storage.Document {
	return storage.Document{Kind: storage.KindGrant, ID: id, Owner: "owner", CreatedAt: time.Now(), Body: []byte(`{"v":1}`)}
}

func insert(t *testing.T, engine storage.Engine, doc storage.Document) storage.Document {
	t.Helper()
	rev, err := engine.Insert(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	doc.Rev = rev
	return doc
}
