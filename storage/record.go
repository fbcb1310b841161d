package storage

import (
	"context"
	"fmt"
)

// Record is a Go value that is stored as one document.
type Record interface {
	// Document returns the record's kind, ID and index values, without Rev and Body. The kind must not depend on the value.
	Document() Document
}

// Entry is a record together with the document it was read from or written as, so that it can be replaced.
type Entry[R Record] struct {
	// Record is the value. It may be changed freely; Replace takes the value to store.
	Record R
	doc    Document
}

// Reader reads one document: an Engine, or a file of which only single documents are read.
type Reader interface {
	// Get returns the document, or ErrNotFound.
	Get(ctx context.Context, kind Kind, id string) (Document, error)
}

// Get returns the record with this ID, or ErrNotFound, or ErrNewerVersion.
func Get[R Record](ctx context.Context, reader Reader, id string) (*Entry[R], error) {
	var zero R
	doc, err := reader.Get(ctx, zero.Document().Kind, id)
	if err != nil {
		return nil, err
	}
	return entry[R](doc)
}

// Insert stores a new record, or returns ErrExists.
func Insert[R Record](ctx context.Context, engine Engine, record R) (*Entry[R], error) {
	doc := record.Document()
	body, err := Encode(record, nil)
	if err != nil {
		return nil, err
	}
	doc.Body = body
	if doc.Rev, err = engine.Insert(ctx, doc); err != nil {
		return nil, err
	}
	return &Entry[R]{Record: record, doc: doc}, nil
}

// Replace stores next instead of e if the document has not changed since e was read, and returns ErrConflict otherwise. Unknown
// members of the document are preserved. e itself is unchanged.
func (e *Entry[R]) Replace(ctx context.Context, engine Engine, next R) (*Entry[R], error) {
	doc := next.Document()
	if doc.Kind != e.doc.Kind || doc.ID != e.doc.ID {
		return nil, fmt.Errorf("storage: a %s record cannot take another one's place", doc.Kind)
	}
	body, err := Encode(next, e.doc.Body)
	if err != nil {
		return nil, err
	}
	doc.Body, doc.Rev = body, e.doc.Rev
	if doc.Rev, err = engine.Replace(ctx, doc); err != nil {
		return nil, err
	}
	return &Entry[R]{Record: next, doc: doc}, nil
}

// Revision is the revision that the engine gave this record; two equal revisions are the same write.
func (e *Entry[R]) Revision() string { return e.doc.Rev }

// HasName reports whether the document is listed by the name that the record has now. The name of an earlier version may differ.
func (e *Entry[R]) HasName() bool { return e.doc.Name == e.Record.Document().Name }

// List returns one page of records and the cursor of the next page. Query.Kind is set from R.
func List[R Record](ctx context.Context, engine Engine, query Query) (entries []*Entry[R], next string, err error) {
	var zero R
	query.Kind = zero.Document().Kind
	page, err := engine.List(ctx, query)
	if err != nil {
		return nil, "", err
	}
	entries = make([]*Entry[R], 0, len(page.Documents))
	for _, doc := range page.Documents {
		e, err := entry[R](doc)
		if err != nil {
			return nil, "", err
		}
		entries = append(entries, e)
	}
	return entries, page.Next, nil
}

func entry[R Record](doc Document) (*Entry[R], error) {
	e := &Entry[R]{doc: doc}
	if err := Decode(doc.Body, &e.Record); err != nil {
		return nil, err
	}
	return e, nil
}
