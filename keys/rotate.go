package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

const (
	// maxKeys bounds the keys of one directory and algorithm, so that their document stays small.
	maxKeys = 8
	// maxAttempts bounds how often a lost compare-and-set is decided again.
	maxAttempts = 5
)

// ErrTooMany says that no key can be added before older ones are forgotten.
var ErrTooMany = errors.New("keys: too many keys are still needed")

// EnsureDirectory creates the first keys of a directory, for the algorithms of its policy that have none. They are active at
// once, also for an instance whose clock is behind: no client can have fetched the JWK Set without them. Concurrent instances get
// the same keys.
func (r *Ring) EnsureDirectory(ctx context.Context, directory storage.Directory) error {
	for _, name := range policyAlgorithms(directory.Policy) {
		if _, err := r.cache.reload(ctx, storage.Key(directory.ID, name)); err == nil {
			continue
		} else if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err := r.first(ctx, directory.ID, name); err != nil {
			return err
		}
	}
	_, _, err := r.readAll(ctx, directory.ID) // The JWK Set is complete from the beginning.
	return err
}

func policyAlgorithms(policy storage.Policy) []string {
	if len(policy.SigningAlgorithms) == 0 {
		return []string{RS256, ES256}
	}
	return policy.SigningAlgorithms
}

// first inserts the first key of a directory and algorithm, or adopts the one that another instance has inserted.
func (r *Ring) first(ctx context.Context, directory, name string) error {
	kid, key, err := newSigningKey(r.config.Master, directory, name)
	if err != nil {
		return err
	}
	now := storage.Instant(r.config.Now())
	key.PublishAt = now.Add(-skew)
	key.SignAt = key.PublishAt
	record := storage.SigningKeys{
		Directory: directory, Algorithm: name, Keys: map[string]storage.SigningKey{kid: key}, CreatedAt: now,
	}
	record.DueAt = r.config.Schedule.dueAt(record)
	_, err = storage.Insert(ctx, r.config.Engine, record)
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return err
	}
	if err == nil {
		r.config.Logger.Info("keys: first key", "directory", directory, "algorithm", name, "kid", kid)
	}
	_, err = r.cache.reload(ctx, storage.Key(directory, name))
	return err
}

// Rotate publishes the next key of a directory and algorithm now; it signs once every JWK Set without it has left the caches
// (Schedule.Margin). If a next key is published already, Rotate changes nothing. It returns the next key,
// and ErrClock while the clock is not trusted.
func (r *Ring) Rotate(ctx context.Context, directory, name string) (Key, error) {
	if err := r.config.checkClock(); err != nil {
		return Key{}, err
	}
	var next Key
	err := r.change(ctx, directory, name, func(record *storage.SigningKeys, now time.Time) (bool, error) {
		if kid, ok := nextKey(*record, now); ok {
			next = keyOf(*record, kid, now)
			return false, nil
		}
		kid, err := r.addNext(record, now)
		if err == nil {
			next = keyOf(*record, kid, now)
		}
		return true, err
	})
	return next, err
}

// runSteps prepares due steps until ctx ends.
func (r *Ring) runSteps(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		r.stepAll(ctx)
		timer.Reset(jittered(r.config.Schedule.Refresh, r.config.Random))
	}
}

// stepAll prepares the steps of rotation that are due by the cached copies. Several instances may prepare the same step; one of
// them wins, and the others discard their result.
func (r *Ring) stepAll(ctx context.Context) {
	if r.config.checkClock() != nil {
		return
	}
	now := storage.Instant(r.config.Now())
	for id, copied := range r.cache.all() {
		if !reached(now, r.config.Schedule.due(copied.value.record, now)) {
			continue
		}
		directory, name, _ := strings.Cut(id, "/")
		if err := r.change(ctx, directory, name, r.step); err != nil && ctx.Err() == nil {
			r.config.Logger.Warn("keys: step of rotation failed", "directory", directory, "algorithm", name, "error", err)
		}
	}
}

// step applies to a record the step that is due at now, and reports whether there was one. Cleaning up is a step of its own:
// it must not fail with the next key.
func (r *Ring) step(record *storage.SigningKeys, now time.Time) (bool, error) {
	if r.config.Schedule.bound(record, now) {
		r.config.Logger.Warn("keys: times of signing keys are in the future, written by a clock that was ahead; they are set back to the schedule",
			"directory", record.Directory, "algorithm", record.Algorithm)
		return true, nil
	}
	if forgotten, erased := forget(record, now), r.erase(record, now); forgotten || erased {
		return true, nil
	}
	if signer(*record, now) == "" {
		_, err := r.add(record, now, now) // No token of it is known to anyone, and no other key signs.
		return true, err
	}
	if !reached(now, r.config.Schedule.prepareAt(*record)) {
		return false, nil
	}
	_, err := r.addNext(record, now)
	return true, err
}

// erase drops the private halves that no instance signs with any more.
func (r *Ring) erase(record *storage.SigningKeys, now time.Time) (erased bool) {
	for kid, key := range record.Keys {
		if key.Private != "" && reached(now, r.config.Schedule.eraseAt(key)) {
			key.Private = ""
			record.Keys[kid] = key
			erased = true
		}
	}
	return erased
}

// forget drops the keys that not even an id_token_hint needs.
func forget(record *storage.SigningKeys, now time.Time) bool {
	before := len(record.Keys)
	maps.DeleteFunc(record.Keys, func(_ string, key storage.SigningKey) bool { return reached(now, key.ForgetAt) })
	return len(record.Keys) != before
}

// addNext adds a key that is published now and signs after the margin, when the key that signs until then retires.
func (r *Ring) addNext(record *storage.SigningKeys, now time.Time) (kid string, err error) {
	return r.add(record, now, now.Add(r.config.Schedule.Margin))
}

// add adds a key that is published now and signs from signAt, when all others retire.
func (r *Ring) add(record *storage.SigningKeys, now, signAt time.Time) (kid string, err error) {
	if err := makeRoom(record, now); err != nil {
		return "", err
	}
	kid, next, err := newSigningKey(r.config.Master, record.Directory, record.Algorithm)
	if err != nil {
		return "", err
	}
	next.PublishAt, next.SignAt = now, signAt
	r.config.Schedule.retireAll(record, signAt)
	record.Keys[kid] = next
	return kid, nil
}

// retireAll plans the end of every key that signs until at, or longer.
func (s Schedule) retireAll(record *storage.SigningKeys, at time.Time) {
	for id, key := range record.Keys {
		if key.RetireAt.IsZero() || key.RetireAt.After(at) {
			key.RetireAt = at
			key.RemoveAt = at.Add(s.tokensEnd())
			key.ForgetAt = key.RemoveAt.Add(s.HintLife)
			record.Keys[id] = key
		}
	}
}

// tokensEnd is how long after its retirement a key stays in the JWK Set: until the last token that it signed has expired.
func (s Schedule) tokensEnd() time.Duration { return s.TokenLife + 2*skew }

// makeRoom drops the oldest key that has left the JWK Set if there is no room for another one.
func makeRoom(record *storage.SigningKeys, now time.Time) error {
	if len(record.Keys) < maxKeys {
		return nil
	}
	oldest := slices.MinFunc(slices.Collect(maps.Keys(record.Keys)), func(a, b string) int {
		return record.Keys[a].SignAt.Compare(record.Keys[b].SignAt)
	})
	if !reached(now, record.Keys[oldest].RemoveAt) {
		return fmt.Errorf("%w: %d of %s", ErrTooMany, maxKeys, record.Algorithm)
	}
	delete(record.Keys, oldest)
	return nil
}

// change applies edit to the stored record by compare-and-set, deciding again from what it sees whenever it lost, and adopts
// the outcome. An edit that reports false writes nothing.
func (r *Ring) change(
	ctx context.Context, directory, name string, edit func(*storage.SigningKeys, time.Time) (bool, error),
) error {
	id := storage.Key(directory, name)
	for range maxAttempts {
		entry, err := storage.Get[storage.SigningKeys](ctx, r.config.Engine, id)
		if errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("%w: %s", ErrNoKey, name)
		}
		if err != nil {
			return err
		}
		record := entry.Record
		changed, err := edit(&record, storage.Instant(r.config.Now()))
		if err != nil {
			return err
		}
		if changed {
			record.DueAt = r.config.Schedule.dueAt(record)
			_, err = entry.Replace(ctx, r.config.Engine, record)
		}
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		if changed {
			r.logChange(record)
		}
		_, err = r.cache.reload(ctx, id)
		return err
	}
	return fmt.Errorf("keys: %w", storage.ErrConflict)
}

func (r *Ring) logChange(record storage.SigningKeys) {
	next, _ := nextKey(record, r.config.Now())
	r.config.Logger.Info("keys: step of rotation", "directory", record.Directory, "algorithm", record.Algorithm,
		"next_kid", next, "next_step_at", record.DueAt)
}

// nextKey returns the key that is published and does not sign yet.
func nextKey(record storage.SigningKeys, now time.Time) (kid string, ok bool) {
	for kid := range record.Keys {
		if stateOf(record, kid, now) == StateNext {
			return kid, true
		}
	}
	return "", false
}

// reached reports whether a planned time has come; a zero time never does.
func reached(now, at time.Time) bool { return !at.IsZero() && !now.Before(at) }

// prepareAt is when the next key should be published: the margin before the last one has signed for long enough.
func (s Schedule) prepareAt(record storage.SigningKeys) time.Time {
	var last time.Time
	for _, key := range record.Keys {
		if key.SignAt.After(last) {
			last = key.SignAt
		}
	}
	if s.RotateEvery <= 0 || last.IsZero() {
		return time.Time{}
	}
	return last.Add(s.RotateEvery - s.Margin)
}

// eraseAt is when a retired key's private half goes: no instance's copy can sign with it any more.
func (s Schedule) eraseAt(key storage.SigningKey) time.Time {
	if key.RetireAt.IsZero() {
		return time.Time{}
	}
	return key.RetireAt.Add(s.Margin)
}

// dueAt is when the next step of the record is due.
func (s Schedule) dueAt(record storage.SigningKeys) time.Time {
	due := s.prepareAt(record)
	sooner := func(at time.Time) {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	for _, key := range record.Keys {
		if key.Private != "" {
			sooner(s.eraseAt(key))
		}
		sooner(key.ForgetAt)
	}
	return due
}
