package ferretdb

import (
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestEngine_Contract(t *testing.T) {
	t.Parallel()
	on := &behindProxies{proxies: map[storage.Engine]*Proxy{}, uris: map[storage.Engine]string{}}
	storagetest.Run(t, storagetest.Subject{Open: on.open, Reopen: on.reopen, DropReply: on.dropReply})
}

// behindProxies gives every test a database and a proxy of its own.
type behindProxies struct {
	mu      sync.Mutex
	proxies map[storage.Engine]*Proxy // guarded by mu
	uris    map[storage.Engine]string // guarded by mu
}

func (f *behindProxies) open(t *testing.T, now func() time.Time) storage.Engine {
	proxy := ferret.ReplicaSet(t)
	return f.connect(t, proxy, proxy.URI(ferret.Database(t)), now)
}

func (f *behindProxies) connect(t *testing.T, proxy *Proxy, uri string, now func() time.Time) storage.Engine {
	engine := open(t, uri, now)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.proxies[engine], f.uris[engine] = proxy, uri
	return engine
}

// reopen cuts every connection, as the end of the process does.
func (f *behindProxies) reopen(t *testing.T, engine storage.Engine, now func() time.Time) storage.Engine {
	f.mu.Lock()
	proxy, uri := f.proxies[engine], f.uris[engine]
	f.mu.Unlock()
	proxy.Down()
	proxy.Up()
	return f.connect(t, proxy, uri, now)
}

func (f *behindProxies) dropReply(_ *testing.T, engine storage.Engine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.proxies[engine].Decide(Once(DropReply, IsWrite))
}

func open(t *testing.T, uri string, now func() time.Time) storage.Engine {
	t.Helper()
	engine := opened(t, mongodb.Options{URI: uri, Now: now, Timeout: patience})
	t.Cleanup(func() { _ = engine.Close() }) // A test may have closed it.
	return engine
}
