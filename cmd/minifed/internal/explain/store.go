package explain

import (
	"errors"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/backup"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/sqlite"
)

// storeProblem returns the operator's error for a store that cannot be used; nil for any other error.
func storeProblem(err error) *locale.Problem {
	if file, ok := errors.AsType[*sqlite.FileError](err); ok {
		return fileProblem(file)
	}
	if missing, ok := errors.AsType[*keys.MissingKeyError](err); ok {
		return &locale.Problem{What: locale.Text("masterkey.missing_id", missing.KeyID), Remedy: locale.Text("masterkey.remedy")}
	}
	if space, ok := errors.AsType[*backup.SpaceError](err); ok {
		return &locale.Problem{What: locale.Text("backup.space", space.Free>>20, space.Needed>>20), Remedy: locale.Text("backup.space.remedy")}
	}
	switch {
	case errors.Is(err, sqlite.ErrInUse):
		return &locale.Problem{What: locale.Text("backup.in_use"), Cause: err, Remedy: locale.Text("backup.in_use.remedy")}
	case errors.Is(err, sqlite.ErrEmptyFile), errors.Is(err, backup.ErrNoStore):
		return &locale.Problem{What: locale.Text("backup.empty"), Cause: err, Remedy: locale.Text("backup.empty.remedy")}
	case errors.Is(err, sqlite.ErrServed):
		return &locale.Problem{What: locale.Text("store.served"), Remedy: locale.Text("store.served.remedy")}
	case errors.Is(err, sqlite.ErrOldSchema):
		return &locale.Problem{What: locale.Text("store.older"), Remedy: locale.Text("store.older.remedy")}
	case errors.Is(err, storage.ErrNewerVersion):
		return &locale.Problem{What: locale.Text("store.newer"), Cause: bare(err), Remedy: locale.Text("store.newer.remedy")}
	case errors.Is(err, keys.ErrClock):
		return &locale.Problem{What: locale.Text("clock.differs"), Remedy: locale.Text("clock.remedy")}
	case errors.Is(err, keys.ErrSealed):
		return &locale.Problem{What: locale.Text("masterkey.sealed"), Remedy: locale.Text("masterkey.remedy")}
	case errors.Is(err, storage.ErrUnavailable):
		return &locale.Problem{What: locale.Text("store.unavailable"), Cause: bare(err), Remedy: locale.Text("store.unavailable.remedy")}
	default:
		return nil
	}
}

// bare returns an error without the text of its sentinel, which the operator reads in other words.
func bare(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), storage.ErrUnavailable.Error()+": "))
}

// fileProblem returns the operator's error for a SQLite file.
func fileProblem(e *sqlite.FileError) *locale.Problem {
	problem := &locale.Problem{What: locale.Text("sqlite.failed", e.Path), Cause: e.Err, Remedy: locale.Text("sqlite.failed.remedy")}
	switch e.Reason {
	case sqlite.FileFull:
		problem.What, problem.Remedy = locale.Text("sqlite.full", e.Path), locale.Text("sqlite.full.remedy")
	case sqlite.FileReadOnly:
		problem.What, problem.Remedy = locale.Text("sqlite.read_only", e.Path), locale.Text("sqlite.read_only.remedy")
	case sqlite.FileUnopened:
		problem.What, problem.Remedy = locale.Text("sqlite.unopened", e.Path), locale.Text("sqlite.unopened.remedy")
	case sqlite.FileLocked:
		problem.What, problem.Remedy = locale.Text("sqlite.locked", e.Path), locale.Text("sqlite.locked.remedy")
	case sqlite.FileUnreadable:
		problem.What, problem.Remedy = locale.Text("sqlite.unreadable", e.Path), locale.Text("sqlite.unreadable.remedy")
	case sqlite.FileDamaged:
		problem.What, problem.Remedy = locale.Text("sqlite.damaged", e.Path), locale.Text("sqlite.damaged.remedy")
	case sqlite.FileUnshared:
		problem.What, problem.Remedy = locale.Text("sqlite.unshared", e.Path), locale.Text("sqlite.unshared.remedy")
	case sqlite.FileForeign:
		problem.What, problem.Remedy = locale.Text("sqlite.foreign", e.Path), locale.Text("sqlite.foreign.remedy")
	case sqlite.FileFailed:
	}
	return problem
}
