package ferretdb

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/audit"
	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/audit/webhook"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestAudit_VerifyFindsEveryChange(t *testing.T) {
	t.Parallel()
	on := &behindProxies{proxies: map[storage.Engine]*Proxy{}, uris: map[storage.Engine]string{}}
	audittest.Run(t, on.open)
}

// auditReceiver is the receiver of the webhook of two instances.
type auditReceiver struct {
	mu      sync.Mutex
	by      []int // the instance of each request
	entries []storage.AuditEntry
}

func (r *auditReceiver) post(instance int) func(context.Context, []byte) error {
	return func(_ context.Context, body []byte) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		var batch struct{ Entries []storage.AuditEntry }
		if err := json.Unmarshal(body, &batch); err != nil {
			return err
		}
		r.by, r.entries = append(r.by, instance), append(r.entries, batch.Entries...)
		return nil
	}
}

// last returns the last entry of each chain, and reports an entry that comes before the one that it follows.
func (r *auditReceiver) last(t *testing.T) []int64 {
	t.Helper()
	last := map[string]int64{}
	for _, entry := range r.entries {
		if entry.Sequence > last[entry.Chain]+1 {
			t.Errorf("entry %d of chain %s follows entry %d", entry.Sequence, entry.Chain, last[entry.Chain])
		}
		last[entry.Chain] = max(last[entry.Chain], entry.Sequence)
	}
	all := []int64{}
	for _, sequence := range last {
		all = append(all, sequence)
	}
	slices.Sort(all)
	return all
}

// TestAuditWebhook_OneInstanceSendsAtATime lets two instances write and send at once, and stops the one that sends without notice.
func TestAuditWebhook_OneInstanceSendsAtATime(t *testing.T) {
	t.Parallel()
	proxy := ferret.ReplicaSet(t)
	clock, uri, receiver := storagetest.NewClock(time.Now().Add(time.Hour)), proxy.URI(ferret.Database(t)), new(auditReceiver)
	trails, senders := [2]*audit.Trail{}, [2]*webhook.Sender{}
	for i := range trails {
		engine := open(t, uri, clock.Now)
		trails[i] = audittest.New(t, engine, clock.Now)
		sender, err := webhook.New(webhook.Config{
			Engine: engine, Post: receiver.post(i), Now: clock.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		senders[i] = sender
	}
	run := func(stopped int) {
		var running sync.WaitGroup
		for i := range trails {
			running.Go(func() {
				for range 10 {
					entry := storage.AuditEntry{Directory: "shop", Actor: "cli:root", Action: "client.update", Target: "client:c"}
					if _, err := trails[i].Record(t.Context(), entry); err != nil {
						t.Error(err)
					}
				}
			})
			running.Go(func() {
				for step := 0; step < 20 && i != stopped; step++ {
					if _, err := senders[i].Step(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
	}
	settle := func(sender int) {
		for range 12 {
			clock.Advance(10 * time.Second)
			for wait := time.Duration(0); wait == 0; {
				var err error
				if wait, err = senders[sender].Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	run(-1)
	first := 0
	if senders[1].State().Accepted > 0 {
		first = 1
	}
	settle(first)
	if got := receiver.last(t); !slices.Equal(got, []int64{10, 10}) || slices.Contains(receiver.by, 1-first) {
		t.Errorf("the receiver has %d, by the instances %v", got, receiver.by)
	}
	run(first)
	clock.Advance(time.Minute)
	settle(1 - first)
	if got := receiver.last(t); !slices.Equal(got, []int64{20, 20}) || len(receiver.entries) != 40 {
		t.Errorf("after the change the receiver has %d in %d entries", got, len(receiver.entries))
	}
}
