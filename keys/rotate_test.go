package keys

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
)

// shortSchedule is a schedule whose complete life of a key fits into a simulated day.
func shortSchedule() Schedule {
	return Schedule{
		RotateEvery: time.Hour, TokenLife: 40 * time.Minute, HintLife: time.Hour,
	}
}

// instance is one server process of a simulation. Its clock is off by a constant.
type instance struct {
	ring    *Ring
	engine  *switchable
	freshAt time.Time
}

func newInstance(t *testing.T, memory storage.Engine, master *Master, c *clock, off time.Duration) *instance {
	t.Helper()
	engine := newSwitchable(memory)
	config := newConfig(engine, master, func() time.Time { return c.now().Add(off) })
	config.Schedule = shortSchedule()
	return &instance{ring: newRing(t, config), engine: engine}
}

// tick is what Run does every few seconds.
func (i *instance) tick(ctx context.Context, now time.Time) {
	if i.ring.Load(ctx) == nil {
		i.freshAt = now
	}
	i.ring.stepAll(ctx)
}

// relyingParty is a verifier that caches the JWK Set for the whole allowed time and never reloads it sooner.
type relyingParty struct {
	set   jose.JSONWebKeySet
	until time.Time
}

func (p *relyingParty) fetch(t *testing.T, from *instance, now time.Time) {
	t.Helper()
	set, err := from.ring.Public(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	p.set, p.until = set, now.Add(from.ring.MaxAge(acme))
}

func (p *relyingParty) knows(kid string) bool { return len(p.set.Key(kid)) == 1 }

// TestRotation_EveryTokenIsVerifiable simulates a day of three instances whose clocks differ by almost a minute; one of them is
// disconnected from the store again and again. Relying parties fetch the JWK Set from any instance, as rarely as allowed. All
// of them can verify every token when it is signed, and a fresh JWK Set verifies it at the end of its life.
func TestRotation_EveryTokenIsVerifiable(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	instances := []*instance{
		newInstance(t, memory, master, c, 0),
		newInstance(t, memory, master, c, 28*time.Second),
		newInstance(t, memory, master, c, -28*time.Second),
	}
	ensure(t, instances[0].ring, directoryWith(acme, EdDSA))
	chance := rand.New(rand.NewPCG(1, 2))
	parties := make([]relyingParty, 6)
	kids, stale, nextCut := map[string]bool{}, 0, c.now().Add(10*time.Minute)
	type issued struct {
		kid string
		exp time.Time
	}
	var alive []issued
	for range 24 * 60 {
		c.advance(time.Minute)
		now := c.now()
		if cut := instances[2].engine; !now.Before(nextCut) {
			cut.dead.Store(!cut.dead.Load())
			nextCut = now.Add(time.Minute)
			if cut.dead.Load() {
				nextCut = now.Add(time.Duration(5+chance.IntN(20)) * time.Minute)
			}
		}
		for _, i := range chance.Perm(len(instances)) {
			instances[i].tick(t.Context(), now)
		}
		for i := range parties {
			for !now.Before(parties[i].until) {
				parties[i].fetch(t, instances[chance.IntN(len(instances))], now)
			}
		}
		for i, instance := range instances {
			token, err := instance.ring.Sign(t.Context(), acme, EdDSA, "JWT", []byte(`{}`))
			if errors.Is(err, ErrStale) && now.Sub(instance.freshAt) > shortSchedule().withDefaults().stale()-skew {
				stale++
				continue
			}
			if err != nil {
				t.Fatalf("instance %d at %v: %v", i, now, err)
			}
			verified, err := instance.ring.Verify(t.Context(), acme, token)
			if err != nil {
				t.Fatal(err)
			}
			for p := range parties {
				if !parties[p].knows(verified.KeyID) {
					t.Fatalf("at %v relying party %d cannot verify a token of instance %d", now, p, i)
				}
			}
			kids[verified.KeyID] = true
			alive = append(alive, issued{verified.KeyID, now.Add(shortSchedule().TokenLife)})
		}
		for ; len(alive) > 0 && !now.Before(alive[0].exp); alive = alive[1:] {
			var fresh relyingParty
			fresh.fetch(t, instances[1], now)
			if !fresh.knows(alive[0].kid) {
				t.Fatalf("at %v a token's key has left the JWK Set before the token expired", now)
			}
		}
	}
	if len(kids) < 20 || stale < 100 {
		t.Errorf("the simulation proves little: %d keys, %d times stale", len(kids), stale)
	}
}

// TestRotation_CachedJWKSetHasTheSigningKey is the worst case of the simulation: an instance reads the keys, another
// one publishes the next key, and a relying party fetches the old JWK Set at the last moment when it may cache it.
func TestRotation_CachedJWKSetHasTheSigningKey(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	late, planner := newInstance(t, memory, master, c, 0), newInstance(t, memory, master, c, 0)
	ensure(t, late.ring, directoryWith(acme, ES256))
	next, err := planner.ring.Rotate(t.Context(), acme, ES256)
	if err != nil {
		t.Fatal(err)
	}
	signs := next.SignAt.Add(-skew) // by an instance whose clock is ahead
	late.engine.dead.Store(true)
	for late.ring.MaxAge(acme) > 0 {
		var party relyingParty
		party.fetch(t, late, c.now())
		if party.until.After(signs) {
			t.Fatalf("fetched at %v, cached until %v, the next key signs at %v", c.now(), party.until, signs)
		}
		c.advance(time.Second)
	}
}

func TestRotation_KeyPassesThroughEveryState(t *testing.T) {
	c := newClock()
	config := newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now)
	config.Schedule.RotateEvery = -1
	ring := newRing(t, config)
	ensure(t, ring, directoryWith(acme, ES256))
	first := listOne(t, ring)
	if first.State != StateActive || !first.RetireAt.IsZero() {
		t.Fatalf("first key: %+v", first)
	}
	token := sign(t, ring, ES256)

	next, err := ring.Rotate(t.Context(), acme, ES256)
	if err != nil {
		t.Fatal(err)
	}
	schedule := ring.config.Schedule
	if next.State != StateNext || !next.SignAt.Equal(c.now().Add(schedule.Margin)) {
		t.Errorf("next key: %+v", next)
	}
	again, err := ring.Rotate(t.Context(), acme, ES256)
	if err != nil || again != next {
		t.Errorf("a second rotation returned %+v, %v", again, err)
	}
	wantSigner(t, ring, first.ID)
	wantJWKS(t, ring, first.ID, next.ID)

	c.advance(schedule.Margin)
	wantSigner(t, ring, next.ID)
	wantJWKS(t, ring, first.ID, next.ID)
	wantStates(t, ring, StateRetired, StateActive)
	wantPrivate(t, ring, first.ID, true)

	c.advance(schedule.Margin)
	ring.stepAll(t.Context())
	wantPrivate(t, ring, first.ID, false)
	if _, err := ring.Verify(t.Context(), acme, token); err != nil {
		t.Errorf("a retired key's token: %v", err)
	}

	c.advance(schedule.TokenLife)
	wantJWKS(t, ring, next.ID)
	wantStates(t, ring, StateRemoved, StateActive)
	_, err = ring.Verify(t.Context(), acme, token)
	wantError(t, err, ErrInvalid)
	if _, err := ring.VerifyHint(t.Context(), acme, token); err != nil {
		t.Errorf("an id_token_hint of a removed key: %v", err)
	}

	c.advance(schedule.HintLife)
	_, err = ring.VerifyHint(t.Context(), acme, token)
	wantError(t, err, ErrInvalid)
	ring.stepAll(t.Context())
	wantStates(t, ring, StateActive)
}

func listOne(t *testing.T, ring *Ring) Key {
	t.Helper()
	listed, err := ring.List(t.Context(), acme)
	if err != nil || len(listed) != 1 {
		t.Fatalf("got %+v, %v", listed, err)
	}
	return listed[0]
}

func wantStates(t *testing.T, ring *Ring, want ...State) {
	t.Helper()
	listed, err := ring.List(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	var got []State
	for _, key := range listed {
		got = append(got, key.State)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got states %v, want %v", got, want)
	}
}

func wantSigner(t *testing.T, ring *Ring, kid string) {
	t.Helper()
	verified, err := ring.Verify(t.Context(), acme, sign(t, ring, ES256))
	if err != nil || verified.KeyID != kid {
		t.Errorf("signed by %s, %v, want %s", verified.KeyID, err, kid)
	}
}

func wantJWKS(t *testing.T, ring *Ring, kids ...string) {
	t.Helper()
	set, err := ring.Public(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, key := range set.Keys {
		got = append(got, key.KeyID)
	}
	if !slices.Equal(got, kids) {
		t.Errorf("published %v, want %v", got, kids)
	}
}

func wantPrivate(t *testing.T, ring *Ring, kid string, want bool) {
	t.Helper()
	entry, err := storage.Get[storage.SigningKeys](t.Context(), ring.config.Engine, storage.Key(acme, ES256))
	if err != nil {
		t.Fatal(err)
	}
	if got := entry.Record.Keys[kid].Private != ""; got != want {
		t.Errorf("private key of %s is stored: %v, want %v", kid, got, want)
	}
}

func TestRotateNow_PreservesKeysThatTokensNeed(t *testing.T) {
	c := newClock()
	config := newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now)
	config.Schedule.RotateEvery = -1
	ring := newRing(t, config)
	ensure(t, ring, directoryWith(acme, RS256))
	schedule := ring.config.Schedule
	for range maxKeys - 1 {
		if _, err := ring.Rotate(t.Context(), acme, RS256); err != nil {
			t.Fatal(err)
		}
		c.advance(schedule.Margin)
		ring.stepAll(t.Context())
	}
	_, err := ring.Rotate(t.Context(), acme, RS256)
	wantError(t, err, ErrTooMany)
	c.advance(schedule.TokenLife)
	if _, err := ring.Rotate(t.Context(), acme, RS256); err != nil {
		t.Errorf("a key that only hints need is in the way: %v", err)
	}
}

func TestJWKS_LargestDocumentFits(t *testing.T) {
	c := newClock()
	memory := storagetest.NewMemory(c.now)
	config := newConfig(memory, newMaster(t), c.now)
	config.Schedule.RotateEvery = -1
	ring := newRing(t, config)
	ensure(t, ring, directoryWith(acme, RS256))
	for range maxKeys - 1 {
		if _, err := ring.Rotate(t.Context(), acme, RS256); err != nil {
			t.Fatal(err)
		}
		c.advance(ring.config.Schedule.Margin)
		ring.stepAll(t.Context())
	}
	doc, err := memory.Get(t.Context(), storage.KindSigningKeys, storage.Key(acme, RS256))
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Body) > storage.MaxBody*3/4 {
		t.Errorf("%d bytes of %d", len(doc.Body), storage.MaxBody)
	}
}

func TestEnsureDirectory_ConcurrentInstancesCreateOneKey(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	rings := make([]*Ring, 8)
	for i := range rings {
		rings[i] = newRing(t, newConfig(memory, master, c.now))
	}
	race(rings, func(ring *Ring) {
		if err := ring.EnsureDirectory(t.Context(), directoryWith(acme, ES256)); err != nil {
			t.Error(err)
		}
	})
	only := listOne(t, rings[0])
	for _, ring := range rings {
		wantSigner(t, ring, only.ID)
	}
}

func TestRotation_ConcurrentInstancesTakeOneStep(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	rings := make([]*Ring, 8)
	for i := range rings {
		rings[i] = newRing(t, newConfig(memory, master, c.now))
		ensure(t, rings[i], directoryWith(acme, ES256))
	}
	schedule := rings[0].config.Schedule
	c.advance(schedule.RotateEvery - schedule.Margin)
	race(rings, func(ring *Ring) { ring.stepAll(t.Context()) })
	wantStates(t, rings[0], StateActive, StateNext)
	c.advance(schedule.Margin)
	race(rings, func(ring *Ring) {
		if _, err := ring.Rotate(t.Context(), acme, ES256); err != nil {
			t.Error(err)
		}
	})
	wantStates(t, rings[0], StateRetired, StateActive, StateNext)
}

func race(rings []*Ring, do func(*Ring)) {
	var group sync.WaitGroup
	for _, ring := range rings {
		group.Go(func() { do(ring) })
	}
	group.Wait()
}

func TestEnsureDirectory_AddsAlgorithmsOfPolicy(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	ensure(t, ring, storage.Directory{ID: acme})
	before, err := ring.List(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	ensure(t, ring, directoryWith(acme, RS256, EdDSA))
	after, err := ring.List(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	var algorithms []string
	for _, key := range after {
		algorithms = append(algorithms, key.Algorithm)
	}
	if !slices.Equal(algorithms, []string{RS256, ES256, EdDSA}) || !slices.Equal(after[:2], before) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	wantError(t, ring.EnsureDirectory(t.Context(), directoryWith(acme, "HS256")), ErrAlgorithm)
}

func TestRing_SurvivesRestart(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	before := newRing(t, newConfig(memory, master, c.now))
	ensure(t, before, directoryWith(acme, Algorithms()...))
	for _, name := range Algorithms() {
		token := sign(t, before, name)
		after := newRing(t, newConfig(memory, master, c.now))
		if err := after.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := after.Verify(t.Context(), acme, token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := before.Verify(t.Context(), acme, sign(t, after, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRing_StoreOutageLimitsSigningNotPublishing(t *testing.T) {
	c := newClock()
	engine := newSwitchable(storagetest.NewMemory(c.now))
	ring := newRing(t, newConfig(engine, newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, ES256))
	token, before := sign(t, ring, ES256), jwks(t, ring)
	schedule := ring.config.Schedule
	engine.dead.Store(true)

	c.advance(schedule.stale())
	sign(t, ring, ES256)
	if got := ring.MaxAge(acme); got != schedule.MaxAge {
		t.Errorf("max-age is %v", got)
	}
	c.advance(time.Second)
	_, err := ring.Sign(t.Context(), acme, ES256, "JWT", nil)
	wantError(t, err, ErrStale)
	wantError(t, err, storage.ErrUnavailable)
	if got := ring.MaxAge(acme); got != 0 {
		t.Errorf("max-age of a stale JWK Set is %v", got)
	}
	c.advance(30 * 24 * time.Hour)
	if string(jwks(t, ring)) != string(before) {
		t.Error("the JWK Set changed")
	}
	if _, err := ring.Verify(t.Context(), acme, token); err != nil {
		t.Errorf("verifying needs the store: %v", err)
	}
	engine.dead.Store(false)
	c.advance(reloadPause)
	sign(t, ring, ES256)
}

func jwks(t *testing.T, ring *Ring) []byte {
	t.Helper()
	body, err := ring.JWKS(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestRing_ClockSetBackDoesNotExtendTrust(t *testing.T) {
	c := newClock()
	engine := newSwitchable(storagetest.NewMemory(c.now))
	ring := newRing(t, newConfig(engine, newMaster(t), c.now))
	ensure(t, ring, directoryWith(acme, ES256))
	engine.dead.Store(true)
	c.advance(-time.Hour)
	_, err := ring.Sign(t.Context(), acme, ES256, "JWT", nil)
	wantError(t, err, ErrStale)
}

func TestRing_WithoutKeysReturnsErrNoKey(t *testing.T) {
	c := newClock()
	ring := newRing(t, newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now))
	_, err := ring.Sign(t.Context(), acme, ES256, "JWT", nil)
	wantError(t, err, ErrNoKey)
	_, err = ring.Public(t.Context(), acme)
	wantError(t, err, ErrNoKey)
	_, err = ring.JWKS(t.Context(), acme)
	wantError(t, err, ErrNoKey)
	_, err = ring.Rotate(t.Context(), acme, ES256)
	wantError(t, err, ErrNoKey)
	_, err = ring.Sign(t.Context(), acme, "HS256", "JWT", nil)
	wantError(t, err, ErrAlgorithm)
}

// One instance creates a directory, and the next request reaches another whose clock is behind or ahead by the permitted maximum.
func TestRing_FirstKeySignsDespiteClockSkew(t *testing.T) {
	for _, off := range []time.Duration{-skew, skew} {
		c := newClock()
		memory, master := storagetest.NewMemory(c.now), newMaster(t)
		maker, other := newInstance(t, memory, master, c, 0), newInstance(t, memory, master, c, off)
		ensure(t, maker.ring, directoryWith(acme, ES256))
		first := listOne(t, maker.ring)
		for _, instance := range []*instance{maker, other} {
			wantSigner(t, instance.ring, first.ID)
			wantJWKS(t, instance.ring, first.ID)
		}
		if first.PublishAt.After(first.SignAt) {
			t.Errorf("published at %v, signs at %v", first.PublishAt, first.SignAt)
		}
	}
}

func TestRing_FindsDirectoryOfOtherInstance(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	serving := newRing(t, newConfig(memory, master, c.now))
	if err := serving.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := serving.Sign(t.Context(), acme, ES256, "JWT", nil)
	wantError(t, err, ErrNoKey)
	tool := newRing(t, newConfig(memory, master, c.now))
	ensure(t, tool, directoryWith(acme, ES256))
	if string(jwks(t, serving)) != string(jwks(t, tool)) {
		t.Error("the JWK Sets differ")
	}
	sign(t, serving, ES256)
}

func TestRing_BrokenRecordDoesNotAffectOthers(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	ring := newRing(t, newConfig(memory, master, c.now))
	ensure(t, ring, directoryWith(acme, ES256))
	ensure(t, ring, directoryWith("broken", ES256))
	doc, err := memory.Get(t.Context(), storage.KindSigningKeys, storage.Key("broken", ES256))
	if err != nil {
		t.Fatal(err)
	}
	doc.Body = []byte(`{"v":99}`)
	if _, err := memory.Replace(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	schedule := ring.config.Schedule
	c.advance(schedule.stale() + time.Second)
	if err := ring.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	sign(t, ring, ES256)
	_, err = ring.Sign(t.Context(), "broken", ES256, "JWT", nil)
	wantError(t, err, ErrStale)
}

func TestRing_RejectsMovedKey(t *testing.T) {
	c := newClock()
	memory, master := storagetest.NewMemory(c.now), newMaster(t)
	ring := newRing(t, newConfig(memory, master, c.now))
	ensure(t, ring, directoryWith(acme, ES256))
	ensure(t, ring, directoryWith("other", ES256))
	mine, err1 := storage.Get[storage.SigningKeys](t.Context(), memory, storage.Key(acme, ES256))
	theirs, err2 := storage.Get[storage.SigningKeys](t.Context(), memory, storage.Key("other", ES256))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	kid, own := onlyKey(t, mine.Record)
	foreignKid, foreign := onlyKey(t, theirs.Record)
	for name, keys := range map[string]map[string]storage.SigningKey{
		"another directory's private key": {kid: {Public: own.Public, Private: foreign.Private}},
		"another directory's key pair":    {foreignKid: foreign},
		"a key pair under another kid":    {foreignKid: own},
		"no JWK":                          {kid: {Public: []byte(`"x"`), Private: own.Private}},
		"a secret for a public key":       {kid: {Public: []byte(`{"kty":"oct","k":"AAAA","alg":"ES256"}`), Private: own.Private}},
	} {
		t.Run(name, func(t *testing.T) {
			record := mine.Record
			record.Keys = keys
			if _, err := parseKeySet(master, record); err == nil {
				t.Error("it is used")
			}
		})
	}
	_, err := parseKeySet(newMaster(t), mine.Record)
	var missing *MissingKeyError
	if !errors.As(err, &missing) || missing.KeyID != master.IDs()[0] {
		t.Errorf("under a wrong master key: %v", err)
	}
}

func onlyKey(t *testing.T, record storage.SigningKeys) (string, storage.SigningKey) {
	t.Helper()
	for kid, key := range record.Keys {
		return kid, key
	}
	t.Fatal("no key")
	return "", storage.SigningKey{}
}

// TestRun_Rotates runs Run for a year without any other calls.
func TestRun_Rotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, master := storagetest.NewMemory(time.Now), newMaster(t)
		config := newConfig(memory, master, time.Now)
		config.Schedule = Schedule{Refresh: 10 * time.Minute, Margin: time.Hour, RotateEvery: 10 * 24 * time.Hour, HintLife: 5 * 24 * time.Hour}
		first, second := newRing(t, config), newRing(t, config)
		ensure(t, first, directoryWith(acme, ES256))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { first.Run(ctx) })
		running.Go(func() { second.Run(ctx) })
		seen := map[string]bool{}
		for range 60 {
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			verified, err := second.Verify(ctx, acme, sign(t, first, ES256))
			if err != nil {
				t.Fatal(err)
			}
			seen[verified.KeyID] = true
		}
		cancel()
		running.Wait()
		if len(seen) != 6 && len(seen) != 7 {
			t.Errorf("%d keys in 60 days of rotation every 10", len(seen))
		}
		listed, err := first.List(t.Context(), acme)
		if err != nil || len(listed) > 3 {
			t.Errorf("%d keys are stored, %v", len(listed), err)
		}
	})
}

func TestRun_RefreshesWithinSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, master := storagetest.NewMemory(time.Now), newMaster(t)
		config := newConfig(memory, master, time.Now)
		serving, tool := newRing(t, config), newRing(t, config)
		ensure(t, tool, directoryWith(acme, ES256))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { serving.Run(ctx) })
		for range 20 {
			time.Sleep(serving.config.Schedule.Refresh)
			synctest.Wait()
			copied, ok := serving.cache.get(storage.Key(acme, ES256))
			if age := time.Since(copied.readAt); !ok || age > serving.config.Schedule.Refresh {
				t.Errorf("the copy is %v old", age)
			}
		}
		cancel()
		running.Wait()
	})
}

func TestNewRing_RejectsInvalidConfig(t *testing.T) {
	c := newClock()
	good := newConfig(storagetest.NewMemory(c.now), newMaster(t), c.now)
	for name, change := range map[string]func(*Config){
		"no engine":                       func(config *Config) { config.Engine = nil },
		"no master key":                   func(config *Config) { config.Master = nil },
		"no clock":                        func(config *Config) { config.Now = nil },
		"no randomness":                   func(config *Config) { config.Random = nil },
		"no logger":                       func(config *Config) { config.Logger = nil },
		"margin within max-age":           func(config *Config) { config.Schedule.Margin = 6 * time.Minute },
		"rotation faster than the margin": func(config *Config) { config.Schedule.RotateEvery = 10 * time.Minute },
		"rotation outruns the tokens":     func(config *Config) { config.Schedule.RotateEvery = time.Hour },
		"negative life":                   func(config *Config) { config.Schedule.TokenLife = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			change(&config)
			if _, err := NewRing(config); err == nil {
				t.Error("accepted by NewRing")
			}
			if _, err := NewSecrets(config); err == nil {
				t.Error("accepted by NewSecrets")
			}
		})
	}
	if _, err := NewRing(good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}
