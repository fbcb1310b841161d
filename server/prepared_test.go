package server_test

import (
	"crypto/rand"
	"sync"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// preparedKeys has what every test server needs and takes long to create: the keys of directories, sealed by one master key.
// The first test server that needs them creates them.
var preparedKeys = keyCache{master: sync.OnceValues(newMaster), keys: map[string]storage.SigningKeys{}}

type keyCache struct {
	master func() (*keys.Master, error)

	mu   sync.Mutex
	keys map[string]storage.SigningKeys // guarded by mu; by directory and algorithm
}

func newMaster() (*keys.Master, error) {
	text, err := keys.GenerateMasterKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return keys.ParseMaster(text, rand.Reader)
}

// ensure gives a directory of a test server its keys.
func (p *keyCache) ensure(ts *testServer, directory storage.Directory) {
	ts.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, algorithm := range directory.Policy.SigningAlgorithms {
		if record, ok := p.keys[storage.Key(directory.ID, algorithm)]; ok {
			must(storage.Insert(ts.Context(), ts.engine.Engine, record))(ts.T)
		}
	}
	check(ts.T, ts.ring.EnsureDirectory(ts.Context(), directory))
	for _, algorithm := range directory.Policy.SigningAlgorithms {
		id := storage.Key(directory.ID, algorithm)
		p.keys[id] = must(storage.Get[storage.SigningKeys](ts.Context(), ts.engine.Engine, id))(ts.T).Record
	}
}
