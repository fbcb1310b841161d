package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/minifed/minifed/storage"
)

const (
	// readBackTimeout bounds the read of a write's outcome, because the time of the write itself may be over.
	readBackTimeout = 3 * time.Second
	// firstPause doubles up to longestPause: two seconds in all.
	firstPause   = 2 * time.Millisecond
	longestPause = time.Second
)

// Insert implements storage.Engine by a plain insert, unless an expired leftover has the _id. Then it uses an upsert whose
// filter matches only the leftover, so that the server rejects a second document with the _id of a live one.
func (e *Engine) Insert(ctx context.Context, doc storage.Document) (string, error) {
	first := true
	return e.write(ctx, write{
		operation: "insert", doc: doc, lost: storage.ErrExists,
		attempt: func(ctx context.Context, c collection, stored record) (bool, error) {
			if first {
				first = false
				_, err := c.InsertOne(ctx, stored)
				return err == nil, err
			}
			filter := bson.D{{Key: "_id", Value: doc.ID}, {Key: "expires_at", Value: bson.D{{Key: "$lte", Value: e.options.Now()}}}}
			_, err := c.ReplaceOne(ctx, filter, stored, options.Replace().SetUpsert(true))
			return err == nil, err
		},
		undone: func(_ storage.Document, err error) bool { return errors.Is(err, storage.ErrNotFound) },
	})
}

// Replace implements storage.Engine.
func (e *Engine) Replace(ctx context.Context, doc storage.Document) (string, error) {
	return e.write(ctx, write{
		operation: "replace", doc: doc, lost: storage.ErrConflict,
		attempt: func(ctx context.Context, c collection, stored record) (bool, error) {
			filter := append(bson.D{{Key: "_id", Value: doc.ID}, {Key: "rev", Value: doc.Rev}}, live(e.options.Now())...)
			result, err := c.ReplaceOne(ctx, filter, stored)
			return err == nil && result.MatchedCount == 1, err
		},
		undone: func(found storage.Document, err error) bool { return err == nil && found.Rev == doc.Rev },
	})
}

// write is an insert or a replacement.
type write struct {
	operation string
	doc       storage.Document
	// lost is the error when another writer was first.
	lost error
	// attempt executes it, and reports whether the server says that it was applied.
	attempt func(context.Context, collection, record) (bool, error)
	// undone reports whether what a read found is what was there before the write.
	undone func(storage.Document, error) bool
}

// write executes a write, and reads the document back unless the server confirms the write. The revision of this write means
// won, even if the response was lost; another document means lost.
//
// The previous state means that no readable write was applied yet. Then the write is repeated for a moment if that can help:
// the response was lost, the primary changes, or the conflicting document is on the primary and not yet on the majority. In the
// last case a caller that got ErrConflict would read the old document again. A repetition is harmless, because it names the
// revision that it replaces and has its own. After that moment the outcome is unknown, because the server may still execute the
// command.
func (e *Engine) write(ctx context.Context, w write) (string, error) {
	c, stored, err := e.prepare(w.doc)
	if err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", e.unavailable(w.operation, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		applied, cause := w.attempt(ctx, c, stored)
		if applied {
			return stored.Rev, nil
		}
		if unsent(cause) {
			return "", e.unavailable(w.operation, cause)
		}
		found, err := e.readBack(ctx, c, w.doc)
		switch {
		case err == nil && found.Rev == stored.Rev:
			return stored.Rev, nil
		case !w.undone(found, err) && (err == nil || errors.Is(err, storage.ErrNotFound)):
			return "", w.lost
		case err != nil && !errors.Is(err, storage.ErrNotFound) && rejected(cause):
			return "", err // The write says nothing, the read says why.
		case err != nil && !errors.Is(err, storage.ErrNotFound), !hopeful(cause), pause > longestPause, !wait(ctx, pause):
			return "", e.unavailable(w.operation, cause)
		}
	}
}

// readBack reads a document after a write of it, also when the caller has canceled, because a known outcome is better than a
// guess.
func (e *Engine) readBack(ctx context.Context, c collection, doc storage.Document) (storage.Document, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readBackTimeout)
	defer cancel()
	return e.find(ctx, c.Collection, doc.Kind, doc.ID)
}

// Delete implements storage.Engine.
func (e *Engine) Delete(ctx context.Context, kind storage.Kind, id string) error {
	c, err := e.collection(kind)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		_, err := c.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}})
		if err == nil {
			return nil
		}
		if !hopeful(err) || pause > longestPause || !wait(ctx, pause) {
			return e.unavailable("delete", err)
		}
	}
}

// rejected reports whether the server executed a write without effect, because of a conflict.
func rejected(err error) bool { return err == nil || mongo.IsDuplicateKeyError(err) }

// hopeful reports whether an attempt that was not applied, as far as can be read, may be applied or become readable in a
// moment. A nil error is a filter that matched nothing.
func hopeful(err error) bool {
	var exception mongo.WriteException
	var labelled mongo.LabeledError
	switch {
	case rejected(err), mongo.IsNetworkError(err):
		return true
	case errors.As(err, &exception) && exception.WriteConcernError != nil:
		return true
	default:
		return errors.As(err, &labelled) && labelled.HasErrorLabel("RetryableWriteError")
	}
}

// wait waits, or reports false when ctx ends first.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
