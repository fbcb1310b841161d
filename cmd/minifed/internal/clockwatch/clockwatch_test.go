package clockwatch

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/storage"
)

// storeClock is the clock of a store.
type storeClock func() time.Time

func (c storeClock) Time(context.Context) (time.Time, error) { return c(), nil }

func TestClockWatch_WarnsWhenTheStoresClockIsFarAway(t *testing.T) {
	local, ahead, logs := time.Now(), time.Duration(0), new(bytes.Buffer)
	now := func() time.Time { return local }
	registry := prometheus.NewRegistry()
	watch, err := New(storage.NewClock(now), nil, now, slog.New(slog.NewTextHandler(logs, nil)), registry)
	if err != nil {
		t.Fatal(err)
	}
	watch.source = storeClock(func() time.Time { return local.Add(ahead) })
	for _, row := range []struct {
		ahead time.Duration
		says  string
	}{
		{time.Second, ""},
		{90 * time.Second, `level=WARN msg="clocks differ: synchronize the time of this machine and of the store (NTP)" store_ahead=1m30s corrected=true`},
		{90 * time.Second, ""},
		{0, `msg="clocks agree again"`},
		{-time.Hour, "store_ahead=-1h0m0s corrected=false"},
	} {
		logs.Reset()
		ahead = row.ahead
		watch.compare(t.Context())
		if said := logs.String(); (row.says == "") != (said == "") || !strings.Contains(said, row.says) {
			t.Errorf("%v ahead: logged %q, want %q", row.ahead, said, row.says)
		}
	}
	if got := metricValue(t, registry, "minifed_clock_offset_seconds"); got != -3600 {
		t.Errorf("minifed_clock_offset_seconds is %v", got)
	}
}

func TestClockWatch_WarnsWhenTheClockIsSet(t *testing.T) {
	logs, local := new(bytes.Buffer), time.Now().Round(0)
	now := func() time.Time { return local }
	registry := prometheus.NewRegistry()
	watch, err := New(storage.NewClock(now), nil, now, slog.New(slog.NewTextHandler(logs, nil)), registry)
	if err != nil {
		t.Fatal(err)
	}
	watch.steady = func() time.Duration { return 0 } // No time passes: every move of the clock is a jump.
	for _, by := range []time.Duration{10 * time.Second, -time.Minute, 8 * time.Hour} {
		local = local.Add(by)
		watch.compare(t.Context())
	}
	if got := metricValue(t, registry, "minifed_clock_jumps_total"); got != 2 {
		t.Errorf("%v jumps\n%s", got, logs)
	}
	if !strings.Contains(logs.String(), "by=-1m0s") || !strings.Contains(logs.String(), "by=8h0m0s") {
		t.Errorf("logged\n%s", logs)
	}
}

// metricValue is the value of a gauge or counter without labels.
func metricValue(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			metric := family.GetMetric()[0]
			return metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
