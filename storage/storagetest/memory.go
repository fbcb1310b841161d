package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

// Memory is a storage.Engine with documents in a map. Use NewMemory.
type Memory struct {
	now func() time.Time

	mu       sync.Mutex
	closed   bool                                         // guarded by mu
	revision int                                          // guarded by mu
	docs     map[storage.Kind]map[string]storage.Document // guarded by mu; has every kind
}

var _ storage.Engine = (*Memory)(nil)

// NewMemory returns an empty engine; now is the clock that expiry goes by.
func NewMemory(now func() time.Time) *Memory {
	m := &Memory{now: now, docs: map[storage.Kind]map[string]storage.Document{}}
	for kind := range storage.Kinds() {
		m.docs[kind] = map[string]storage.Document{}
	}
	return m
}

// Get implements storage.Engine.
func (m *Memory) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx, kind); err != nil {
		return storage.Document{}, err
	}
	doc, ok := m.live(kind, id)
	if !ok {
		return storage.Document{}, storage.ErrNotFound
	}
	return clone(doc), nil
}

// Insert implements storage.Engine.
func (m *Memory) Insert(ctx context.Context, doc storage.Document) (string, error) {
	if err := doc.Validate(); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx, doc.Kind); err != nil {
		return "", err
	}
	if _, ok := m.live(doc.Kind, doc.ID); ok {
		return "", storage.ErrExists
	}
	return m.put(doc), nil
}

// Replace implements storage.Engine.
func (m *Memory) Replace(ctx context.Context, doc storage.Document) (string, error) {
	if err := doc.Validate(); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx, doc.Kind); err != nil {
		return "", err
	}
	if current, ok := m.live(doc.Kind, doc.ID); !ok || current.Rev != doc.Rev {
		return "", storage.ErrConflict
	}
	return m.put(doc), nil
}

// Delete implements storage.Engine.
func (m *Memory) Delete(ctx context.Context, kind storage.Kind, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx, kind); err != nil {
		return err
	}
	delete(m.docs[kind], id)
	return nil
}

// List implements storage.Engine.
func (m *Memory) List(ctx context.Context, query storage.Query) (storage.Page, error) {
	start, err := query.Start()
	if err := errors.Join(query.Validate(), err); err != nil {
		return storage.Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx, query.Kind); err != nil {
		return storage.Page{}, err
	}
	var found []storage.Document
	for id := range m.docs[query.Kind] {
		doc, ok := m.live(query.Kind, id)
		if ok && matches(doc, query) && (start == nil || compare(query.Order, query.Order.PositionOf(doc), *start) > 0) {
			found = append(found, clone(doc))
		}
	}
	slices.SortFunc(found, func(a, b storage.Document) int {
		return compare(query.Order, query.Order.PositionOf(a), query.Order.PositionOf(b))
	})
	size := query.PageSize()
	if len(found) <= size {
		return storage.Page{Documents: found}, nil
	}
	return storage.Page{Documents: found[:size], Next: query.Order.Cursor(query.Order.PositionOf(found[size-1]))}, nil
}

// Ping implements storage.Engine.
func (m *Memory) Ping(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ready(ctx, storage.KindMeta)
}

// Close implements storage.Engine. The documents are gone.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func (m *Memory) ready(ctx context.Context, kind storage.Kind) error {
	if _, known := m.docs[kind]; !known {
		return fmt.Errorf("%w: unknown kind %q", storage.ErrInvalid, kind)
	}
	if m.closed {
		return fmt.Errorf("%w: storagetest: the engine is closed", storage.ErrUnavailable)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, context.Cause(ctx))
	}
	return nil
}

func (m *Memory) live(kind storage.Kind, id string) (storage.Document, bool) {
	doc, ok := m.docs[kind][id]
	if ok && !doc.ExpiresAt.IsZero() && !m.now().Before(doc.ExpiresAt) {
		return storage.Document{}, false
	}
	return doc, ok
}

func (m *Memory) put(doc storage.Document) string {
	m.revision++
	doc = clone(doc)
	doc.Rev = strconv.Itoa(m.revision)
	doc.ExpiresAt, doc.CreatedAt, doc.DueAt = storage.Instant(doc.ExpiresAt), storage.Instant(doc.CreatedAt), storage.Instant(doc.DueAt)
	m.docs[doc.Kind][doc.ID] = doc
	return doc.Rev
}

func matches(doc storage.Document, query storage.Query) bool {
	switch query.Order {
	case storage.ByCreated, storage.ByCreatedDescending:
		return doc.Owner == query.Owner
	case storage.ByName:
		return doc.Owner == query.Owner && strings.HasPrefix(doc.Name, query.Prefix)
	case storage.ByDue:
		return !doc.DueAt.IsZero() && !doc.DueAt.After(query.DueBefore)
	default:
		return true
	}
}

// compare orders positions as a list in this order does.
func compare(order storage.Order, a, b storage.Position) int {
	ascending := cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	if order == storage.ByCreatedDescending {
		return -ascending
	}
	return ascending
}

func clone(doc storage.Document) storage.Document {
	doc.Body = bytes.Clone(doc.Body)
	return doc
}
