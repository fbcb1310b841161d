package webhook_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
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

// errDown is the error of a receiver that accepts nothing.
var errDown = errors.New("status 500")

// harness is a store in memory with the audit of one process, and a receiver.
type harness struct {
	*testing.T
	clock *storagetest.Clock
	hooks *storagetest.Hooks
	*audit.Trail

	mu       sync.Mutex
	entries  []storage.AuditEntry
	missed   []webhook.Missed
	requests int
	// down lets the receiver reject everything.
	down bool
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	t.Parallel()
	h := &harness{T: t, clock: storagetest.NewClock(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))}
	h.hooks = &storagetest.Hooks{Engine: storagetest.NewMemory(h.clock.Now)}
	h.Trail = audittest.New(t, h.hooks, h.clock.Now)
	return h
}

// sender is a process that sends.
func (h *harness) sender() *webhook.Sender {
	h.Helper()
	sender, err := webhook.New(webhook.Config{
		Engine: h.hooks, Post: h.receive, Now: h.clock.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		h.Fatal(err)
	}
	return sender
}

// receive is the receiver.
func (h *harness) receive(ctx context.Context, body []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	if _, bounded := ctx.Deadline(); !bounded {
		h.Error("a request to a slow receiver has no end")
	}
	if h.down {
		return errDown
	}
	var batch struct {
		Entries []storage.AuditEntry
		Missed  []webhook.Missed
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&batch); err != nil {
		h.Errorf("%v in %s", err, body)
	}
	h.entries, h.missed = append(h.entries, batch.Entries...), append(h.missed, batch.Missed...)
	return nil
}

// step steps once, and lets the time pass that the sender asks for.
func (h *harness) step(sender *webhook.Sender) time.Duration {
	h.Helper()
	wait, err := sender.Step(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	h.clock.Advance(wait)
	return wait
}

// settle steps until the receiver has this many entries, or the sender has nothing to do for a minute.
func (h *harness) settle(sender *webhook.Sender, entries int) {
	h.Helper()
	for until := h.clock.Now().Add(time.Minute); len(h.entries) < entries && h.clock.Now().Before(until); {
		if wait := h.step(sender); wait == 0 {
			until = h.clock.Now().Add(time.Minute)
		}
	}
}

func (h *harness) record(trail *audit.Trail, target string) {
	h.Helper()
	if _, err := trail.Record(h.Context(), storage.AuditEntry{Directory: "shop", Actor: "cli:root", Action: "client.update", Target: target}); err != nil {
		h.Fatal(err)
	}
}

// wantChains checks that the receiver has this many different entries of each chain, in their order. An entry may come again.
func (h *harness) wantChains(want ...int64) {
	h.Helper()
	last := map[string]int64{}
	for _, entry := range h.entries {
		if entry.Sequence > last[entry.Chain]+1 {
			h.Errorf("entry %d of chain %s follows entry %d", entry.Sequence, entry.Chain, last[entry.Chain])
		}
		last[entry.Chain] = max(last[entry.Chain], entry.Sequence)
	}
	got := []int64{}
	for _, sequence := range last {
		got = append(got, sequence)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		h.Errorf("the receiver has %d entries of the chains, want %d", got, want)
	}
}

func TestSender_SendsEveryChainOnceInOrder(t *testing.T) {
	h := newHarness(t)
	other := audittest.New(t, h.hooks, h.clock.Now)
	for i := range 150 {
		h.record(h.Trail, fmt.Sprint("client:", i))
	}
	for range 3 {
		h.record(other, "client:x")
	}
	other.RecordSignIn("shop", storage.SignIn{At: h.clock.Now(), User: "u1", Method: "password"})
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sender := h.sender()
	h.settle(sender, 154)
	h.record(h.Trail, "client:later")
	h.settle(sender, 155)
	h.wantChains(4, 151)
	if len(h.entries) != 155 || h.requests > 4 {
		t.Errorf("%d entries in %d requests", len(h.entries), h.requests)
	}
	if state := sender.State(); state.Sent != 155 || state.Failed != 0 || state.Missed != 0 {
		t.Errorf("%+v", state)
	}
	// Another process continues where this one ended.
	h.clock.Advance(time.Hour)
	h.record(h.Trail, "client:last")
	h.settle(h.sender(), 156)
	h.settle(h.sender(), 157)
	h.wantChains(4, 152)
	if len(h.entries) != 156 {
		t.Errorf("%d entries", len(h.entries))
	}
}

func TestSender_RetriesWithBackoffUntilTheReceiverAccepts(t *testing.T) {
	h := newHarness(t)
	h.down = true
	h.record(h.Trail, "client:1")
	sender, began := h.sender(), h.clock.Now()
	for h.clock.Now().Before(began.Add(time.Hour)) {
		h.step(sender)
	}
	// 1. The waits double up to five minutes.
	if h.requests < 15 || h.requests > 25 {
		t.Errorf("%d requests in an hour", h.requests)
	}
	if state := sender.State(); !state.WaitingSince.Equal(storage.Instant(began)) || state.Failed != int64(h.requests) {
		t.Errorf("%+v", state)
	}
	// 2. What was recorded meanwhile follows in order.
	h.record(h.Trail, "client:2")
	h.down = false
	h.clock.Advance(10 * time.Minute)
	h.settle(sender, 2)
	h.step(sender)
	h.wantChains(2)
	if state := sender.State(); !state.WaitingSince.IsZero() || state.Sent != 2 {
		t.Errorf("%+v", state)
	}
}

func TestSender_OneProcessSendsAndAnotherFollowsWhenItIsKilled(t *testing.T) {
	h := newHarness(t)
	first, second := h.sender(), h.sender()
	h.record(h.Trail, "client:1")
	h.settle(first, 1)
	for range 5 { // 1. While the first one works, the second one sends nothing.
		h.record(h.Trail, "client:2")
		if wait, err := second.Step(t.Context()); err != nil || wait == 0 {
			t.Fatalf("wait %v, error %v", wait, err)
		}
		h.step(first)
		h.clock.Advance(10 * time.Second)
	}
	h.settle(first, 6)
	if got := second.State().Accepted; got != 0 {
		t.Errorf("the second one sent %d requests", got)
	}
	// 2. A process that is killed after the receiver has accepted a batch sends it once more.
	h.hooks.Before = func(_ context.Context, op storagetest.Operation) error {
		if op.Kind == storage.KindAuditDelivery && op.Write() {
			return storage.ErrUnavailable
		}
		return nil
	}
	h.record(h.Trail, "client:3")
	for len(h.entries) < 7 {
		_, _ = first.Step(t.Context())
		h.clock.Advance(time.Second)
	}
	h.hooks.Before = nil
	h.clock.Advance(time.Minute)
	h.record(h.Trail, "client:4")
	h.settle(second, 9)
	h.wantChains(8)
	// 3. The first one was only slow: it sends nothing.
	h.record(h.Trail, "client:5")
	before := first.State().Accepted
	for range 3 {
		h.step(first)
	}
	if got := first.State().Accepted; got != before {
		t.Errorf("the first one sent %d requests after it was replaced", got-before)
	}
}

func TestSender_GivesWayWhenOnlyItsRequestsFail(t *testing.T) {
	h := newHarness(t)
	h.record(h.Trail, "client:1")
	h.down = true
	cut, other := h.sender(), h.sender()
	for cut.State().Failed < 5 {
		h.step(cut)
	}
	h.step(cut)
	h.down = false
	for range 3 {
		if _, err := other.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.wantChains(1)
}

func TestSender_NamesWhatTheRetentionDeletedBefore(t *testing.T) {
	h := newHarness(t)
	ended := audittest.New(t, h.hooks, h.clock.Now)
	for range 5 {
		h.record(h.Trail, "client:old")
		h.record(ended, "client:old")
	}
	if err := ended.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(80 * 24 * time.Hour)
	h.record(h.Trail, "client:newer")
	h.clock.Advance(101 * 24 * time.Hour)
	if deleted, err := h.Sweep(t.Context()); err != nil || deleted != 10 {
		t.Fatalf("%d deleted, error %v", deleted, err)
	}
	sender := h.sender()
	h.settle(sender, 1)
	if len(h.entries) != 1 || h.entries[0].Sequence != 6 || len(h.missed) != 1 || h.missed[0].From != 1 || h.missed[0].To != 5 {
		t.Errorf("entries %v, missed %v", h.entries, h.missed)
	}
	if state := sender.State(); state.Missed != 5 || state.Sent != 1 {
		t.Errorf("%+v", state)
	}
	// What is stored about a chain goes with the chain.
	h.clock.Advance(200 * 24 * time.Hour)
	if _, err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := h.hooks.List(t.Context(), storage.Query{Kind: storage.KindAuditDelivery})
	if err != nil || len(page.Documents) > 0 {
		t.Errorf("%d documents remain, error %v", len(page.Documents), err)
	}
}

func TestSender_EndsInOrderSoThatAnotherNeedNotWait(t *testing.T) {
	h := newHarness(t)
	h.record(h.Trail, "client:1")
	ctx, cancel := context.WithCancel(t.Context())
	sender := h.sender()
	h.settle(sender, 1)
	cancel()
	sender.Run(ctx)
	h.record(h.Trail, "client:2")
	other := h.sender()
	for range 3 { // No time passes.
		if _, err := other.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.wantChains(2)
}

func TestSender_LogsNoEntryAndNoSecret(t *testing.T) {
	h := newHarness(t)
	var log bytes.Buffer
	sender, err := webhook.New(webhook.Config{
		Engine: h.hooks, Post: func(context.Context, []byte) error { return errDown }, Now: h.clock.Now, Random: rand.Reader,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.record(h.Trail, "client:hidden")
	for range 4 {
		h.step(sender)
	}
	if got := log.String(); !bytes.Contains(log.Bytes(), []byte("status 500")) || bytes.Contains(log.Bytes(), []byte("hidden")) {
		t.Error(got)
	}
}
