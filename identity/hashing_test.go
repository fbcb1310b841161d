package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
)

func TestHashingWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := newHasher(Argon2{Memory: 8, Time: 1, Threads: 1}, 2, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := h.hash(t.Context(), "password")
		if err != nil {
			t.Fatal(err)
		}
		h.slots <- struct{}{}
		h.slots <- struct{}{}
		verified := false
		go func() {
			right, err := h.verify(t.Context(), "password", hash)
			verified = right && err == nil
		}()
		synctest.Wait()
		if verified {
			t.Error("a third password was hashed beside two")
		}
		<-h.slots
		synctest.Wait()
		if !verified {
			t.Error("its turn came, and it was not verified")
		}
	})
}

func TestHashingGivesUpWithTheCaller(t *testing.T) {
	h, err := newHasher(Argon2{}, 1, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.hash(ctx, "password"); !errors.Is(err, ErrBusy) {
		t.Errorf("hash: %v", err)
	}
	if right, err := h.verify(ctx, "password", h.decoy); right || !errors.Is(err, ErrBusy) {
		t.Errorf("verify: %t, %v", right, err)
	}
}
