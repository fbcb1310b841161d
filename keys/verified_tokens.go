package keys

import (
	"crypto/sha256"
	"sync"
)

// verifiedTokens remembers the digests of tokens whose signature was good: at least the last limit of them and at most
// twice as many. It says nothing of their claims, nor of whether they were revoked.
type verifiedTokens struct {
	limit int

	mu sync.Mutex
	// recent fills up, then takes the place of older; both guarded by mu.
	recent, older map[[sha256.Size]byte]struct{}
}

// newVerifiedTokens returns nil for a limit that is not positive.
func newVerifiedTokens(limit int) *verifiedTokens {
	if limit <= 0 {
		return nil
	}
	return &verifiedTokens{limit: limit, recent: map[[sha256.Size]byte]struct{}{}}
}

func (v *verifiedTokens) has(sum [sha256.Size]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.recent[sum]; ok {
		return true
	}
	_, ok := v.older[sum]
	return ok
}

func (v *verifiedTokens) add(sum [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.recent) >= v.limit {
		v.older, v.recent = v.recent, make(map[[sha256.Size]byte]struct{}, v.limit)
	}
	v.recent[sum] = struct{}{}
}
