package metrics

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/storage"
)

// storeMethod is a method of an engine as a label.
type storeMethod int

const (
	methodGet storeMethod = iota
	methodConfirm
	methodInsert
	methodReplace
	methodDelete
	methodList
	storeMethods
)

func (m storeMethod) String() string {
	return [storeMethods]string{"get", "confirm", "insert", "replace", "delete", "list"}[m]
}

// storeOutcome is the result of an operation, as a label.
type storeOutcome int

const (
	outcomeOK storeOutcome = iota
	outcomeNotFound
	outcomeExists
	outcomeConflict
	outcomeUnavailable
	outcomeError
	storeOutcomes
)

func (o storeOutcome) String() string {
	return [storeOutcomes]string{"ok", "not_found", "exists", "conflict", "unavailable", "error"}[o]
}

func storeOutcomeOf(err error) storeOutcome {
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, storage.ErrNotFound):
		return outcomeNotFound
	case errors.Is(err, storage.ErrExists):
		return outcomeExists
	case errors.Is(err, storage.ErrConflict):
		return outcomeConflict
	case errors.Is(err, storage.ErrUnavailable):
		return outcomeUnavailable
	default:
		return outcomeError
	}
}

// confirmer is an engine that can distinguish a missing record from one that is not visible yet.
type confirmer interface {
	Confirm(ctx context.Context, kind storage.Kind, id string) (storage.Document, error)
}

// unseer is an engine that knows without a read that a document was not inserted lately.
type unseer interface {
	Unseen(kind storage.Kind, id string, within time.Duration) bool
}

// MeasureStore returns an engine that counts and times the operations of another one, in minifed_store_operations_total and
// minifed_store_operation_duration_seconds. It costs a request well under a microsecond. Close closes the other engine, and
// methods that it has beyond storage.Engine are lost, but for Confirm and Unseen.
func MeasureStore(engine storage.Engine, registry prometheus.Registerer, now func() time.Time) (storage.Engine, error) {
	m := &measuredStore{
		Engine: engine, now: now, counted: map[storage.Kind]*storeCounters{},
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minifed_store_operations_total",
			Help: "Operations of the store by kind of document, method and outcome.",
		}, []string{"kind", "method", "outcome"}),
	}
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "minifed_store_operation_duration_seconds",
		Help:    "How long operations of the store took, by method.",
		Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"method"})
	if err := errors.Join(registry.Register(m.operations), registry.Register(durations)); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	for kind := range storage.Kinds() {
		m.counted[kind] = new(storeCounters)
	}
	for method := range storeMethods {
		m.durations[method] = durations.WithLabelValues(method.String())
	}
	if other, ok := engine.(confirmer); ok {
		return &confirmingStore{m, other}, nil
	}
	if other, ok := engine.(unseer); ok {
		return &unseenStore{m, other}, nil
	}
	return m, nil
}

// storeCounters are the counters of one kind. They are created when they are first needed, so that what never happens is no
// series, and found without hashing labels.
type storeCounters [storeMethods][storeOutcomes]atomic.Pointer[prometheus.Counter]

type measuredStore struct {
	storage.Engine
	now        func() time.Time
	operations *prometheus.CounterVec
	durations  [storeMethods]prometheus.Observer
	counted    map[storage.Kind]*storeCounters
}

// done counts one operation.
func (m *measuredStore) done(kind storage.Kind, method storeMethod, started time.Time, err error) {
	m.durations[method].Observe(m.now().Sub(started).Seconds())
	counters, known := m.counted[kind]
	if !known {
		return // An unknown operation is no label.
	}
	outcome := storeOutcomeOf(err)
	slot := &counters[method][outcome]
	counter := slot.Load()
	if counter == nil {
		made := m.operations.WithLabelValues(string(kind), method.String(), outcome.String())
		counter = &made
		slot.Store(counter)
	}
	(*counter).Inc()
}

// Get implements storage.Engine.
func (m *measuredStore) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	started := m.now()
	doc, err := m.Engine.Get(ctx, kind, id)
	m.done(kind, methodGet, started, err)
	return doc, err
}

// Insert implements storage.Engine.
func (m *measuredStore) Insert(ctx context.Context, doc storage.Document) (string, error) {
	started := m.now()
	rev, err := m.Engine.Insert(ctx, doc)
	m.done(doc.Kind, methodInsert, started, err)
	return rev, err
}

// Replace implements storage.Engine.
func (m *measuredStore) Replace(ctx context.Context, doc storage.Document) (string, error) {
	started := m.now()
	rev, err := m.Engine.Replace(ctx, doc)
	m.done(doc.Kind, methodReplace, started, err)
	return rev, err
}

// Delete implements storage.Engine.
func (m *measuredStore) Delete(ctx context.Context, kind storage.Kind, id string) error {
	started := m.now()
	err := m.Engine.Delete(ctx, kind, id)
	m.done(kind, methodDelete, started, err)
	return err
}

// List implements storage.Engine.
func (m *measuredStore) List(ctx context.Context, query storage.Query) (storage.Page, error) {
	started := m.now()
	page, err := m.Engine.List(ctx, query)
	m.done(query.Kind, methodList, started, err)
	return page, err
}

// unseenStore is a measuredStore of an engine that knows what was not inserted. That is no operation of the store.
type unseenStore struct {
	*measuredStore
	unseer
}

// confirmingStore is a measuredStore of an engine that can confirm.
type confirmingStore struct {
	*measuredStore
	other confirmer
}

// Confirm reads a document as the engine's own method does.
func (m *confirmingStore) Confirm(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	started := m.now()
	doc, err := m.other.Confirm(ctx, kind, id)
	m.done(kind, methodConfirm, started, err)
	return doc, err
}
