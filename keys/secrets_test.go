package keys

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

func newSecrets(t testing.TB, config Config) *Secrets {
	t.Helper()
	secrets, err := NewSecrets(config)
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

func ensureSecrets(t testing.TB, secrets *Secrets, directory string) {
	t.Helper()
	if err := secrets.Ensure(t.Context(), directory); err != nil {
		t.Fatal(err)
	}
}

func mac(t testing.TB, secrets *Secrets, directory string, generation uint32, purpose, message string) []byte {
	t.Helper()
	sum, err := secrets.MAC(t.Context(), directory, generation, purpose, []byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func wantGeneration(t *testing.T, secrets *Secrets, current, previous uint32) {
	t.Helper()
	gotCurrent, gotPrevious, err := secrets.Generation(t.Context(), acme)
	if err != nil || gotCurrent != current || gotPrevious != previous {
		t.Errorf("got generations %d, %d, %v, want %d, %d", gotCurrent, gotPrevious, err, current, previous)
	}
}

func TestMAC_DependsOnEveryInput(t *testing.T) {
	c := newClock()
	secrets := newSecrets(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensureSecrets(t, secrets, acme)
	ensureSecrets(t, secrets, "other")
	if _, _, err := secrets.Rotate(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	own := mac(t, secrets, acme, 1, "refresh", "message")
	if len(own) != sha256.Size {
		t.Errorf("%d bytes", len(own))
	}
	for range 3 {
		if !bytes.Equal(own, mac(t, secrets, acme, 1, "refresh", "message")) {
			t.Error("the same MAC differs")
		}
	}
	for name, other := range map[string][]byte{
		"message":    mac(t, secrets, acme, 1, "refresh", "massage"),
		"purpose":    mac(t, secrets, acme, 1, "code", "message"),
		"generation": mac(t, secrets, acme, 2, "refresh", "message"),
		"directory":  mac(t, secrets, "other", 1, "refresh", "message"),
	} {
		if bytes.Equal(own, other) {
			t.Errorf("another %s gives the same MAC", name)
		}
	}
}

// TestMAC_IsHMACWithHKDFKey fixes the derivation: a change would end every session.
func TestMAC_IsHMACWithHKDFKey(t *testing.T) {
	c := newClock()
	master := newMaster(t)
	secret := bytes.Repeat([]byte{1, 2}, secretSize/2)
	sealed, err := master.Seal(secret, tokenSecretBinding(acme, "7"))
	if err != nil {
		t.Fatal(err)
	}
	memory := storagetest.NewMemory(c.now)
	_, err = storage.Insert(t.Context(), memory, storage.TokenSecrets{
		Directory: acme, Generations: map[string]storage.SecretGeneration{"7": {Secret: sealed}},
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "minifed token secret\x00\x00\x00\x04acme\x00\x00\x00\x04code", sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	want := hmac.New(sha256.New, key)
	want.Write([]byte("message"))
	secrets := newSecrets(t, newConfig(memory, master, c.now))
	if got := mac(t, secrets, acme, 7, "code", "message"); !bytes.Equal(got, want.Sum(nil)) {
		t.Errorf("got %x, want %x", got, want.Sum(nil))
	}
}

func TestSecrets_NewGenerationIsUsedAfterDistribution(t *testing.T) {
	c := newClock()
	secrets := newSecrets(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensureSecrets(t, secrets, acme)
	wantGeneration(t, secrets, 1, 1)
	margin := secrets.config.Schedule.Margin
	next, useAt, err := secrets.Rotate(t.Context(), acme)
	if err != nil || next != 2 || !useAt.Equal(c.now().Add(margin)) {
		t.Fatalf("got %d at %v, %v", next, useAt, err)
	}
	again, useAgain, err := secrets.Rotate(t.Context(), acme)
	if err != nil || again != next || !useAgain.Equal(useAt) {
		t.Errorf("a second rotation created %d at %v, %v", again, useAgain, err)
	}
	for _, step := range []struct {
		after             time.Duration
		current, previous uint32
	}{
		{0, 1, 1},
		{margin - skew - time.Second, 1, 1},
		{margin - skew, 1, 2},
		{margin - time.Second, 1, 2},
		{margin, 2, 1},
		{2*margin - time.Second, 2, 1},
		{2 * margin, 2, 2},
	} {
		c.advance(useAt.Add(step.after - margin).Sub(c.now()))
		wantGeneration(t, secrets, step.current, step.previous)
	}
	mac(t, secrets, acme, 1, "refresh", "an old handle")
}

func TestSecrets_ConcurrentInstancesCreateOneGeneration(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	all := make([]*Secrets, 8)
	var group sync.WaitGroup
	for i := range all {
		all[i] = newSecrets(t, newConfig(memory, master, c.now))
	}
	everyone := func(do func(*Secrets) error) {
		for _, secrets := range all {
			group.Go(func() {
				if err := do(secrets); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	everyone(func(s *Secrets) error { return s.Ensure(t.Context(), acme) })
	everyone(func(s *Secrets) error {
		number, _, err := s.Rotate(t.Context(), acme)
		if number != 2 {
			t.Errorf("rotated to %d", number)
		}
		return err
	})
	for generation := range uint32(2) {
		want := mac(t, all[0], acme, generation+1, "code", "m")
		for _, secrets := range all[1:] {
			if !bytes.Equal(want, mac(t, secrets, acme, generation+1, "code", "m")) {
				t.Errorf("two instances have different secrets of generation %d", generation+1)
			}
		}
	}
}

func TestSecrets_UnknownGenerationIsLoadedOnce(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	engine := newSwitchable(memory)
	secrets := newSecrets(t, newConfig(engine, master, c.now))
	other := newSecrets(t, newConfig(memory, master, c.now))
	ensureSecrets(t, secrets, acme)
	if _, _, err := other.Rotate(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mac(t, secrets, acme, 2, "code", "m"), mac(t, other, acme, 2, "code", "m")) {
		t.Error("the generation that another instance created is not found")
	}
	engine.count.Store(0)
	c.advance(reloadPause)
	for range 100 {
		_, err := secrets.MAC(t.Context(), acme, 3, "code", nil)
		wantError(t, err, storage.ErrNotFound)
	}
	if got := engine.count.Load(); got != 1 {
		t.Errorf("%d reads for a generation that may exist in one second, want 1", got)
	}
	engine.dead.Store(true)
	c.advance(reloadPause)
	for range 2 {
		_, err := secrets.MAC(t.Context(), acme, 3, "code", nil)
		wantError(t, err, storage.ErrUnavailable)
	}
	for _, bogus := range []uint32{0, 4, 1000, math.MaxUint32} {
		_, err := secrets.MAC(t.Context(), acme, bogus, "code", nil)
		wantError(t, err, storage.ErrNotFound) // This generation cannot exist: the store is not read.
	}
	mac(t, secrets, acme, 1, "code", "known generations need no store")
}

func TestSecrets_WithoutRecordReturnNotFound(t *testing.T) {
	c := newClock()
	secrets := newSecrets(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	_, _, err := secrets.Generation(t.Context(), acme)
	wantError(t, err, storage.ErrNotFound)
	_, err = secrets.MAC(t.Context(), acme, 1, "code", nil)
	wantError(t, err, storage.ErrNotFound)
	_, _, err = secrets.Rotate(t.Context(), acme)
	wantError(t, err, storage.ErrNotFound)
}

func TestSecrets_FindsDirectoryOfOtherInstance(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	serving, tool := newSecrets(t, newConfig(memory, master, c.now)), newSecrets(t, newConfig(memory, master, c.now))
	if err := serving.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err := serving.Generation(t.Context(), acme)
	wantError(t, err, storage.ErrNotFound)
	ensureSecrets(t, tool, acme)
	wantGeneration(t, serving, 1, 1)
	mac(t, serving, acme, 1, "code", "m")
}

func TestSecrets_SurviveRestart(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	before := newSecrets(t, newConfig(memory, master, c.now))
	ensureSecrets(t, before, acme)
	after := newSecrets(t, newConfig(memory, master, c.now))
	if err := after.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mac(t, before, acme, 1, "code", "m"), mac(t, after, acme, 1, "code", "m")) {
		t.Error("the MACs differ")
	}
}

func TestSecrets_DeleteUnneededGenerations(t *testing.T) {
	c := newClock()
	config := newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now)
	secrets := newSecrets(t, config)
	ensureSecrets(t, secrets, acme)
	schedule := secrets.config.Schedule
	rotate := func() error {
		_, _, err := secrets.Rotate(t.Context(), acme)
		c.advance(schedule.Margin)
		return err
	}
	for range maxGenerations - 1 {
		if err := rotate(); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, rotate(), ErrTooMany)
	mac(t, secrets, acme, 1, "code", "the first is still there")
	c.advance(schedule.SecretLife + schedule.Margin)
	if err := rotate(); err != nil {
		t.Fatal(err)
	}
	wantGeneration(t, secrets, maxGenerations+1, maxGenerations)
	_, err := secrets.MAC(t.Context(), acme, 1, "code", nil)
	wantError(t, err, storage.ErrNotFound)
	mac(t, secrets, acme, maxGenerations, "code", "what was in use a moment ago is still there")
}

func TestSecrets_RejectMovedSecret(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	secrets := newSecrets(t, newConfig(memory, master, c.now))
	ensureSecrets(t, secrets, acme)
	entry, err := storage.Get[storage.TokenSecrets](t.Context(), memory, acme)
	if err != nil {
		t.Fatal(err)
	}
	stolen := entry.Record
	stolen.Directory = "other"
	if _, err := storage.Insert(t.Context(), memory, stolen); err != nil {
		t.Fatal(err)
	}
	_, err = secrets.MAC(t.Context(), "other", 1, "code", nil)
	wantError(t, err, ErrSealed)
	for name, generations := range map[string]map[string]storage.SecretGeneration{
		"none": nil, "no number": {"x": entry.Record.Generations["1"]}, "another number": {"2": entry.Record.Generations["1"]},
	} {
		record := entry.Record
		record.Generations = generations
		if _, err := parseGenerations(master, record); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSecrets_EnsureFailsWithoutRandomness(t *testing.T) {
	c := newClock()
	broken := errors.New("no entropy")
	config := newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now)
	config.Random = iotest.ErrReader(broken)
	wantError(t, newSecrets(t, config).Ensure(t.Context(), acme), broken)
}

func TestMAC_PurposesBeyondBoundAreDerivedAgain(t *testing.T) {
	c := newClock()
	secrets := newSecrets(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensureSecrets(t, secrets, acme)
	for range 2 {
		for i := range maxPurposes + 3 {
			mac(t, secrets, acme, 1, fmt.Sprint("purpose ", i), "m")
		}
	}
	copied, _ := secrets.cache.get(acme)
	if kept := len(copied.value.byNumber[1].macs); kept != maxPurposes {
		t.Errorf("%d are cached", kept)
	}
}

func TestMAC_IsSafeForConcurrentUse(t *testing.T) {
	c := newClock()
	secrets := newSecrets(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensureSecrets(t, secrets, acme)
	var group sync.WaitGroup
	want := make([][]byte, 4)
	for i := range want {
		want[i] = mac(t, secrets, acme, 1, "code", fmt.Sprint(i))
	}
	for i := range 16 {
		group.Go(func() {
			for range 200 {
				sum, err := secrets.MAC(t.Context(), acme, 1, "code", fmt.Append(nil, i%4))
				if err != nil || !bytes.Equal(sum, want[i%4]) {
					t.Errorf("got %x, %v", sum, err)
				}
			}
		})
	}
	group.Wait()
}

func TestSecrets_RunLoadsRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, master := storagetest.NewMemory(time.Now), newMaster(t)
		serving, tool := newSecrets(t, newConfig(memory, master, time.Now)), newSecrets(t, newConfig(memory, master, time.Now))
		ensureSecrets(t, serving, acme)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			serving.Run(ctx)
		}()
		if _, _, err := tool.Rotate(ctx, acme); err != nil {
			t.Fatal(err)
		}
		time.Sleep(serving.config.Schedule.Margin)
		synctest.Wait()
		wantGeneration(t, serving, 2, 1)
		cancel()
		<-done
	})
}
