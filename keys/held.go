package keys

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// Held is this process's copy of the keys of one directory and algorithm.
type Held struct {
	Directory string
	Algorithm string
	// ReadAt is when the store was last read for it.
	ReadAt time.Time
	// DueAt is when the next step of rotation should be prepared; zero is never.
	DueAt time.Time
	// Keys are in the order in which they sign; a copy does not know when they were published.
	Keys []Key
}

// Held returns the copies of all directories, for whoever watches them. It does not ask the store.
func (r *Ring) Held() []Held {
	now := r.config.Now()
	var all []Held
	for id, copied := range r.copies.all() {
		directory, name, _ := strings.Cut(id, "/")
		one := Held{Directory: directory, Algorithm: name, ReadAt: copied.readAt, DueAt: copied.value.dueAt}
		for _, key := range copied.value.keys {
			times := storage.SigningKey{SignAt: key.signAt, RetireAt: key.retireAt, RemoveAt: key.removeAt, ForgetAt: key.forgetAt}
			record := storage.SigningKeys{Directory: directory, Algorithm: name, Keys: map[string]storage.SigningKey{key.public.KeyID: times}}
			one.Keys = append(one.Keys, keyOf(record, key.public.KeyID, now))
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Directory, b.Directory), cmp.Compare(a.Algorithm, b.Algorithm))
	})
	return all
}
