package ferretdb

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/storagetest"
)

// uriVariable names a real MongoDB to test against. Without it FerretDB takes its place.
const uriVariable = "MINIFED_TEST_MONGODB_URI"

func TestEngine(t *testing.T) {
	t.Parallel()
	if uri := os.Getenv(uriVariable); uri != "" {
		storagetest.Run(t, storagetest.Subject{Open: onMongoDB(uri)})
		return
	}
	on := &onFerretDB{proxies: map[storage.Engine]*Proxy{}, uris: map[storage.Engine]string{}}
	storagetest.Run(t, storagetest.Subject{Open: on.open, Reopen: on.reopen, DropReply: on.dropReply})
}

// onMongoDB gives every test a database of its own and drops it afterwards.
func onMongoDB(uri string) func(*testing.T, func() time.Time) storage.Engine {
	var databases atomic.Int64
	return func(t *testing.T, now func() time.Time) storage.Engine {
		name := fmt.Sprintf("minifed_test_%d_%d", time.Now().UnixNano(), databases.Add(1))
		client, err := mongo.Connect(options.Client().ApplyURI(uri))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := client.Database(name).Drop(t.Context()); err != nil {
				t.Errorf("drop %s: %v", name, err)
			}
		})
		return open(t, withDatabase(uri, name), now)
	}
}

// onFerretDB gives every test a database and a proxy of its own.
type onFerretDB struct {
	mu      sync.Mutex
	proxies map[storage.Engine]*Proxy // guarded by mu
	uris    map[storage.Engine]string // guarded by mu
}

func (f *onFerretDB) open(t *testing.T, now func() time.Time) storage.Engine {
	proxy := ferret.ReplicaSet(t)
	return f.connect(t, proxy, proxy.URI(ferret.Database()), now)
}

func (f *onFerretDB) connect(t *testing.T, proxy *Proxy, uri string, now func() time.Time) storage.Engine {
	engine := open(t, uri, now)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.proxies[engine], f.uris[engine] = proxy, uri
	return engine
}

// reopen cuts every connection, as the end of the process does.
func (f *onFerretDB) reopen(t *testing.T, engine storage.Engine, now func() time.Time) storage.Engine {
	f.mu.Lock()
	proxy, uri := f.proxies[engine], f.uris[engine]
	f.mu.Unlock()
	proxy.Down()
	proxy.Up()
	return f.connect(t, proxy, uri, now)
}

func (f *onFerretDB) dropReply(_ *testing.T, engine storage.Engine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.proxies[engine].Decide(Once(DropReply, IsWrite))
}

func open(t *testing.T, uri string, now func() time.Time) storage.Engine {
	t.Helper()
	engine, err := mongodb.Open(t.Context(), mongodb.Options{URI: uri, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() }) // A test may have closed it.
	return engine
}
