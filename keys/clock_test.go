package keys

import (
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

const year = 365 * 24 * time.Hour

// newClockRing returns a ring whose first key was created by a clock that was ahead by that much and is right now.
func newClockRing(t *testing.T, ahead time.Duration) (*Ring, *clock) {
	t.Helper()
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	c.advance(ahead)
	ensure(t, ring, directoryWith(acme, ES256))
	c.advance(-ahead)
	return ring, c
}

func list(t *testing.T, ring *Ring) []Key {
	t.Helper()
	listed, err := ring.List(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	return listed
}

// refresh does what Run does every few seconds.
func (r *Ring) refresh(t *testing.T) {
	t.Helper()
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stepAll(t.Context())
}

func TestSign_FirstKeyCreatedByClockAhead(t *testing.T) {
	for _, ahead := range []time.Duration{time.Minute, 2 * time.Hour, 8 * time.Hour, year} {
		ring, c := newClockRing(t, ahead)
		ring.refresh(t)
		first := listOne(t, ring)
		if first.State != StateActive || first.SignAt.After(c.now().Add(skew)) || first.PublishAt.After(c.now().Add(skew)) {
			t.Errorf("%v ahead: %+v", ahead, first)
		}
		wantSigner(t, ring, first.ID)
		wantJWKS(t, ring, first.ID)
		// It rotates when the policy says, not when the wrong time is reached.
		c.advance(DefaultTokenLife + 90*24*time.Hour)
		ring.refresh(t)
		if keys := list(t, ring); len(keys) != 2 {
			t.Errorf("%v ahead: %d keys after the rotation interval", ahead, len(keys))
		}
	}
}

func TestSign_ClockSetBackDuringRotation(t *testing.T) {
	for _, back := range []time.Duration{time.Minute, 8 * time.Hour, year} {
		ring, c := newClockRing(t, 0)
		c.advance(90 * 24 * time.Hour)
		ring.refresh(t)           // The next key is published.
		c.advance(24 * time.Hour) // It signs, and
		ring.refresh(t)           // the private half of the former key is erased.
		before := sign(t, ring, ES256)
		c.advance(-back)
		ring.refresh(t)
		after := sign(t, ring, ES256)
		for _, token := range []string{before, after} {
			if _, err := ring.Verify(t.Context(), acme, token); err != nil {
				t.Errorf("back by %v: %v", back, err)
			}
		}
		for _, key := range list(t, ring) {
			if key.RemoveAt.After(c.now().Add(DefaultTokenLife + time.Hour)) {
				t.Errorf("back by %v: %s key stays in the JWK Set until %v", back, key.State, key.RemoveAt)
			}
		}
	}
}

// Keys rotate on while the clock jumps, and never more often than a few times.
func TestRotation_ClockJumpsForAWhile(t *testing.T) {
	for _, jump := range []time.Duration{-year, -8 * time.Hour, -time.Minute, 8 * time.Hour, year} {
		ring, c := newClockRing(t, 0)
		c.advance(200 * 24 * time.Hour)
		for _, by := range []time.Duration{0, jump, 0, -jump} {
			c.advance(by)
			for range 30 {
				ring.refresh(t)
				sign(t, ring, ES256)
				c.advance(time.Minute)
			}
		}
		if keys := list(t, ring); len(keys) > 5 {
			t.Errorf("a jump by %v leaves %d keys", jump, len(keys))
		}
	}
}

func TestRotation_InstanceWithWrongClockTakesNoStep(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	right := newInstance(t, memory, master, c, 0)
	ensure(t, right.ring, directoryWith(acme, ES256))
	config := newConfig(memory, master, func() time.Time { return c.now().Add(-year) })
	config.ClockTrusted = func() bool { return false }
	wrong := newRing(t, config)
	before := list(t, right.ring)
	wrong.refresh(t)
	if after := list(t, right.ring); len(after) != 1 || after[0] != before[0] {
		t.Errorf("%+v is now %+v", before, after)
	}
	sign(t, wrong, ES256)
}

func TestRotateNow_SignsAtOnceAndPreservesTokens(t *testing.T) {
	for _, pending := range []bool{false, true} {
		ring, c := newClockRing(t, 0)
		c.advance(time.Hour)
		first, token := listOne(t, ring), sign(t, ring, ES256)
		if pending {
			if _, err := ring.Rotate(t.Context(), acme, ES256); err != nil {
				t.Fatal(err)
			}
		}
		now, err := ring.RotateNow(t.Context(), acme, ES256)
		if err != nil || now.State != StateActive || now.ID == first.ID {
			t.Fatalf("%+v, %v", now, err)
		}
		wantSigner(t, ring, now.ID)
		if _, err := ring.Verify(t.Context(), acme, token); err != nil {
			t.Error(err)
		}
		c.advance(DefaultTokenLife + time.Hour)
		ring.refresh(t)
		wantJWKS(t, ring, now.ID)
	}
}

func TestRevoke_ReplacesKeyAtOnceOnEveryInstance(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	here, there := newInstance(t, memory, master, c, 0).ring, newInstance(t, memory, master, c, 20*time.Second).ring
	ensure(t, here, directoryWith(acme, ES256, EdDSA))
	there.refresh(t)
	token, other := sign(t, there, ES256), sign(t, there, EdDSA)
	leaked, err := there.Verify(t.Context(), acme, token)
	if err != nil {
		t.Fatal(err)
	}
	active, err := here.Revoke(t.Context(), acme, leaked.KeyID)
	if err != nil || active.State != StateActive || active.Algorithm != ES256 {
		t.Fatalf("%+v, %v", active, err)
	}
	there.refresh(t)
	for _, ring := range []*Ring{here, there} {
		_, err := ring.Verify(t.Context(), acme, token)
		wantError(t, err, ErrInvalid)
		_, err = ring.VerifyHint(t.Context(), acme, token)
		wantError(t, err, ErrInvalid)
		wantSigner(t, ring, active.ID)
		if _, err := ring.Verify(t.Context(), acme, other); err != nil {
			t.Errorf("a token of another key: %v", err)
		}
	}
	_, err = here.Revoke(t.Context(), acme, leaked.KeyID)
	wantError(t, err, ErrUnknownKey)
}

func TestRevoke_KeyThatDoesNotSignLeavesTheSigner(t *testing.T) {
	ring, _ := newClockRing(t, 0)
	first := listOne(t, ring)
	next, err := ring.Rotate(t.Context(), acme, ES256)
	if err != nil {
		t.Fatal(err)
	}
	if active, err := ring.Revoke(t.Context(), acme, next.ID); err != nil || active.ID != first.ID {
		t.Fatalf("%+v, %v", active, err)
	}
	wantSigner(t, ring, first.ID)
	wantJWKS(t, ring, first.ID)
}

// The next step repairs a record in which no key can sign, without a restart.
func TestStep_MakesAKeyWhenNoneCanSign(t *testing.T) {
	ring, c := newClockRing(t, 0)
	entry, err := storage.Get[storage.SigningKeys](t.Context(), ring.config.Engine, storage.Key(acme, ES256))
	if err != nil {
		t.Fatal(err)
	}
	record := entry.Record
	for kid, key := range record.Keys {
		key.Private = ""
		record.Keys[kid] = key
	}
	if _, err := entry.Replace(t.Context(), ring.config.Engine, record); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	if err := ring.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, ring.CanSign(t.Context(), acme, ES256), ErrNoKey)
	ring.stepAll(t.Context())
	sign(t, ring, ES256)
}

func TestSecrets_GenerationCreatedByClockAheadIsUsedAfterMargin(t *testing.T) {
	c := newClock()
	config := newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now)
	secrets, err := NewSecrets(config)
	if err != nil {
		t.Fatal(err)
	}
	c.advance(year)
	ensureSecrets(t, secrets, acme)
	if _, _, err := secrets.Rotate(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	c.advance(-year)
	if _, useAt, err := secrets.Rotate(t.Context(), acme); err != nil || useAt.After(c.now().Add(time.Hour)) {
		t.Fatalf("used at %v, %v", useAt, err)
	}
	c.advance(time.Hour)
	if current, _, err := secrets.Generation(t.Context(), acme); err != nil || current != 2 {
		t.Errorf("generation %d, %v", current, err)
	}
}

// Times of a wrong clock mean something else to the other instances: a key would sign too early, or never.
func TestRotation_IsRejectedWhileTheClockIsNotTrusted(t *testing.T) {
	c := newClock()
	config := newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now)
	ring := newRing(t, config)
	ensure(t, ring, directoryWith(acme, ES256))
	before := list(t, ring)
	config.ClockTrusted = func() bool { return false }
	wrong := newRing(t, config)
	secrets, err := NewSecrets(config)
	wantError(t, err, nil)
	_, err = wrong.Rotate(t.Context(), acme, ES256)
	wantError(t, err, ErrClock)
	_, err = wrong.RotateNow(t.Context(), acme, ES256)
	wantError(t, err, ErrClock)
	_, _, err = secrets.Rotate(t.Context(), acme)
	wantError(t, err, ErrClock)
	// A leaked key is replaced nevertheless.
	active, err := wrong.Revoke(t.Context(), acme, before[0].ID)
	wantError(t, err, nil)
	if after := list(t, ring); len(after) != 1 || after[0].ID != active.ID || active.ID == before[0].ID {
		t.Errorf("%+v is now %+v", before, after)
	}
}
