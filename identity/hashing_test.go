package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hashes counts the memory of the hashes that run, and holds each until it is released.
type hashes struct {
	release chan struct{}
	running atomic.Int64 // in KiB
	ended   atomic.Int64
}

func (h *hashes) derive(_, _ []byte, _, memory uint32, _ uint8, size uint32) []byte {
	h.running.Add(int64(memory))
	<-h.release
	h.running.Add(-int64(memory))
	h.ended.Add(1)
	return make([]byte, size)
}

// hashesOf starts one hash of each memory, in KiB.
func hashesOf(t *testing.T, hashing *Hashing, memories ...uint32) *hashes {
	t.Helper()
	h := &hashes{release: make(chan struct{})}
	hashing.derive = h.derive
	for _, memory := range memories {
		go func() {
			_, err := hashing.Key(t.Context(), nil, PasswordHash{Argon2: Argon2{Memory: memory, Time: 1, Threads: 1}})
			if err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
	}
	return h
}

func TestHashing_BoundsConcurrentHashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hashesOf(t, NewHashing(2, 1<<20), 8, 8, 8)
		if got := h.running.Load(); got != 16 {
			t.Errorf("%d KiB are hashed with at once, want two hashes of 8", got)
		}
		close(h.release)
		synctest.Wait()
		if got := h.ended.Load(); got != 3 {
			t.Errorf("%d hashes ended, want 3", got)
		}
	})
}

func TestHashing_BoundsMemory(t *testing.T) {
	for name, c := range map[string]struct {
		memories []uint32
		want     int64
	}{
		"hashes that fit together":       {[]uint32{50, 50, 50}, 100},
		"a heavy one waits for the rest": {[]uint32{50, 100}, 50},
		"a single hash above the bound":  {[]uint32{500, 8}, 500},
		"one waits for a hash above it":  {[]uint32{8, 500}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hashesOf(t, NewHashing(64, 100<<10), c.memories...)
				if got := h.running.Load(); got != c.want {
					t.Errorf("%d KiB are hashed with at once, want %d", got, c.want)
				}
				close(h.release)
				synctest.Wait()
				if got := h.ended.Load(); got != int64(len(c.memories)) {
					t.Errorf("%d hashes ended, want %d", got, len(c.memories))
				}
			})
		})
	}
}

// The memory of finished hashes is reused, for any target of the garbage collector.
func TestHashing_CollectsFinishedHashes(t *testing.T) {
	h := NewHashing(1, 64<<10)
	collected := 0
	h.collect = func() { collected++ }
	for range 32 {
		if _, err := h.Key(t.Context(), []byte("secret"), PasswordHash{Argon2: Argon2{Memory: 16, Time: 1, Threads: 1}, Salt: make([]byte, 8), Hash: make([]byte, 16)}); err != nil {
			t.Fatal(err)
		}
	}
	if collected != 8 {
		t.Errorf("%d collections after 32 hashes of 16 KiB with 64 KiB, want 8", collected)
	}
}

// A hash of 19 MiB raises the target of the garbage collector, so that the heap stays large after the hash.
func TestHashing_ReleasesMemoryAfterTheLastHash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHashing(1, 1<<30)
		var released atomic.Int64
		h.release = func() { released.Add(1) }
		for range 3 {
			if err := h.Run(t.Context(), 16, func() {}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(idleBeforeRelease / 2)
		}
		if got := released.Load(); got != 0 {
			t.Errorf("%d releases between two hashes, want none", got)
		}
		time.Sleep(idleBeforeRelease)
		synctest.Wait()
		if got := released.Load(); got != 1 {
			t.Errorf("%d releases after the last hash, want one", got)
		}
	})
}

func TestHashing_EndsWithItsCaller(t *testing.T) {
	hasher, err := newHasher(Argon2{}, NewHashing(1, 0), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantBusy := func(missing string) {
		if _, err := hasher.hash(ctx, "password"); !errors.Is(err, ErrBusy) {
			t.Errorf("without %s: hash: %v", missing, err)
		}
		if right, err := hasher.verify(ctx, "password", hasher.dummy); right || !errors.Is(err, ErrBusy) {
			t.Errorf("without %s: verify: %t, %v", missing, right, err)
		}
	}
	if err := hasher.memory.Acquire(t.Context(), hasher.limit); err != nil {
		t.Fatal(err)
	}
	wantBusy("memory")
	if err := hasher.slots.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	wantBusy("a slot")
}
