package keys

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// CachedKeys is this process's copy of the keys of one directory and algorithm.
type CachedKeys struct {
	Directory string
	Algorithm string
	// ReadAt is when the store was last read for it.
	ReadAt time.Time
	// DueAt is when the next step of rotation should be prepared; zero is never.
	DueAt time.Time
	// Keys are in the order in which they sign.
	Keys []Key
}

// CachedKeys returns the cached copies of all directories, for monitoring. It does not read the store.
func (r *Ring) CachedKeys() []CachedKeys {
	now := r.config.Now()
	var all []CachedKeys
	for id, copied := range r.cache.all() {
		directory, name, _ := strings.Cut(id, "/")
		record := copied.value.record
		one := CachedKeys{Directory: directory, Algorithm: name, ReadAt: copied.readAt, DueAt: r.config.Schedule.due(record, now)}
		for _, key := range copied.value.keys {
			one.Keys = append(one.Keys, keyOf(record, key.public.KeyID, now))
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b CachedKeys) int {
		return cmp.Or(cmp.Compare(a.Directory, b.Directory), cmp.Compare(a.Algorithm, b.Algorithm))
	})
	return all
}
