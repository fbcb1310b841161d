package logout

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestBackchannel_DeliversUntilServerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		engine := &storagetest.Hooks{Engine: storagetest.NewMemory(time.Now)}
		engine.Before = func(context.Context, storagetest.Operation) error {
			if down.Load() {
				return storage.ErrUnavailable
			}
			return nil
		}
		b := NewBackchannel(
			BackchannelConfig{Engine: engine, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, endpoint.NewCatalog(endpoint.CatalogConfig{Engine: engine, Now: time.Now}),
		)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			b.Run(ctx)
		}()
		// 1. A session is due whose client is gone: there is nobody to tell.
		due := func(id string) {
			now := storage.Instant(time.Now())
			session := storage.Session{
				Directory: "default", ID: id, User: "alice", EndedAt: now, DeliverAt: now, ExpiresAt: now.Add(time.Hour), Clients: map[string]time.Time{"gone": now},
			}
			if _, err := storage.Insert(t.Context(), engine, session); err != nil {
				t.Fatal(err)
			}
		}
		isDone := func(id string) bool {
			entry, err := storage.Get[storage.Session](t.Context(), engine.Engine, storage.Key("default", id))
			if err != nil {
				t.Fatal(err)
			}
			return entry.Record.DeliverAt.IsZero() && len(entry.Record.Clients) == 0
		}
		due("first")
		time.Sleep(deliveryInterval)
		synctest.Wait()
		if !isDone("first") {
			t.Error("what was due was not done")
		}
		// 2. A store that is down stops nothing for good.
		down.Store(true)
		time.Sleep(3 * deliveryInterval)
		down.Store(false)
		due("second")
		time.Sleep(deliveryInterval)
		synctest.Wait()
		if !isDone("second") {
			t.Error("what was due after the store came back was not done")
		}
		// 3. Nothing is done any more once the server stops.
		stop()
		<-stopped
		due("third")
		time.Sleep(3 * deliveryInterval)
		synctest.Wait()
		if isDone("third") {
			t.Error("done after the server stopped")
		}
	})
}
