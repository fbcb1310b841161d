package storage

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf8"
)

// MaxPage bounds the documents of one Page.
const MaxPage = 500

// Order names the index that a list follows. Equal values are ordered by ID. Text is compared byte by byte.
type Order int

const (
	// ByID lists a whole kind by ID; Owner is ignored. An engine may list grants in another fixed order.
	ByID Order = iota
	// ByCreated lists the documents of Query.Owner, oldest first.
	ByCreated
	// ByCreatedDescending lists the documents of Query.Owner, newest first.
	ByCreatedDescending
	// ByName lists the documents of Query.Owner whose Name starts with Query.Prefix, by name.
	ByName
	// ByDue lists the documents whose DueAt is set and not after Query.DueBefore, earliest first; Owner is ignored.
	ByDue
)

// Query asks for one page of a list.
type Query struct {
	Kind  Kind
	Order Order
	Owner string
	// Prefix is UTF-8.
	Prefix    string
	DueBefore time.Time
	// After is the Next of the page before; empty starts at the beginning.
	After string
	// Limit bounds the page: 1 to MaxPage; 0 is 100. A larger page is cut to MaxPage.
	Limit int
}

// Page is one page of a list.
type Page struct {
	Documents []Document
	// Next continues the list; it is opaque, and empty on the last page.
	Next string
}

// Validate returns ErrInvalid, wrapped, for an invalid query. The engine checks the kind.
func (q Query) Validate() error {
	if q.Order < ByID || q.Order > ByDue {
		return fmt.Errorf("%w: unknown order %d", ErrInvalid, q.Order)
	}
	if q.Limit < 0 {
		return fmt.Errorf("%w: a limit of %d", ErrInvalid, q.Limit)
	}
	if !utf8.ValidString(q.Prefix) {
		return fmt.Errorf("%w: the prefix is not UTF-8", ErrInvalid)
	}
	_, err := q.Start()
	return err
}

// PageSize is the number of documents that a page of the query holds at most.
func (q Query) PageSize() int {
	if q.Limit == 0 {
		return 100
	}
	return min(q.Limit, MaxPage)
}

// Position is a document's place in the order of a list. Engines make Page.Next of the last document's position.
type Position struct {
	// Time is the CreatedAt or DueAt that the list is ordered by; zero for the other orders.
	Time time.Time
	// Name is set for ByName.
	Name string
	ID   string
}

// PositionOf returns the place of doc in the order o.
func (o Order) PositionOf(doc Document) Position {
	switch o {
	case ByCreated, ByCreatedDescending:
		return Position{Time: Instant(doc.CreatedAt), ID: doc.ID}
	case ByName:
		return Position{Name: doc.Name, ID: doc.ID}
	case ByDue:
		return Position{Time: Instant(doc.DueAt), ID: doc.ID}
	default:
		return Position{ID: doc.ID}
	}
}

// Cursor encodes a position for Page.Next.
func (o Order) Cursor(position Position) string {
	buf := make([]byte, 0, 16+len(position.Name)+len(position.ID))
	buf = append(buf, byte(o))
	buf = binary.AppendVarint(buf, position.Time.UnixMilli())
	buf = binary.AppendUvarint(buf, uint64(len(position.Name)))
	buf = append(buf, position.Name...)
	buf = append(buf, position.ID...)
	return base64.RawURLEncoding.EncodeToString(buf)
}

// Start returns the position before the page, or nil for the first page. It returns ErrInvalid, wrapped, if After is not a cursor
// of this order.
func (q Query) Start() (*Position, error) {
	if q.After == "" {
		return nil, nil
	}
	invalid := fmt.Errorf("%w: not a cursor of this list", ErrInvalid)
	buf, err := base64.RawURLEncoding.DecodeString(q.After)
	if err != nil || len(buf) == 0 || Order(buf[0]) != q.Order {
		return nil, invalid
	}
	millis, n := binary.Varint(buf[1:])
	if n <= 0 {
		return nil, invalid
	}
	buf = buf[1+n:]
	length, n := binary.Uvarint(buf)
	if n <= 0 || length > uint64(len(buf)-n) {
		return nil, invalid
	}
	buf = buf[n:]
	return &Position{Time: time.UnixMilli(millis).UTC(), Name: string(buf[:length]), ID: string(buf[length:])}, nil
}
