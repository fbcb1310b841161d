package identity

import (
	"context"
	"errors"

	"github.com/minifed/minifed/storage"
)

// Directories reads directories. A directory that gets the ID of a deleted one has none of its users: see storage.User.BelongsTo.
type Directories interface {
	// Directory returns a directory as it was at most some seconds ago, or storage.ErrNotFound.
	Directory(ctx context.Context, id string) (storage.Directory, error)
	// FreshDirectory returns a directory as it is now, or storage.ErrNotFound.
	FreshDirectory(ctx context.Context, id string) (storage.Directory, error)
}

// storedDirectories reads every directory from the store.
type storedDirectories struct{ engine storage.Engine }

func (d storedDirectories) Directory(ctx context.Context, id string) (storage.Directory, error) {
	return d.FreshDirectory(ctx, id)
}

func (d storedDirectories) FreshDirectory(ctx context.Context, id string) (storage.Directory, error) {
	entry, err := storage.Get[storage.Directory](ctx, d.engine, id)
	if err != nil {
		return storage.Directory{}, err
	}
	return entry.Record, nil
}

// incarnation returns the incarnation for a new user of a directory.
func (s *Service) incarnation(ctx context.Context, directory string) (string, error) {
	record, err := existing(s.directories.Directory(ctx, directory))
	return record.Incarnation, err
}

// belongs reports whether a user belongs to the directory that has the ID now. If the directory in memory is another one, it may
// be the deleted one, so the store decides.
func (s *Service) belongs(ctx context.Context, user storage.User) (bool, error) {
	directory, err := existing(s.directories.Directory(ctx, user.Directory))
	if err != nil || user.BelongsTo(directory) {
		return err == nil, err
	}
	directory, err = existing(s.directories.FreshDirectory(ctx, user.Directory))
	return err == nil && user.BelongsTo(directory), err
}

// existing returns the zero directory for a deleted one. No user with an incarnation belongs to it.
func existing(directory storage.Directory, err error) (storage.Directory, error) {
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Directory{}, nil
	}
	return directory, wrap("read directory", err)
}
