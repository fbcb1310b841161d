package keys

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/minifed/minifed/storage"
)

var (
	// ErrStale means that this process's copy of the keys is too old to sign with; respond with 503.
	ErrStale = errors.New("keys: copy of the signing keys is too old")
	// ErrNoKey says that the directory has no key of the algorithm.
	ErrNoKey = errors.New("keys: no signing key")
	// ErrInvalid says that a token is not one that the directory signed.
	ErrInvalid = errors.New("keys: invalid token")
)

// Ring holds the signing keys of every directory: it signs, verifies, publishes and rotates. Copies of the keys are cached in
// memory and refreshed in the background, so a request waits for the store only if it contains an unknown key ID. It is safe for
// concurrent use.
type Ring struct {
	config   Config
	cache    *recordCache[storage.SigningKeys, *keySet]
	verified *verifiedTokens
	sets     sync.Map // directory → *publishedSet
}

var _ Signer = (*Ring)(nil)

// NewRing returns a Ring without copies: call Load before the first request, and Run as long as the process serves.
func NewRing(config Config) (*Ring, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	parse := func(record storage.SigningKeys) (*keySet, error) { return parseKeySet(config.Master, record) }
	return &Ring{
		config:   config,
		cache:    newRecordCache(config, parse),
		verified: newVerifiedTokens(config.VerifiedTokens),
	}, nil
}

// Load reads the keys of all directories.
func (r *Ring) Load(ctx context.Context) error { return r.cache.refresh(ctx) }

// Run refreshes the copies and prepares the steps of rotation that are due, until ctx ends.
func (r *Ring) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { r.cache.run(ctx, r.config.Schedule.Refresh, r.config.Random) })
	loops.Go(func() { r.runSteps(ctx) })
	loops.Wait()
}

// MaxAge is the max-age of the directory's JWK Set. It is zero when the cached copy is too old to sign with, so that no cache
// stores a set that may lack a key of other instances.
func (r *Ring) MaxAge(directory string) time.Duration {
	for _, name := range Algorithms() {
		if copied, ok := r.cache.get(storage.Key(directory, name)); ok && r.isStale(copied.readAt) {
			return 0
		}
	}
	return r.config.Schedule.MaxAge
}

func (r *Ring) isStale(readAt time.Time) bool {
	return r.cache.clock().Sub(readAt).Abs() > r.config.Schedule.stale()
}
