package deployment

import (
	"context"
	"errors"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/storage"
)

// ErrUnfinishedImport is the error for a store that contains only a part of an export.
var ErrUnfinishedImport = errors.New("an import into this store has not finished")

// UnfinishedImport returns an error with the command that finishes an import that has begun and not finished; nil if there is none.
func UnfinishedImport(ctx context.Context, engine storage.Engine) error {
	entry, err := storage.Get[storage.Importing](ctx, engine, storage.ImportingID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	begun := entry.Record
	return &locale.Problem{
		What:   locale.Text("import.unfinished", begun.File, begun.StartedAt.Format("2006-01-02 15:04 MST")),
		Remedy: locale.Text("import.unfinished.remedy", shellQuoted(begun.File)),
	}
}

// shellQuoted returns a path as a shell takes it.
func shellQuoted(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
