package audit

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// maxScanned bounds the entries that one page reads to find those of a filter.
const maxScanned = 4 * storage.MaxPage

// Filter selects entries; an empty field selects all.
type Filter struct {
	// Actor is who acted. "user:ID" also selects the user's sign-ins and links.
	Actor string
	// Action is an action, or the beginning of actions if it ends with ".".
	Action string
	// Target is what was acted on. "user:ID" and "client:ID" also select sign-ins.
	Target string
	// From and Until bound the time; Until is excluded.
	From, Until time.Time
}

// selects returns the entry with the matching sign-ins alone, or false.
func (f Filter) selects(e storage.AuditEntry) (storage.AuditEntry, bool) {
	if !f.From.IsZero() && e.CreatedAt.Before(f.From) || !f.Until.IsZero() && !e.CreatedAt.Before(f.Until) {
		return e, false
	}
	if f.Action != "" && f.Action != e.Action && (!strings.HasSuffix(f.Action, ".") || !strings.HasPrefix(e.Action, f.Action)) {
		return e, false
	}
	if !isBatch(e) {
		return e, (f.Actor == "" || f.Actor == e.Actor) && (f.Target == "" || f.Target == e.Target)
	}
	if f.Actor == "" && f.Target == "" {
		return e, true
	}
	e.SignIns = slices.DeleteFunc(slices.Clone(e.SignIns), func(s storage.SignIn) bool {
		user, client := "user:"+s.User, "client:"+s.Client
		return f.Actor != "" && f.Actor != user || f.Target != "" && f.Target != user && f.Target != client
	})
	return e, len(e.SignIns) > 0 || f.Actor == e.Actor && f.Target == "" || f.Actor == "" && f.Target == e.Target
}

// List returns one page of a directory's entries, newest first, and where the next page begins. A page may have fewer entries than
// limit, or none, and still not be the last one: one call reads a bounded number of entries.
func List(ctx context.Context, engine storage.Engine, directory string, filter Filter, after string, limit int) (entries []storage.AuditEntry, next string, err error) {
	query := storage.Query{Order: storage.ByCreatedDescending, Owner: directory, After: after, Limit: limit}
	if after == "" && !filter.Until.IsZero() {
		query.After = storage.ByCreatedDescending.Cursor(storage.Position{Time: filter.Until})
	}
	limit = query.PageSize()
	entries = []storage.AuditEntry{}
	for scanned := 0; ; {
		page, next, err := storage.List[storage.AuditEntry](ctx, engine, query)
		if err != nil {
			return nil, "", err
		}
		for i, entry := range page {
			if entry.Record.CreatedAt.Before(filter.From) {
				return entries, "", nil
			}
			if selected, ok := filter.selects(entry.Record); ok {
				entries = append(entries, selected)
			}
			if len(entries) == limit && (i < len(page)-1 || next != "") {
				return entries, query.Order.Cursor(query.Order.PositionOf(entry.Record.Document())), nil
			}
		}
		if scanned += len(page); next == "" || scanned >= maxScanned {
			return entries, next, nil
		}
		query.After, query.Limit = next, storage.MaxPage
	}
}

// Each visits the entries of a directory, oldest first, or those of all directories, chain by chain, if it is empty.
func Each(ctx context.Context, engine storage.Engine, directory string, filter Filter, visit func(storage.AuditEntry) error) error {
	query := storage.Query{Order: storage.ByID, Limit: storage.MaxPage}
	if directory != "" {
		query.Order, query.Owner = storage.ByCreated, directory
		if !filter.From.IsZero() {
			query.After = storage.ByCreated.Cursor(storage.Position{Time: filter.From})
		}
	}
	return each(ctx, engine, query, func(entry storage.AuditEntry) error {
		if selected, ok := filter.selects(entry); ok {
			return visit(selected)
		}
		return nil
	})
}
