package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/minifed/minifed/storage"
)

// Options say which database to use. URI is required.
type Options struct {
	// URI is a mongodb:// or mongodb+srv:// connection string; its path names the database, "minifed" if it has none.
	URI string
	// Now is the clock that expiry goes by; nil is time.Now.
	Now func() time.Time
	// Random gives revisions; nil is crypto/rand.
	Random io.Reader
	// Logger hears what the operator should know; nil discards.
	Logger *slog.Logger
	// Timeout bounds one operation, in which the driver retries by itself; 0 is 10 s.
	Timeout time.Duration
	// Monitor sees every command; nil is none.
	Monitor *event.CommandMonitor
}

// Engine implements storage.Engine.
type Engine struct {
	options     Options
	client      *mongo.Client
	collections map[storage.Kind]collection
	sweeps      []storage.Kind // the kinds whose TTL index the server refused
}

// collection is one kind's collection, twice: the second reads linearizable.
type collection struct {
	*mongo.Collection
	linearizable *mongo.Collection
}

var _ storage.Engine = (*Engine)(nil)

// Open connects, creates the indexes that are missing, and returns the engine. It answers an error that names the option
// when the URI weakens what minifed relies on, and storage.ErrUnavailable when the server cannot be reached.
func Open(ctx context.Context, opts Options) (*Engine, error) {
	opts = withDefaults(opts)
	clientOptions, database, err := parse(opts)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(clientOptions)
	if err != nil {
		return nil, fmt.Errorf("mongodb: %w", err)
	}
	engine := &Engine{options: opts, client: client, collections: map[storage.Kind]collection{}}
	db := client.Database(database)
	for kind := range storage.Kinds() {
		engine.collections[kind] = collection{
			Collection:   db.Collection(string(kind)),
			linearizable: db.Collection(string(kind), options.Collection().SetReadConcern(readconcern.Linearizable())),
		}
	}
	if err := engine.createIndexes(ctx); err != nil {
		return nil, errors.Join(err, client.Disconnect(ctx))
	}
	return engine, nil
}

func withDefaults(opts Options) Options {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Timeout == 0 {
		opts.Timeout = 10 * time.Second
	}
	return opts
}

// Get implements storage.Engine.
func (e *Engine) Get(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	c, err := e.collection(kind)
	if err != nil {
		return storage.Document{}, err
	}
	return e.find(ctx, c.Collection, kind, id)
}

// Confirm is Get with read concern linearizable: slower, and never older than a write that was acknowledged before it, even
// around a failover. It is for the rare reader who must tell "never was" from "not seen yet".
func (e *Engine) Confirm(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	c, err := e.collection(kind)
	if err != nil {
		return storage.Document{}, err
	}
	return e.find(ctx, c.linearizable, kind, id)
}

func (e *Engine) find(ctx context.Context, from *mongo.Collection, kind storage.Kind, id string) (storage.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	var stored record
	err := from.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&stored)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return storage.Document{}, storage.ErrNotFound
	case err != nil:
		return storage.Document{}, unavailable("read", err)
	case stored.expired(e.options.Now()):
		return storage.Document{}, storage.ErrNotFound
	}
	return stored.document(kind)
}

// Insert implements storage.Engine. One upsert inserts, or takes the place of an expired leftover: the filter matches
// nothing but that, so over a live document the server refuses the second _id.
func (e *Engine) Insert(ctx context.Context, doc storage.Document) (string, error) {
	c, stored, err := e.prepare(doc)
	if err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", unavailable("insert", ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	filter := bson.D{{Key: "_id", Value: doc.ID}, {Key: "expires_at", Value: bson.D{{Key: "$lte", Value: e.options.Now()}}}}
	_, err = c.ReplaceOne(ctx, filter, stored, options.Replace().SetUpsert(true))
	switch {
	case err == nil:
		return stored.Rev, nil
	case mongo.IsDuplicateKeyError(err):
		return e.taken(ctx, c, doc, stored.Rev)
	default:
		return e.insertOutcome(ctx, c, doc, stored.Rev, err)
	}
}

// taken is what follows when the _id is there. The document may be our own, if the driver retried a write whose answer was
// lost; and one that is not yet committed by the majority cannot be read yet, although it is already in the way: then it is
// waited for, so that the caller can adopt what it lost to.
func (e *Engine) taken(ctx context.Context, c collection, doc storage.Document, rev string) (string, error) {
	for delay := 2 * time.Millisecond; ; delay *= 2 {
		found, err := e.find(ctx, c.Collection, doc.Kind, doc.ID)
		switch {
		case err == nil && found.Rev == rev:
			return rev, nil
		case err == nil:
			return "", storage.ErrExists
		case !errors.Is(err, storage.ErrNotFound):
			return "", err
		case !wait(ctx, delay) || delay > time.Second:
			return "", fmt.Errorf("%w: an insert lost to a document that cannot be read yet", storage.ErrUnavailable)
		}
	}
}

// insertOutcome reads once after an ambiguous error.
func (e *Engine) insertOutcome(ctx context.Context, c collection, doc storage.Document, rev string, cause error) (string, error) {
	found, err := e.find(e.afterwards(ctx), c.Collection, doc.Kind, doc.ID)
	switch {
	case err == nil && found.Rev == rev:
		return rev, nil
	case err == nil:
		return "", storage.ErrExists
	default:
		return "", unavailable("insert", cause)
	}
}

// Replace implements storage.Engine.
func (e *Engine) Replace(ctx context.Context, doc storage.Document) (string, error) {
	c, stored, err := e.prepare(doc)
	if err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", unavailable("replace", ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	filter := append(bson.D{{Key: "_id", Value: doc.ID}, {Key: "rev", Value: doc.Rev}}, live(e.options.Now())...)
	result, err := c.ReplaceOne(ctx, filter, stored)
	switch {
	case err != nil:
		return e.replaceOutcome(ctx, c, doc, stored.Rev, err)
	case result.MatchedCount == 1:
		return stored.Rev, nil
	default:
		// The driver retries a write whose answer was lost, and its second try finds the revision of the first.
		return e.replaceOutcome(ctx, c, doc, stored.Rev, nil)
	}
}

// replaceOutcome reads once to find out who won. The old revision after an error means unknown: the server may yet execute
// the command.
func (e *Engine) replaceOutcome(ctx context.Context, c collection, doc storage.Document, rev string, cause error) (string, error) {
	found, err := e.find(e.afterwards(ctx), c.Collection, doc.Kind, doc.ID)
	switch {
	case err == nil && found.Rev == rev:
		return rev, nil
	case err == nil && (cause == nil || found.Rev != doc.Rev), errors.Is(err, storage.ErrNotFound):
		return "", storage.ErrConflict
	case err == nil:
		return "", unavailable("replace", cause)
	default:
		return "", err
	}
}

// Delete implements storage.Engine.
func (e *Engine) Delete(ctx context.Context, kind storage.Kind, id string) error {
	c, err := e.collection(kind)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	if _, err := c.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}}); err != nil {
		return unavailable("delete", err)
	}
	return nil
}

// Ping implements storage.Engine: it asks the primary.
func (e *Engine) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	if err := e.client.Ping(ctx, readpref.Primary()); err != nil {
		return unavailable("ping", err)
	}
	return nil
}

// Close implements storage.Engine.
func (e *Engine) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), e.options.Timeout)
	defer cancel()
	return e.client.Disconnect(ctx)
}

// collection returns a kind's collection, or ErrInvalid.
func (e *Engine) collection(kind storage.Kind) (collection, error) {
	c, known := e.collections[kind]
	if !known {
		return collection{}, fmt.Errorf("%w: unknown kind", storage.ErrInvalid)
	}
	return c, nil
}

func (e *Engine) prepare(doc storage.Document) (collection, record, error) {
	if err := doc.Validate(); err != nil {
		return collection{}, record{}, err
	}
	c, err := e.collection(doc.Kind)
	if err != nil {
		return collection{}, record{}, err
	}
	stored, err := newRecord(doc)
	if err != nil {
		return collection{}, record{}, err
	}
	stored.Rev, err = revision(e.options.Random)
	return c, stored, err
}

// afterwards is a context for the one read that finds out what became of a write: the write's own may have ended.
func (e *Engine) afterwards(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// unavailable hides the driver's text, which may quote a document.
func unavailable(operation string, err error) error {
	cause := "server error"
	var command mongo.CommandError
	switch {
	case errors.Is(err, context.Canceled):
		cause = "the caller gave up"
	case mongo.IsTimeout(err):
		cause = "timeout"
	case mongo.IsNetworkError(err):
		cause = "network error"
	case errors.As(err, &command):
		cause = fmt.Sprintf("command error %d (%s)", command.Code, command.Name)
	}
	return fmt.Errorf("%w: mongodb: %s: %s", storage.ErrUnavailable, operation, cause)
}

func revision(random io.Reader) (string, error) {
	var raw [12]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("mongodb: random source: %w", err)
	}
	return bson.ObjectID(raw).Hex(), nil
}

func wait(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func concerns(clientOptions *options.ClientOptions) {
	clientOptions.SetReadPreference(readpref.Primary())
	clientOptions.SetReadConcern(readconcern.Majority())
	clientOptions.SetWriteConcern(writeconcern.Majority())
}
