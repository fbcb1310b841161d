package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/minifed/minifed/cmd/minifed/internal/archive"
	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// importers is the number of documents that are written or compared at once, so that an engine can commit many together.
const importers = 64

func newImport(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	force := false
	command := &cobra.Command{
		Use:     "import FILE",
		Example: "  minifed import /var/backups/minifed-2026-01-31.export\n  MINIFED_STORAGE_URI=mongodb://db1,db2,db3/minifed?replicaSet=rs0 minifed import store.export",
		Args:    exactly("argument.export"),
		RunE: func(command *cobra.Command, args []string) error {
			held, err := importFrom(command.Context(), d, args[0], force)
			if err != nil {
				return err
			}
			return d.done(moved{args[0], held}, "%d documents of %s are in the store, read back and compared (SHA-256 of all: %s).",
				held.Documents, args[0], held.Digest)
		},
	}
	command.Flags().BoolVar(&force, "force", false, "")
	return command
}

func importFrom(ctx context.Context, d *operatorEnv, path string, force bool) (held archive.Contents, err error) {
	// 1. Read the configuration, the master key and the whole file.
	config, err := d.load(d.Console)
	if err != nil {
		return archive.Contents{}, err
	}
	location, err := config.StoreLocation()
	if err != nil {
		return archive.Contents{}, err
	}
	master, _, err := deployment.OpenMasterKey(d.Console, config, location, false)
	if err != nil {
		return archive.Contents{}, err
	}
	job := &importJob{Console: d.Console, path: path, master: master, force: force}
	apps, directories := miniPrograms{}, importedDirectories{}
	visit := func(doc storage.Document) error { return errors.Join(apps.add(doc), directories.add(doc)) }
	if held, err = job.read(visit); err != nil {
		return archive.Contents{}, err
	}
	// 2. Open the store as a server does, so that no server uses the same file.
	logger := slog.New(slog.NewTextHandler(d.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if job.engine, err = deployment.OpenEngine(ctx, d.Console, storage.NewClock(d.Now), location, deployment.Purpose{Serve: true, Logger: logger}); err != nil {
		return archive.Contents{}, err
	}
	defer func() { err = errors.Join(err, job.engine.Close()) }()
	if err := job.mayWrite(ctx, held); err != nil {
		return archive.Contents{}, err
	}
	if err := errors.Join(apps.check(ctx, job.engine), directories.check(ctx, job.engine)); err != nil {
		return archive.Contents{}, err
	}
	// 3. Write and compare. The store is marked meanwhile.
	if err := job.begin(ctx, held); err != nil {
		return archive.Contents{}, err
	}
	if err := job.each(ctx, "imported", job.write); err != nil {
		return archive.Contents{}, fmt.Errorf("%w; the same command continues the import", err)
	}
	if err := job.each(ctx, "compared", job.compare); err != nil {
		return archive.Contents{}, err
	}
	return held, job.finish(ctx)
}

// importJob is one import.
type importJob struct {
	*console.Console
	path   string
	master *keys.Master
	engine storage.Engine
	force  bool
}

// read visits all documents of the file.
func (j *importJob) read(visit func(storage.Document) error) (archive.Contents, error) {
	file, err := os.Open(j.path)
	if err != nil {
		return archive.Contents{}, err
	}
	held, err := archive.Read(file, j.master, visit)
	if errors.Is(err, archive.ErrInvalid) {
		err = fmt.Errorf("%s: %w", j.path, err)
	}
	return held, errors.Join(err, file.Close())
}

// mayWrite rejects a store that has another master key or, without --force, any document.
func (j *importJob) mayWrite(ctx context.Context, held archive.Contents) error {
	_, err := j.engine.Get(ctx, storage.KindMeta, storage.MasterCheckID)
	if err == nil {
		err = keys.CheckMaster(ctx, j.engine, j.master)
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	continues, err := j.continues(ctx, held)
	if err != nil {
		return err
	}
	if j.force = j.force || continues; j.force {
		return nil
	}
	for _, kind := range deployment.Kinds() {
		page, err := j.engine.List(ctx, storage.Query{Kind: kind, Order: storage.ByID, Limit: 2})
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			if !isInitial(doc) {
				return fmt.Errorf("the store is not empty, it has %s: import into a new store, or use --force to replace documents with the same ID", kind)
			}
		}
	}
	return nil
}

// isInitial reports whether a document is one that every command writes to a new store.
func isInitial(doc storage.Document) bool {
	return doc.Kind == storage.KindMeta && doc.ID == storage.MasterCheckID
}

// each calls do for every document of the file that has not expired, several at once.
func (j *importJob) each(ctx context.Context, verb string, do func(context.Context, storage.Document) error) error {
	reported := newProgress(j.Console, verb)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importers)
	_, err := j.read(func(doc storage.Document) error {
		reported.step(doc.Kind)
		if !j.expired(doc) {
			group.Go(func() error { return do(ctx, doc) })
		}
		return ctx.Err()
	})
	if failure := group.Wait(); failure != nil {
		return failure // This is why the reading stopped.
	}
	return err
}

func (j *importJob) expired(doc storage.Document) bool {
	return !doc.ExpiresAt.IsZero() && !j.Now().Before(doc.ExpiresAt)
}

// write stores one document, and replaces the one with its ID if that is allowed.
func (j *importJob) write(ctx context.Context, doc storage.Document) error {
	for {
		_, err := j.engine.Insert(ctx, doc)
		if !errors.Is(err, storage.ErrExists) {
			return err
		}
		if !j.force && !isInitial(doc) {
			return fmt.Errorf("another process writes to %s of this store: stop all servers of the store", doc.Kind)
		}
		there, err := j.engine.Get(ctx, doc.Kind, doc.ID)
		if errors.Is(err, storage.ErrNotFound) {
			continue // It expired, or another process deleted it.
		}
		if err != nil || same(there, doc) {
			return err
		}
		doc.Rev = there.Rev
		if _, err = j.engine.Replace(ctx, doc); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

// compare reads one document back.
func (j *importJob) compare(ctx context.Context, doc storage.Document) error {
	there, err := j.engine.Get(ctx, doc.Kind, doc.ID)
	if errors.Is(err, storage.ErrNotFound) && j.expired(doc) {
		return nil
	}
	if errors.Is(err, storage.ErrNotFound) || err == nil && !same(there, doc) {
		return fmt.Errorf("a document of %s differs between the store and the file: another process writes to this store, or its disk is damaged; do not use the store", doc.Kind)
	}
	return err
}

// same reports whether two documents have the same content. Engines may write JSON in another form.
func same(a, b storage.Document) bool {
	return a.Owner == b.Owner && a.Name == b.Name && a.ExpiresAt.Equal(b.ExpiresAt) && a.CreatedAt.Equal(b.CreatedAt) &&
		a.DueAt.Equal(b.DueAt) && (bytes.Equal(a.Body, b.Body) || sameJSON(a.Body, b.Body))
}

func sameJSON(a, b []byte) bool {
	one, errOne := decodeJSON(a)
	other, errOther := decodeJSON(b)
	return errOne == nil && errOther == nil && reflect.DeepEqual(one, other)
}

// decodeJSON decodes JSON, with numbers as their digits.
func decodeJSON(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}
