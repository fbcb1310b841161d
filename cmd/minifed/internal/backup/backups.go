package backup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage/sqlite"
)

// Store is a store that can be copied while it is used.
type Store interface {
	// Backup writes a copy to a new file.
	Backup(ctx context.Context, file string) error
}

// Config configures Backups.
type Config struct {
	Store  Store
	Folder Folder
	// File is the file of the store, whose size is about that of a backup.
	File   string
	Master *keys.Master
	// Every is the time between two backups, and Keep how many stay.
	Every time.Duration
	Keep  int

	Now func() time.Time
	// After is time.After.
	After  func(time.Duration) <-chan time.Time
	Random io.Reader
	Logger *slog.Logger
	// FreeSpace returns how many bytes a folder has left.
	FreeSpace func(folder string) (uint64, error)
	// Explain returns an error in the words for operators.
	Explain func(error) string
}

// Backups takes backups from time to time.
type Backups struct {
	Config
	mu      sync.Mutex
	last    File
	failure Failure
	taken   int
	failed  int
}

// Failure is the last backup that failed; zero if none has failed since the last good one.
type Failure struct {
	At     time.Time
	Reason string
}

// New returns the backups of a store. The newest one in the folder counts as the last.
func New(c Config) (*Backups, error) {
	last, err := c.Folder.Last(c.Now())
	return &Backups{Config: c, last: last}, err
}

// State returns the last good backup, zero without one, and the failure after it.
func (b *Backups) State() (last File, failure Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last, b.failure
}

const (
	// firstAfter is the time until the first backup of a store, and the time until a failed one is tried again.
	firstAfter = 5 * time.Minute
	// jitter is the part of the interval by which a backup may be early, so that many servers on one disk do not copy at once.
	jitter = 60
)

// Run takes backups until ctx ends.
func (b *Backups) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.After(b.wait()):
			b.take(ctx)
		}
	}
}

// wait returns the time until the next backup.
func (b *Backups) wait() time.Duration {
	last, failure := b.State()
	soon, early := min(b.Every, firstAfter), b.random(b.Every/jitter)
	left := last.TakenAt.Add(b.Every).Sub(b.Now())
	switch {
	case last.TakenAt.IsZero(), !failure.At.IsZero():
		return soon - b.random(soon/2)
	case left > 0:
		return left - min(left, early)
	default: // It is overdue since before the start.
		return early
	}
}

// random returns a duration below limit.
func (b *Backups) random(limit time.Duration) time.Duration {
	var raw [8]byte
	if _, err := io.ReadFull(b.Random, raw[:]); err != nil || limit <= 0 {
		return 0
	}
	return time.Duration(binary.BigEndian.Uint64(raw[:]) % uint64(limit))
}

// take takes a backup, and logs and records what came of it.
func (b *Backups) take(ctx context.Context) {
	started := b.Now()
	file, err := b.copy(ctx, started)
	if ctx.Err() != nil { // The server stops.
		return
	}
	b.record(started, file, err)
	if err != nil {
		b.Logger.Error("the backup of the store failed; it is tried again", "cause", b.Explain(err), "folder", b.Folder.Path)
		return
	}
	b.Logger.Info("the store is backed up", "file", file.Path, "bytes", file.Bytes, "duration", b.Now().Sub(started))
	if err := b.Folder.prune(b.Keep); err != nil {
		b.Logger.Warn("old backups could not be removed", "cause", b.Explain(err), "folder", b.Folder.Path)
	}
}

func (b *Backups) record(at time.Time, file File, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.failed++
		b.failure = Failure{at, b.Explain(err)}
		return
	}
	b.taken++
	b.last, b.failure = file, Failure{}
}

// copy writes a backup under another name, checks it, and then gives it its name.
func (b *Backups) copy(ctx context.Context, at time.Time) (File, error) {
	if err := os.MkdirAll(b.Folder.Path, 0o700); err != nil {
		return File{}, fmt.Errorf("backup: %w", err)
	}
	if err := b.Folder.clean(); err != nil {
		return File{}, err
	}
	if err := b.checkSpace(); err != nil {
		return File{}, err
	}
	name := b.Folder.name(at)
	unfinished := name + unfinishedMark
	err := b.Store.Backup(ctx, unfinished)
	if err == nil {
		err = CheckFile(ctx, unfinished, b.Master)
	}
	if err == nil {
		err = os.Rename(unfinished, name)
	}
	if err != nil {
		return File{}, errors.Join(err, b.Folder.clean())
	}
	sqlite.SyncFolder(b.Folder.Path)
	info, err := os.Stat(name)
	if err != nil {
		return File{}, fmt.Errorf("backup: %w", err)
	}
	return File{name, at.UTC().Truncate(time.Second), info.Size()}, nil
}

// SpaceError means that a backup would leave too little space on the disk.
type SpaceError struct{ Free, Needed uint64 }

// Error implements error.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("backup: %d MB are free, and a backup needs %d MB", e.Free>>20, e.Needed>>20)
}

// reserve is the space that a backup leaves for the store in any case.
const reserve = 64 << 20

// Needed returns how much free space a backup of a store needs: its size, a fifth more, and a reserve.
func Needed(store string) uint64 {
	info, err := os.Stat(store)
	if err != nil {
		return reserve
	}
	return uint64(info.Size()) + uint64(info.Size())/5 + reserve
}

// checkSpace returns a *SpaceError if a backup could fill the disk: the store may be on the same one.
func (b *Backups) checkSpace() error {
	free, err := b.FreeSpace(b.Folder.Path)
	if needed := Needed(b.File); err == nil && free < needed { // An unknown size prevents nothing.
		return &SpaceError{free, needed}
	}
	return nil
}
