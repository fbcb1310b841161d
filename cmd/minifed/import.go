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

// importers is how many documents are written or read back at once, so that an engine can commit many together.
const importers = 64

func newImport(c *console.Console, flags *settings) *cobra.Command {
	d := &operatorEnv{Console: c, settings: flags}
	force := false
	command := &cobra.Command{
		Use:   "import FILE",
		Short: "Read an export into the store that the configuration names",
		Long: `Reads a file that "export" made into the store that the configuration names, which is made if it is not there. The file is checked as a
whole before anything is written, and every document is read back and compared afterwards. The master key must be the one that the
export was made with.

While an import has not finished, the store is marked, and every other command but "doctor" refuses it. The same command goes on with
an import that was interrupted.

A store that holds anything else is refused. --force imports all the same: documents of the file take the place of those with the
same ID, and others stay. Run it while no server uses the store. The public URL and the default directory that the exported store was
served with are in the file: where the configuration has others, "serve" and "doctor" warn that refresh tokens end.`,
		Example: "  minifed import /var/backups/minifed-2026-01-31.export\n  MINIFED_STORAGE_URI=mongodb://db1,db2,db3/minifed?replicaSet=rs0 minifed import store.export",
		Args:    exactly("a file that `minifed export` made"),
		RunE: func(command *cobra.Command, args []string) error {
			held, err := importFrom(command.Context(), d, args[0], force)
			if err != nil {
				return err
			}
			return d.done(moved{args[0], held}, "%d documents of %s are in the store, read back and compared (SHA-256 of them all %s).",
				held.Documents, args[0], held.Digest)
		},
	}
	command.Flags().BoolVar(&force, "force", false, "import into a store that holds something, over documents with the same IDs")
	return command
}

func importFrom(ctx context.Context, d *operatorEnv, path string, force bool) (held archive.Contents, err error) {
	// 1. The configuration, the master key, and the whole file.
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
	apps := miniPrograms{}
	if held, err = job.read(apps.add); err != nil {
		return archive.Contents{}, err
	}
	// 2. The store, claimed like a server's so that none runs on the file.
	logger := slog.New(slog.NewTextHandler(d.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if job.engine, err = deployment.OpenEngine(ctx, d.Console, storage.NewClock(d.Now), location, deployment.Purpose{Serve: true, Logger: logger}); err != nil {
		return archive.Contents{}, err
	}
	defer func() { err = errors.Join(err, job.engine.Close()) }()
	if err := job.mayWrite(ctx, held); err != nil {
		return archive.Contents{}, err
	}
	if err := apps.check(ctx, job.engine); err != nil {
		return archive.Contents{}, err
	}
	// 3. Write, and read back. The store is marked meanwhile.
	if err := job.begin(ctx, held); err != nil {
		return archive.Contents{}, err
	}
	if err := job.each(ctx, "imported", job.write); err != nil {
		return archive.Contents{}, fmt.Errorf("%w; the same command goes on", err)
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

// read runs through the file.
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

// mayWrite refuses a store that is somebody's: one with another master key, or, without --force, with any document.
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
	for _, kind := range kinds() {
		page, err := j.engine.List(ctx, storage.Query{Kind: kind, Order: storage.ByID, Limit: 2})
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			if !ownedByNobody(doc) {
				return fmt.Errorf("the store is not empty, it has %s: import into a new one, or say --force to write over what has the same IDs", kind)
			}
		}
	}
	return nil
}

// ownedByNobody reports whether a document is only what any command leaves in a new store.
func ownedByNobody(doc storage.Document) bool {
	return doc.Kind == storage.KindMeta && doc.ID == storage.MasterCheckID
}

// each does one thing with every document of the file that has not expired, several at once.
func (j *importJob) each(ctx context.Context, verb string, do func(context.Context, storage.Document) error) error {
	told := newProgress(j.Console, verb)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importers)
	_, err := j.read(func(doc storage.Document) error {
		told.step(doc.Kind)
		if !j.expired(doc) {
			group.Go(func() error { return do(ctx, doc) })
		}
		return ctx.Err()
	})
	if failure := group.Wait(); failure != nil {
		return failure // The file was left because of it.
	}
	return err
}

func (j *importJob) expired(doc storage.Document) bool {
	return !doc.ExpiresAt.IsZero() && !j.Now().Before(doc.ExpiresAt)
}

// write stores one document, over the one with its ID where that is allowed.
func (j *importJob) write(ctx context.Context, doc storage.Document) error {
	for {
		_, err := j.engine.Insert(ctx, doc)
		if !errors.Is(err, storage.ErrExists) {
			return err
		}
		if !j.force && !ownedByNobody(doc) {
			return fmt.Errorf("somebody else writes to %s of this store: stop every server of it", doc.Kind)
		}
		there, err := j.engine.Get(ctx, doc.Kind, doc.ID)
		if errors.Is(err, storage.ErrNotFound) {
			continue // It expired, or somebody deleted it.
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
		return fmt.Errorf("a document of %s is not in the store as it is in the file: somebody else writes to this store, or its disk is bad; nothing may be served from it", doc.Kind)
	}
	return err
}

// same reports whether two documents say the same. Engines may write JSON in another way.
func same(a, b storage.Document) bool {
	return a.Owner == b.Owner && a.Name == b.Name && a.ExpiresAt.Equal(b.ExpiresAt) && a.CreatedAt.Equal(b.CreatedAt) &&
		a.DueAt.Equal(b.DueAt) && (bytes.Equal(a.Body, b.Body) || sameJSON(a.Body, b.Body))
}

func sameJSON(a, b []byte) bool {
	one, errOne := decodeJSON(a)
	other, errOther := decodeJSON(b)
	return errOne == nil && errOther == nil && reflect.DeepEqual(one, other)
}

// decodeJSON keeps the digits of numbers.
func decodeJSON(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}
