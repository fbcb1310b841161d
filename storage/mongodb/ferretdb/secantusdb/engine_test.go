package secantusdb

import (
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
	"github.com/minifed/minifed/storage/storagetest"
)

// Nothing stands between the engine and the server: commands overlap.
func TestEngine_Contract(t *testing.T) {
	t.Parallel()
	var uris sync.Map
	connect := func(t *testing.T, uri string, now func() time.Time) storage.Engine {
		engine := open(t, uri, func(o *mongodb.Options) { o.Now = now })
		uris.Store(engine, uri)
		return engine
	}
	storagetest.Run(t, storagetest.Subject{
		Open: func(t *testing.T, now func() time.Time) storage.Engine {
			return connect(t, shared.URI("", database()), now)
		},
		Reopen: func(t *testing.T, engine storage.Engine, now func() time.Time) storage.Engine {
			uri, _ := uris.Load(engine)
			return connect(t, uri.(string), now)
		},
	})
}
