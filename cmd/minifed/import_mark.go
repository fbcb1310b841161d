package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/minifed/minifed/cmd/minifed/internal/archive"
	"github.com/minifed/minifed/cmd/minifed/internal/deployment"
	"github.com/minifed/minifed/storage"
)

// begin marks the store, so that no server starts on it before the import has finished. An interrupted import continues with the same
// file, without --force.
func (j *importJob) begin(ctx context.Context, held archive.Contents) error {
	path, err := filepath.Abs(j.path)
	if err != nil {
		return err
	}
	mark := storage.Importing{File: path, Digest: held.Digest, StartedAt: storage.Instant(j.Now())}
	_, err = storage.Insert(ctx, j.engine, mark)
	if !errors.Is(err, storage.ErrExists) {
		return err
	}
	entry, err := storage.Get[storage.Importing](ctx, j.engine, storage.ImportingID)
	if err != nil {
		return err
	}
	_, err = entry.Replace(ctx, j.engine, mark)
	return err
}

// finish removes the mark.
func (j *importJob) finish(ctx context.Context) error {
	return j.engine.Delete(ctx, storage.KindMeta, storage.ImportingID)
}

// continues reports whether an import of the same documents has begun in this store. Another file needs --force.
func (j *importJob) continues(ctx context.Context, held archive.Contents) (bool, error) {
	entry, err := storage.Get[storage.Importing](ctx, j.engine, storage.ImportingID)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if entry.Record.Digest != held.Digest && !j.force {
		return false, fmt.Errorf("%w: the store holds a part of another file, %s. Import that file, or use --force to replace it with this one",
			deployment.ErrUnfinishedImport, entry.Record.File)
	}
	return true, nil
}
