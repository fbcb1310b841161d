package identity

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
)

// idleBeforeRelease is how long no hash ends before their memory is returned to the operating system.
const idleBeforeRelease = time.Second

// Hashing computes argon2id hashes. It limits how many run at once and how much memory they use. One Hashing is shared by all
// hashes of a process: passwords of users and chosen secrets of clients. Other work that uses much memory for a short time can
// run within the same limits. It is safe for concurrent use.
type Hashing struct {
	slots  *semaphore.Weighted
	memory *semaphore.Weighted
	// limit is the size of memory in KiB.
	limit int64
	// garbage is the memory in KiB of hashes that ended since the last collection.
	garbage atomic.Int64
	collect func()
	// idle runs release after a time without hashes.
	idle    *time.Timer
	release func()
	derive  func(password, salt []byte, time, memory uint32, threads uint8, size uint32) []byte
}

// NewHashing returns a Hashing that runs at most atOnce hashes (0 is GOMAXPROCS), which together use at most memory bytes (0 is
// the memory of atOnce hashes of DefaultArgon2). A hash that needs more memory runs alone.
//
// The garbage collector runs after every memory bytes of finished hashes, so that the next hashes reuse the memory. Running and
// finished hashes together use at most twice that memory, for any setting of the collector. After a second without hashes their
// memory returns to the operating system: a collection during a hash counts its memory, and lets the heap grow in proportion.
func NewHashing(atOnce int, memory int64) *Hashing {
	if atOnce <= 0 {
		atOnce = runtime.GOMAXPROCS(0)
	}
	limit := memory >> 10
	if limit <= 0 {
		limit = int64(atOnce) * int64(DefaultArgon2().Memory)
	}
	h := &Hashing{
		slots: semaphore.NewWeighted(int64(atOnce)), memory: semaphore.NewWeighted(limit), limit: limit,
		collect: runtime.GC, release: debug.FreeOSMemory, derive: argon2.IDKey,
	}
	h.idle = time.AfterFunc(idleBeforeRelease, func() { h.release() })
	h.idle.Stop()
	return h
}

// Key returns the argon2id hash, of the length of with.Hash, of a secret with the parameters and the salt of with. It returns
// ErrBusy if ctx ends before the hash begins.
func (h *Hashing) Key(ctx context.Context, secret []byte, with PasswordHash) (key []byte, err error) {
	err = h.Run(ctx, int64(with.Memory), func() {
		key = h.derive(secret, with.Salt, with.Time, with.Memory, with.Threads, uint32(len(with.Hash)))
	})
	return key, err
}

// Run runs work that takes kib KiB of memory within the bounds of the hashes, as if it were one of them. It returns ErrBusy if
// ctx ends before the work begins.
func (h *Hashing) Run(ctx context.Context, kib int64, work func()) error {
	if err := h.slots.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
	}
	defer h.slots.Release(1)
	need := min(kib, h.limit)
	if err := h.memory.Acquire(ctx, need); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
	}
	defer h.memory.Release(need)
	work()
	h.idle.Reset(idleBeforeRelease)
	if h.garbage.Add(kib) >= h.limit {
		h.garbage.Store(0)
		h.collect()
	}
	return nil
}
