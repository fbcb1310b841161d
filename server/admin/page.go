package admin

import (
	"context"

	"github.com/minifed/minifed/storage"
)

// Page asks for one page of a list. The zero value is the first page of 100.
type Page struct {
	// After is where the page before said that this one begins.
	After string
	// Limit bounds the page; 0 is 100, and more than storage.MaxPage is that.
	Limit int
}

func (p Page) query(owner string, order storage.Order) storage.Query {
	return storage.Query{Owner: owner, Order: order, After: p.After, Limit: p.Limit}
}

// list reads one page of records.
func list[R storage.Record](ctx context.Context, s *Service, query storage.Query) (records []R, next string, err error) {
	entries, next, err := storage.List[R](ctx, s.config.Engine, query)
	if err != nil {
		return nil, "", err
	}
	records = make([]R, len(entries))
	for i, entry := range entries {
		records[i] = entry.Record
	}
	return records, next, nil
}
