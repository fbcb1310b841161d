package storage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound says that no live document has this ID.
	ErrNotFound = errors.New("storage: not found")
	// ErrExists says that an insert lost: a live document has this ID already.
	ErrExists = errors.New("storage: exists")
	// ErrConflict says that a replacement lost: the document changed, expired or went since it was read.
	ErrConflict = errors.New("storage: conflict")
	// ErrUnavailable says that the engine cannot be reached, or that the outcome of a write could not be found out.
	ErrUnavailable = errors.New("storage: unavailable")
	// ErrNewerVersion says that a newer version of minifed wrote this record in a way this one does not understand.
	ErrNewerVersion = errors.New("storage: record of a newer version")
	// ErrTooLarge says that a document exceeds MaxBody.
	ErrTooLarge = errors.New("storage: document too large")
	// ErrInvalid means that a document or a query is invalid: an unknown kind, an ID that is empty or too long, a cursor of
	// another list, a negative limit.
	ErrInvalid = errors.New("storage: invalid")
)

// MaxBody bounds a document's body, in bytes. Lists inside records are bounded so that it is never reached.
const MaxBody = 16 << 10

// MaxID bounds a document's ID, in bytes.
const MaxID = 512

// Document is a record as an engine sees it: an ID, a body, and the few values that lists and expiry go by.
type Document struct {
	Kind Kind
	// ID is unique within Kind and 1 to MaxID bytes.
	ID string
	// Rev is the revision that the engine gave at the last write. Replace compares it.
	Rev string
	// ExpiresAt is when the document ceases to exist; zero is never.
	ExpiresAt time.Time
	// Owner is the value of the index (Owner, CreatedAt, ID): the directory or the user's key; "" for directories.
	Owner string
	// Name is the value of the index (Owner, Name, ID); only kinds that are searched by name have one.
	Name string
	// CreatedAt is when the record came into being.
	CreatedAt time.Time
	// DueAt is the value of the index (DueAt, ID): when a worker should look at the record; zero is never.
	DueAt time.Time
	// Body is a JSON object. An engine preserves its members, texts and the digits of its numbers; spacing, escapes and the order
	// of members may change.
	Body []byte
}

// Validate returns ErrInvalid or ErrTooLarge, wrapped, for a document that no engine stores. The engine checks the kind.
func (d Document) Validate() error {
	if d.ID == "" || len(d.ID) > MaxID {
		return fmt.Errorf("%w: an ID of %d bytes", ErrInvalid, len(d.ID))
	}
	if len(d.Body) > MaxBody {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(d.Body))
	}
	return nil
}

// Engine stores documents. Implementations are safe for concurrent use, and hold no reference to a Body that they received or
// returned. Every method returns ErrUnavailable (wrapped) when the engine cannot be reached or ctx ends first. An error's text
// never contains an ID or a value. Expired documents are absent in every method.
type Engine interface {
	// Get returns the document, or ErrNotFound.
	Get(ctx context.Context, kind Kind, id string) (Document, error)
	// Insert stores a new document and returns its revision. It returns ErrExists if an unexpired one has the ID, and replaces an
	// expired one in the same statement. doc.Rev is ignored.
	Insert(ctx context.Context, doc Document) (rev string, err error)
	// Replace stores doc if the unexpired document with its ID still has revision doc.Rev, and returns the new revision.
	// Otherwise it returns ErrConflict, also if there is no such document.
	Replace(ctx context.Context, doc Document) (rev string, err error)
	// Delete removes the document; one that is not there is no error.
	Delete(ctx context.Context, kind Kind, id string) error
	// List returns one page of a kind in the order of an index. It serves pages, operators and workers, and may be slower
	// and staler than the other methods.
	List(ctx context.Context, query Query) (Page, error)
	// Ping returns nil when the engine could serve a read now.
	Ping(ctx context.Context) error
	// Close releases the engine after the writes it accepted.
	Close() error
}

// Instant returns t as documents keep it: in UTC, cut to milliseconds.
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
