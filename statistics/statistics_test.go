package statistics_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/minifed/minifed/statistics"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

type harness struct {
	*testing.T
	clock *storagetest.Clock
	hooks *storagetest.Hooks
}

var began = time.Date(2026, 3, 1, 8, 7, 30, 0, time.UTC)

func newHarness(t *testing.T) *harness {
	t.Parallel()
	h := &harness{T: t, clock: storagetest.NewClock(began)}
	h.hooks = &storagetest.Hooks{Engine: storagetest.NewMemory(h.clock.Now)}
	return h
}

func (h *harness) counter() *statistics.Counter {
	h.Helper()
	counter, err := statistics.New(statistics.Config{Engine: h.hooks, Now: h.clock.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.Fatal(err)
	}
	return counter
}

func (h *harness) flush(counter *statistics.Counter) {
	h.Helper()
	if err := counter.Flush(h.Context()); err != nil {
		h.Fatal(err)
	}
}

func (h *harness) read(step time.Duration) string {
	h.Helper()
	from := began.Truncate(time.Hour)
	all, err := statistics.Read(h.Context(), h.hooks, statistics.Range{From: from, To: from.Add(time.Hour), Step: step}, func(directory string) bool { return directory != "hidden" })
	if err != nil {
		h.Fatal(err)
	}
	text := ""
	for _, s := range all {
		text += fmt.Sprintf("%s %s %s %v\n", s.Directory, s.Method, s.Outcome, s.Values)
	}
	return text
}

func TestRead_SumsProcessesAndQuarters(t *testing.T) {
	h := newHarness(t)
	one, other := h.counter(), h.counter()
	for range 3 {
		one.Count("shop", "password", statistics.Success)
		other.Count("shop", "password", statistics.Success)
	}
	other.Count("hidden", "password", statistics.Success)
	h.flush(one)
	h.clock.Advance(15 * time.Minute)
	one.Count("shop", "password", "wrong_password")
	one.Count("", statistics.WeChat, statistics.Success)
	h.flush(one)
	one.Count("shop", "password", "wrong_password") // The document is replaced as a whole.
	h.flush(one)
	h.flush(other)
	if got, want := h.read(15*time.Minute), " wechat success [0 1 0 0]\nshop password success [6 0 0 0]\nshop password wrong_password [0 2 0 0]\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestCounter_WritesNothingWithoutEvents(t *testing.T) {
	h := newHarness(t)
	counter := h.counter()
	counter.Count("shop", "password", statistics.Success)
	h.flush(counter)
	writes := 0
	h.hooks.Before = func(_ context.Context, operation storagetest.Operation) error { writes++; return nil }
	h.flush(counter)
	h.clock.Advance(time.Hour)
	h.flush(counter)
	if writes > 0 {
		t.Errorf("%d operations", writes)
	}
}

func TestCounter_WaitsForAStoreThatIsDown(t *testing.T) {
	h := newHarness(t)
	counter := h.counter()
	counter.Count("shop", "password", statistics.Success)
	h.hooks.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
	if err := counter.Flush(t.Context()); !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	h.hooks.Before = nil
	h.flush(counter)
	if got := h.read(time.Hour); got != "shop password success [1]\n" {
		t.Errorf("got %s", got)
	}
}

func TestCounter_SplitsLargeDocuments(t *testing.T) {
	h := newHarness(t)
	counter := h.counter()
	for i := range 2000 {
		counter.Count(fmt.Sprint("directory-", i), "password", statistics.Success)
	}
	h.flush(counter)
	entries, _, err := storage.List[storage.Statistics](t.Context(), h.hooks, storage.Query{Order: storage.ByCreated, Limit: storage.MaxPage})
	if err != nil || len(entries) < 5 || len(entries) > 20 {
		t.Errorf("%d documents, %v", len(entries), err)
	}
	from := began.Truncate(time.Hour)
	all, err := statistics.Read(t.Context(), h.hooks, statistics.Range{From: from, To: from.Add(time.Hour), Step: time.Minute}, func(string) bool { return true })
	if err != nil || len(all) != 2000 || all[0].Total() != 1 || all[0].Values[7] != 1 {
		t.Errorf("%d series, %v", len(all), err)
	}
}

func TestRead_RejectsWrongRanges(t *testing.T) {
	h := newHarness(t)
	for _, r := range []statistics.Range{
		{From: began, To: began, Step: time.Minute},
		{From: began, To: began.Add(time.Hour), Step: time.Second},
		{From: began, To: began.Add(366 * 24 * time.Hour), Step: time.Minute},
	} {
		if _, err := statistics.Read(t.Context(), h.hooks, r, func(string) bool { return true }); !errors.Is(err, statistics.ErrRange) {
			t.Errorf("%v: %v", r, err)
		}
	}
}
