package deployment

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/minifed/minifed/storage"
)

// ErrUnfinishedImport says that the store holds a part of an export.
var ErrUnfinishedImport = errors.New("an import into this store has not finished")

// UnfinishedImport returns errUnfinishedImport, with the command that finishes the import, if one has begun and not finished.
func UnfinishedImport(ctx context.Context, engine storage.Engine) error {
	entry, err := storage.Get[storage.Importing](ctx, engine, storage.ImportingID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	begun := entry.Record
	return fmt.Errorf("%w: it holds a part of %s alone (begun %s). Finish it: minifed import %s",
		ErrUnfinishedImport, begun.File, begun.StartedAt.Format("2006-01-02 15:04 MST"), shellQuoted(begun.File))
}

// shellQuoted returns a path as a shell takes it.
func shellQuoted(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
