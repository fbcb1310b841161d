package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"time"

	"github.com/minifed/minifed/storage"
)

// scan builds a document from the columns rev, expires_at, owner, name, created_at, due_at and body.
func (e *Engine) scan(kind storage.Kind, id string, row []driver.Value) (storage.Document, error) {
	rev, okRev := row[0].(int64)
	owner, okOwner := row[2].(string)
	name, okName := row[3].(string)
	created, okCreated := row[4].(int64)
	packed, okBody := row[6].([]byte)
	body, err := e.bodies.unpack(packed, id, owner)
	if err != nil || !okRev || !okOwner || !okName || !okCreated || !okBody {
		return storage.Document{}, fmt.Errorf("%w: storage/sqlite: a row of %s is damaged", storage.ErrUnavailable, kind)
	}
	return storage.Document{
		Kind: kind, ID: id, Rev: formatRevision(rev), ExpiresAt: instant(row[1]), Owner: owner, Name: name,
		CreatedAt: time.UnixMilli(created).UTC(), DueAt: instant(row[5]), Body: body,
	}, nil
}

// instant reads a nullable time.
func instant(value driver.Value) time.Time {
	millis, ok := value.(int64)
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// nullable is the column value of a time whose zero means never.
func nullable(t time.Time) driver.Value {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func formatRevision(rev int64) string { return strconv.FormatUint(uint64(rev), 36) }

// parseRevision returns NULL, which equals nothing, for a text that is no revision of this engine.
func parseRevision(text string) driver.Value {
	rev, err := strconv.ParseUint(text, 36, 64)
	if err != nil || formatRevision(int64(rev)) != text {
		return nil
	}
	return int64(rev)
}
