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
		// 1. A session is due whose client was deleted: there is no client to notify.
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
			t.Error("the due session was not completed")
		}
		// 2. A store outage does not stop the delivery.
		down.Store(true)
		time.Sleep(3 * deliveryInterval)
		down.Store(false)
		due("second")
		time.Sleep(deliveryInterval)
		synctest.Wait()
		if !isDone("second") {
			t.Error("the session that was due after the outage was not completed")
		}
		// 3. Nothing is delivered after the server stops.
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
