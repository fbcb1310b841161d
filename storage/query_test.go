package storage_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

func TestCursor_ReturnsToItsPosition(t *testing.T) {
	at := time.Date(1969, 12, 31, 23, 59, 59, 999_000_000, time.UTC)
	doc := storage.Document{ID: "a/b\x00中", Name: "n\xff", CreatedAt: at, DueAt: at.AddDate(1000, 0, 0)}
	for order, want := range map[storage.Order]storage.Position{
		storage.ByID:                {ID: doc.ID},
		storage.ByCreated:           {ID: doc.ID, Time: doc.CreatedAt},
		storage.ByCreatedDescending: {ID: doc.ID, Time: doc.CreatedAt},
		storage.ByName:              {ID: doc.ID, Name: doc.Name},
		storage.ByDue:               {ID: doc.ID, Time: doc.DueAt},
	} {
		query := storage.Query{Order: order, After: order.Cursor(order.PositionOf(doc))}
		got, err := query.Start()
		if err != nil || *got != want {
			t.Errorf("order %d: got %+v, %v, want %+v", order, got, err, want)
		}
		if err := query.Validate(); err != nil {
			t.Errorf("order %d: %v", order, err)
		}
		query.Order = (order + 1) % 5
		if _, err := query.Start(); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("order %d: a cursor of order %d gives %v", query.Order, order, err)
		}
	}
}

func TestDocument_InvalidIsRejected(t *testing.T) {
	for name, row := range map[string]struct {
		doc  storage.Document
		want error
	}{
		"good":           {storage.Document{ID: strings.Repeat("x", storage.MaxID), Body: make([]byte, storage.MaxBody)}, nil},
		"without ID":     {storage.Document{}, storage.ErrInvalid},
		"with a long ID": {storage.Document{ID: strings.Repeat("x", storage.MaxID+1)}, storage.ErrInvalid},
		"too large":      {storage.Document{ID: "x", Body: make([]byte, storage.MaxBody+1)}, storage.ErrTooLarge},
	} {
		if err := row.doc.Validate(); !errors.Is(err, row.want) {
			t.Errorf("a document %s: got %v, want %v", name, err, row.want)
		}
	}
}

func FuzzCursor(f *testing.F) {
	doc := storage.Document{ID: "id", Name: "name", CreatedAt: time.UnixMilli(1700000000000)}
	for order := storage.ByID; order <= storage.ByDue; order++ {
		f.Add(int(order), order.Cursor(order.PositionOf(doc)))
	}
	f.Fuzz(func(t *testing.T, order int, cursor string) {
		query := storage.Query{Order: storage.Order(order), After: cursor}
		start, err := query.Start()
		if err != nil {
			if !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("error %v", err)
			}
			return
		}
		if start == nil {
			return
		}
		query.After = query.Order.Cursor(*start)
		if again, err := query.Start(); err != nil || *again != *start {
			t.Errorf("position %+v became %+v, %v", start, again, err)
		}
	})
}
