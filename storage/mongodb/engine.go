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
	// Logger logs messages for the operator; nil discards.
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
	// anonymous says that the URI names no user, tls that it asks for TLS.
	anonymous, tls bool
	swept          sweptKinds
}

// collection is one kind's collection, twice: the second reads linearizable.
type collection struct {
	*mongo.Collection
	linearizable *mongo.Collection
}

var _ storage.Engine = (*Engine)(nil)

// Open connects, creates the indexes that are missing, and returns the engine. If the URI weakens a guarantee, the error names
// the option. If the server cannot be reached, the error is storage.ErrUnavailable.
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
	engine := &Engine{
		options: opts, client: client, collections: map[storage.Kind]collection{}, anonymous: clientOptions.Auth == nil,
		tls: clientOptions.TLSConfig != nil,
	}
	db := client.Database(database)
	for kind := range storage.Kinds() {
		engine.collections[kind] = collection{
			Collection:   db.Collection(string(kind)),
			linearizable: db.Collection(string(kind), options.Collection().SetReadConcern(readconcern.Linearizable())),
		}
	}
	if err := engine.createIndexes(ctx); err != nil {
		return nil, errors.Join(err, engine.Close())
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

// Confirm is Get with read concern linearizable. It is slower, and never older than a write that was acknowledged before it,
// even when two servers act as the primary after a failover. Use it only to distinguish "never existed" from "not visible yet".
// A server without replicas does not support such reads and has no failover: there it is Get.
func (e *Engine) Confirm(ctx context.Context, kind storage.Kind, id string) (storage.Document, error) {
	c, err := e.collection(kind)
	if err != nil {
		return storage.Document{}, err
	}
	doc, err := e.find(ctx, c.linearizable, kind, id)
	if unknowing(err) {
		return e.find(ctx, c.Collection, kind, id)
	}
	return doc, err
}

// find reads one document.
func (e *Engine) find(ctx context.Context, from *mongo.Collection, kind storage.Kind, id string) (storage.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	var stored record
	err := from.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&stored)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return storage.Document{}, storage.ErrNotFound
	case err != nil:
		return storage.Document{}, e.unavailable("read", err)
	case stored.expired(e.options.Now()):
		return storage.Document{}, storage.ErrNotFound
	}
	return stored.document(kind)
}

// Ping implements storage.Engine: it asks the primary.
func (e *Engine) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	if err := e.client.Ping(ctx, readpref.Primary()); err != nil {
		return e.unavailable("ping", err)
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

func revision(random io.Reader) (string, error) {
	var raw [12]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("mongodb: random source: %w", err)
	}
	return bson.ObjectID(raw).Hex(), nil
}
