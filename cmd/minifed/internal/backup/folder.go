package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// stampLayout is the time in the name of a backup, in UTC. Names sort by time.
	stampLayout = "20060102T150405Z"
	extension   = ".db"
	// unfinishedMark follows the name of a backup until it is finished and checked.
	unfinishedMark = ".unfinished"
)

// Folder is the folder with the backups of one store. Their names begin with the name of the store's file, so that other files in the
// folder stay.
type Folder struct{ Path, prefix string }

// NewFolder returns the folder at path for the store in a file.
func NewFolder(path, store string) Folder {
	return Folder{path, strings.TrimSuffix(filepath.Base(store), extension) + "-"}
}

// File is a finished backup.
type File struct {
	Path    string    `json:"file"`
	TakenAt time.Time `json:"taken_at"`
	Bytes   int64     `json:"bytes"`
}

// List returns the backups in the folder, the oldest first. A folder that does not exist has none.
func (f Folder) List() ([]File, error) {
	entries, err := os.ReadDir(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("backup: %w", err)
	}
	files := []File{}
	for _, entry := range entries {
		taken, ok := f.timeOf(entry.Name())
		if !ok {
			continue
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() { // It was removed meanwhile, or is no backup.
			continue
		}
		files = append(files, File{filepath.Join(f.Path, entry.Name()), taken, info.Size()})
	}
	slices.SortFunc(files, func(a, b File) int { return a.TakenAt.Compare(b.TakenAt) })
	return files, nil
}

// Last returns the newest backup, zero without one. Those that a clock ahead of ours dated in the future do not count.
func (f Folder) Last(now time.Time) (File, error) {
	files, err := f.List()
	for _, file := range slices.Backward(files) {
		if !file.TakenAt.After(now.Add(time.Minute)) {
			return file, err
		}
	}
	return File{}, err
}

// name returns the path of the backup of a time.
func (f Folder) name(at time.Time) string {
	return filepath.Join(f.Path, f.prefix+at.UTC().Format(stampLayout)+extension)
}

// timeOf returns the time in the name of a backup, and whether the name is one.
func (f Folder) timeOf(name string) (time.Time, bool) {
	stamp, ok := strings.CutPrefix(name, f.prefix)
	if !ok {
		return time.Time{}, false
	}
	if stamp, ok = strings.CutSuffix(stamp, extension); !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(stampLayout, stamp)
	return at, err == nil
}

// prune removes all but the newest keep backups.
func (f Folder) prune(keep int) error {
	files, err := f.List()
	for _, file := range files[:max(0, len(files)-keep)] {
		err = errors.Join(err, os.Remove(file.Path))
	}
	return err
}

// clean removes what killed processes left.
func (f Folder) clean() error {
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	for _, entry := range entries {
		if name, _, unfinished := strings.Cut(entry.Name(), unfinishedMark); unfinished {
			if _, ours := f.timeOf(name); ours {
				err = errors.Join(err, os.Remove(filepath.Join(f.Path, entry.Name())))
			}
		}
	}
	return err
}
