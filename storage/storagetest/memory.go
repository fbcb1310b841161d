package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

// Memory is a storage.Engine that keeps documents in a map. Use NewMemory.
type Memory struct {
	now func() time.Time

	mu       sync.Mutex
	revision int                                          // guarded by mu
	docs     map[storage.Kind]map[string]storage.Document // guarded by mu
}

var _ storage.Engine = (*Memory)(nil)

// NewMemory returns an empty engine; now is the clock that expiry goes by.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, docs: map[storage.Kind]map[string]storage.Document{}}
}

// Get implements storage.Engine.
func (m *Memory) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	if err := ended(ctx); err != nil {
		return storage.Document{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	doc, ok := m.live(kind, id)
	if !ok {
		return storage.Document{}, storage.ErrNotFound
	}
	return clone(doc), nil
}

// Insert implements storage.Engine.
func (m *Memory) Insert(ctx context.Context, doc storage.Document) (string, error) {
	if err := ended(ctx); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.live(doc.Kind, doc.ID); ok {
		return "", storage.ErrExists
	}
	return m.put(doc), nil
}

// Replace implements storage.Engine.
func (m *Memory) Replace(ctx context.Context, doc storage.Document) (string, error) {
	if err := ended(ctx); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if current, ok := m.live(doc.Kind, doc.ID); !ok || current.Rev != doc.Rev {
		return "", storage.ErrConflict
	}
	return m.put(doc), nil
}

// Delete implements storage.Engine.
func (m *Memory) Delete(ctx context.Context, kind storage.Kind, id string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.docs[kind], id)
	return nil
}

// List implements storage.Engine.
func (m *Memory) List(ctx context.Context, query storage.Query) (storage.Page, error) {
	if err := ended(ctx); err != nil {
		return storage.Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	limit := cmp.Or(query.Limit, 100)
	var found []storage.Document
	for id := range m.docs[query.Kind] {
		if doc, ok := m.live(query.Kind, id); ok && matches(doc, query) {
			found = append(found, clone(doc))
		}
	}
	slices.SortFunc(found, func(a, b storage.Document) int {
		return compare(query.Order, cursor(a, query.Order), cursor(b, query.Order))
	})
	if query.After != "" {
		start, _ := slices.BinarySearchFunc(found, query.After, func(doc storage.Document, after string) int {
			if compare(query.Order, cursor(doc, query.Order), after) <= 0 {
				return -1
			}
			return 1
		})
		found = found[start:]
	}
	if len(found) <= limit {
		return storage.Page{Documents: found}, nil
	}
	return storage.Page{Documents: found[:limit], Next: cursor(found[limit-1], query.Order)}, nil
}

// Ping implements storage.Engine.
func (m *Memory) Ping(ctx context.Context) error { return ended(ctx) }

// Close implements storage.Engine.
func (m *Memory) Close() error { return nil }

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
	if m.docs[doc.Kind] == nil {
		m.docs[doc.Kind] = map[string]storage.Document{}
	}
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

// cursor is a string that sorts as the order does (except for its direction).
func cursor(doc storage.Document, order storage.Order) string {
	switch order {
	case storage.ByCreated, storage.ByCreatedDescending:
		return fmt.Sprintf("%020d\x00%s", doc.CreatedAt.UnixMilli()+1<<50, doc.ID)
	case storage.ByName:
		return doc.Name + "\x00" + doc.ID
	case storage.ByDue:
		return fmt.Sprintf("%020d\x00%s", doc.DueAt.UnixMilli()+1<<50, doc.ID)
	default:
		return doc.ID
	}
}

func compare(order storage.Order, a, b string) int {
	if order == storage.ByCreatedDescending {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

func clone(doc storage.Document) storage.Document {
	doc.Body = bytes.Clone(doc.Body)
	return doc
}

func ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", storage.ErrUnavailable, context.Cause(ctx))
	}
	return nil
}
