package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/cmd/minifed/internal/metrics"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
)

// gathered returns every series of a registry: its name with labels, and its value or, for a histogram, count and sum.
func gathered(t testing.TB, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var series []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := []string{}
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			value := fmt.Sprint(metric.GetCounter().GetValue() + metric.GetGauge().GetValue())
			if histogram := metric.GetHistogram(); histogram != nil {
				value = fmt.Sprintf("%d in %v", histogram.GetSampleCount(), histogram.GetSampleSum())
			}
			series = append(series, fmt.Sprintf("%s{%s} %s", family.GetName(), strings.Join(labels, ","), value))
		}
	}
	return series
}

func TestStoreMetrics_CountByKindMethodAndOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		slow := &storagetest.Hooks{Engine: storagetest.NewMemory(time.Now), Before: func(ctx context.Context, o storagetest.Operation) error {
			if o.ID == "slow" {
				time.Sleep(time.Second) // of the bubble
			}
			if o.ID == "down" {
				return storage.ErrUnavailable
			}
			return nil
		}}
		engine, err := metrics.MeasureStore(slow, registry, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		doc := storage.Document{Kind: storage.KindMeta, ID: "slow", Body: []byte(`{"v":1}`)}
		if doc.Rev, err = engine.Insert(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Insert(t.Context(), doc); !errors.Is(err, storage.ErrExists) {
			t.Errorf("a second insert: %v", err)
		}
		if _, err := engine.Replace(t.Context(), doc); err != nil {
			t.Error(err)
		}
		if _, err := engine.Replace(t.Context(), doc); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a second replacement: %v", err)
		}
		for id, want := range map[string]error{"slow": nil, "none": storage.ErrNotFound, "down": storage.ErrUnavailable} {
			if _, err := engine.Get(t.Context(), storage.KindMeta, id); !errors.Is(err, want) {
				t.Errorf("get %s: %v", id, err)
			}
		}
		if page, err := engine.List(t.Context(), storage.Query{Kind: storage.KindMeta}); err != nil || len(page.Documents) != 1 {
			t.Errorf("list: %v, %v", page, err)
		}
		if _, err := engine.List(t.Context(), storage.Query{Kind: storage.KindMeta, Limit: -1}); err == nil {
			t.Error("a bad query was answered")
		}
		if err := engine.Delete(t.Context(), storage.KindMeta, "slow"); err != nil {
			t.Error(err)
		}
		if _, err := engine.Get(t.Context(), "made up by a caller", "x"); err == nil {
			t.Error("an unknown kind was answered")
		}
		const counter = "minifed_store_operations_total{kind=meta,"
		for _, want := range []string{
			counter + "method=get,outcome=ok} 1", counter + "method=get,outcome=not_found} 1", counter + "method=get,outcome=unavailable} 1",
			counter + "method=insert,outcome=ok} 1", counter + "method=insert,outcome=exists} 1",
			counter + "method=replace,outcome=ok} 1", counter + "method=replace,outcome=conflict} 1",
			counter + "method=list,outcome=ok} 1", counter + "method=list,outcome=error} 1", counter + "method=delete,outcome=ok} 1",
			"minifed_store_operation_duration_seconds{method=insert} 2 in 2", "minifed_store_operation_duration_seconds{method=delete} 1 in 1",
		} {
			if series := gathered(t, registry); !slices.Contains(series, want) {
				t.Errorf("no %s among\n%s", want, strings.Join(series, "\n"))
			}
		}
		if series := strings.Join(gathered(t, registry), "\n"); strings.Contains(series, "made up") {
			t.Errorf("a caller chose a label:\n%s", series)
		}
	})
}

// confirmingEngine is an engine that can confirm.
type confirmingEngine struct{ storage.Engine }

func (c confirmingEngine) Confirm(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	return c.Get(ctx, kind, id)
}

func TestStoreMetrics_PassConfirmOn(t *testing.T) {
	type confirmer interface {
		Confirm(context.Context, storage.Kind, string) (storage.Document, error)
	}
	memory := storagetest.NewMemory(time.Now)
	plain, err := metrics.MeasureStore(memory, prometheus.NewRegistry(), time.Now)
	if _, can := plain.(confirmer); can || err != nil {
		t.Errorf("an engine that cannot confirm: %T, %v", plain, err)
	}
	registry := prometheus.NewRegistry()
	able, err := metrics.MeasureStore(confirmingEngine{memory}, registry, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := able.(confirmer).Confirm(t.Context(), storage.KindGrant, "none"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("confirm: %v", err)
	}
	if series := gathered(t, registry); !slices.Contains(series, "minifed_store_operations_total{kind=grants,method=confirm,outcome=not_found} 1") {
		t.Errorf("series %v", series)
	}
}

// unseeingEngine is an engine that knows what was not inserted.
type unseeingEngine struct{ storage.Engine }

func (unseeingEngine) Unseen(_ storage.Kind, id string, _ time.Duration) bool { return id == "new" }

func TestStoreMetrics_PassUnseenOn(t *testing.T) {
	engine, err := metrics.MeasureStore(unseeingEngine{storagetest.NewMemory(time.Now)}, prometheus.NewRegistry(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	able, can := engine.(interface {
		Unseen(storage.Kind, string, time.Duration) bool
	})
	if !can || !able.Unseen(storage.KindGrant, "new", time.Minute) || able.Unseen(storage.KindGrant, "old", time.Minute) {
		t.Errorf("%T does not pass it on", engine)
	}
}

func TestWeChatMetrics_CountByAPIAndClass(t *testing.T) {
	registry := prometheus.NewRegistry()
	observe, err := metrics.MeasureWeChat(registry)
	if err != nil {
		t.Fatal(err)
	}
	// Prometheus sees no increase in a counter that appears with its first event, and one login may be the only sign of a wrong AppSecret.
	for _, outcome := range []string{"ok", "ambiguous", "unsent", "code", "blocked", "rate", "busy", "config", "token", "unknown"} {
		want := "minifed_wechat_calls_total{api=code2Session,outcome=" + outcome + "} 0"
		if series := gathered(t, registry); !slices.Contains(series, want) {
			t.Errorf("before the first call: no %s among %v", want, series)
		}
	}
	observe(wechat.Observation{API: "code2Session", Outcome: "ok", Duration: time.Second})
	observe(wechat.Observation{API: "code2Session", Outcome: "code", Code: 40029, Duration: 2 * time.Second})
	for _, want := range []string{
		"minifed_wechat_calls_total{api=code2Session,outcome=ok} 1", "minifed_wechat_calls_total{api=code2Session,outcome=code} 1",
		"minifed_wechat_call_duration_seconds{api=code2Session} 2 in 3",
	} {
		if series := gathered(t, registry); !slices.Contains(series, want) {
			t.Errorf("no %s among %v", want, series)
		}
	}
	if _, err := metrics.MeasureWeChat(registry); err == nil {
		t.Error("the same metrics were registered twice")
	}
}

// BenchmarkMeasureStore measures the cost of counting and timing one operation.
func BenchmarkMeasureStore(b *testing.B) {
	engine, err := metrics.MeasureStore(emptyEngine{}, prometheus.NewRegistry(), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, _ = engine.Get(b.Context(), storage.KindGrant, "id")
	}
}

type emptyEngine struct{ storage.Engine }

func (emptyEngine) Get(context.Context, storage.Kind, string) (storage.Document, error) {
	return storage.Document{}, storage.ErrNotFound
}
