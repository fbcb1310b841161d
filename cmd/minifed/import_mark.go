package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/minifed/minifed/storage"
)

// errUnfinishedImport says that the store holds a part of an export.
var errUnfinishedImport = errors.New("an import into this store has not finished")

// unfinishedImport returns errUnfinishedImport, with the command that finishes the import, if one has begun and not finished.
func unfinishedImport(ctx context.Context, engine storage.Engine) error {
	entry, err := storage.Get[storage.Importing](ctx, engine, storage.ImportingID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	begun := entry.Record
	return fmt.Errorf("%w: it holds a part of %s alone (begun %s). Finish it: minifed import %s",
		errUnfinishedImport, begun.File, begun.StartedAt.Format("2006-01-02 15:04 MST"), shellQuoted(begun.File))
}

// begin marks the store: from now on it is not served until the import has finished. An import that was interrupted goes on with
// the same file, and needs no --force for that.
func (j *importJob) begin(ctx context.Context, held contents) error {
	path, err := filepath.Abs(j.path)
	if err != nil {
		return err
	}
	mark := storage.Importing{File: path, Digest: held.Digest, StartedAt: storage.Instant(j.now())}
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
func (j *importJob) continues(ctx context.Context, held contents) (bool, error) {
	entry, err := storage.Get[storage.Importing](ctx, j.engine, storage.ImportingID)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if entry.Record.Digest != held.Digest && !j.force {
		return false, fmt.Errorf("%w: it holds a part of another file, %s. Import that one, or say --force to write this one over it",
			errUnfinishedImport, entry.Record.File)
	}
	return true, nil
}

// shellQuoted returns a path as a shell takes it.
func shellQuoted(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
