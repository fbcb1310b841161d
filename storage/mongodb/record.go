package mongodb

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/minifed/minifed/storage"
)

// record is a document as it is stored: what lists and expiry go by, and the record's own members below "record".
type record struct {
	ID        string     `bson:"_id"`
	Rev       string     `bson:"rev"`
	Owner     string     `bson:"owner"`
	Name      string     `bson:"name,omitempty"`
	CreatedAt time.Time  `bson:"created_at"`
	DueAt     *time.Time `bson:"due_at,omitempty"`
	// ExpiresAt is what the TTL index goes by; a document without one stays.
	ExpiresAt *time.Time `bson:"expires_at,omitempty"`
	Record    bson.Raw   `bson:"record"`
}

func newRecord(doc storage.Document) (record, error) {
	body, err := toBSON(doc.Body)
	if err != nil {
		return record{}, err
	}
	return record{
		ID: doc.ID, Owner: doc.Owner, Name: doc.Name, CreatedAt: storage.Instant(doc.CreatedAt),
		DueAt: instant(doc.DueAt), ExpiresAt: instant(doc.ExpiresAt), Record: body,
	}, nil
}

func (r record) document(kind storage.Kind) (storage.Document, error) {
	body, err := toJSON(r.Record)
	if err != nil {
		return storage.Document{}, err
	}
	return storage.Document{
		Kind: kind, ID: r.ID, Rev: r.Rev, Owner: r.Owner, Name: r.Name, CreatedAt: r.CreatedAt.UTC(),
		DueAt: orZero(r.DueAt), ExpiresAt: orZero(r.ExpiresAt), Body: body,
	}, nil
}

func (r record) expired(now time.Time) bool { return r.ExpiresAt != nil && !now.Before(*r.ExpiresAt) }

// live is the filter of documents that are not expired.
func live(now time.Time) bson.D {
	return bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "expires_at", Value: bson.D{{Key: "$exists", Value: false}}}},
		bson.D{{Key: "expires_at", Value: bson.D{{Key: "$gt", Value: now}}}},
	}}}
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = storage.Instant(t)
	return &t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
