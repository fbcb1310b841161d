package keys

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Held is this process's copy of the keys of one directory and algorithm.
type Held struct {
	Directory string
	Algorithm string
	// ReadAt is when the store was last read for it.
	ReadAt time.Time
	// DueAt is when the next step of rotation should be prepared; zero is never.
	DueAt time.Time
	// Keys are in the order in which they sign.
	Keys []Key
}

// Held returns the cached copies of all directories, for monitoring. It does not read the store.
func (r *Ring) Held() []Held {
	now := r.config.Now()
	var all []Held
	for id, copied := range r.copies.all() {
		directory, name, _ := strings.Cut(id, "/")
		record := copied.value.record
		one := Held{Directory: directory, Algorithm: name, ReadAt: copied.readAt, DueAt: r.config.Schedule.due(record, now)}
		for _, key := range copied.value.keys {
			one.Keys = append(one.Keys, keyOf(record, key.public.KeyID, now))
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Directory, b.Directory), cmp.Compare(a.Algorithm, b.Algorithm))
	})
	return all
}
