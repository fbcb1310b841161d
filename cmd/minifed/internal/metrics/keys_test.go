package metrics_test

import (
	"crypto/rand"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/cmd/minifed/internal/metrics"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func TestKeyMetrics_CountByAlgorithm(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	line, err := keys.GenerateMasterKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	master, err := keys.ParseMaster(line, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.NewRing(keys.Config{
		Engine: storagetest.NewMemory(clock), Master: master, Now: clock, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler),
		Schedule: keys.Schedule{RotateEvery: 24 * time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	if err := metrics.MeasureKeys(ring, registry, clock); err != nil {
		t.Fatal(err)
	}
	for _, directory := range []string{"older", "younger"} {
		made := storage.Directory{ID: directory, Policy: storage.Policy{SigningAlgorithms: []string{keys.ES256}}}
		if err := ring.EnsureDirectory(t.Context(), made); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	if _, err := ring.Rotate(t.Context(), "younger", keys.ES256); err != nil {
		t.Fatal(err)
	}
	series := gathered(t, registry)
	// The first key of a directory counts as a minute older: it signs at instances whose clocks are behind too.
	for _, want := range []string{
		"minifed_signing_keys{algorithm=ES256,state=active} 2", "minifed_signing_keys{algorithm=ES256,state=next} 1",
		"minifed_signing_key_age_seconds{algorithm=ES256} 7260", "minifed_signing_key_copy_age_seconds{} 7200",
	} {
		if !slices.Contains(series, want) {
			t.Errorf("no %s among\n%s", want, strings.Join(series, "\n"))
		}
	}
	if !slices.ContainsFunc(series, func(s string) bool {
		return strings.HasPrefix(s, "minifed_signing_key_next_step_timestamp_seconds{algorithm=ES256} 1.76")
	}) {
		t.Errorf("no next step among %v", series)
	}
}
