package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minifed/minifed/storage"
)

// ErrUnknownKey says that the directory has no signing key of that ID.
var ErrUnknownKey = errors.New("keys: unknown signing key")

// RotateNow activates the next key of a directory and algorithm at once: the published one, or a new one. The previous key stays
// in the JWK Set for the tokens that it signed. Every instance signs with the new key within Schedule.Refresh. Verifiers that
// cache a JWK Set and do not reload it for an unknown kid reject its tokens for up to Schedule.MaxAge.
// While the clock is not trusted it returns ErrClock: by the other clocks, the previous key could still sign, or have ended.
func (r *Ring) RotateNow(ctx context.Context, directory, name string) (Key, error) {
	if err := r.config.checkClock(); err != nil {
		return Key{}, err
	}
	var active Key
	err := r.change(ctx, directory, name, func(record *storage.SigningKeys, now time.Time) (bool, error) {
		kid, err := r.promote(record, now)
		if err == nil {
			active = keyOf(*record, kid, now)
		}
		return true, err
	})
	return active, err
}

// Revoke deletes a signing key of a directory at once, as after its secret got out: nothing that it signed is accepted here any
// more. If no other key can sign, the next one does at once, as after RotateNow. It returns the key that signs now, and
// ErrUnknownKey for a key that the directory does not have.
func (r *Ring) Revoke(ctx context.Context, directory, kid string) (Key, error) {
	for _, name := range Algorithms() {
		active, err := r.revoke(ctx, directory, name, kid)
		if errors.Is(err, ErrNoKey) || errors.Is(err, ErrUnknownKey) {
			continue
		}
		return active, err
	}
	return Key{}, fmt.Errorf("%w: %s", ErrUnknownKey, kid)
}

func (r *Ring) revoke(ctx context.Context, directory, name, kid string) (Key, error) {
	var active Key
	err := r.change(ctx, directory, name, func(record *storage.SigningKeys, now time.Time) (bool, error) {
		if _, ok := record.Keys[kid]; !ok {
			return false, ErrUnknownKey
		}
		signs := signer(*record, now)
		delete(record.Keys, kid)
		if signs == kid {
			var err error
			if signs, err = r.promote(record, now); err != nil {
				return false, err
			}
		}
		active = keyOf(*record, signs, now)
		return true, nil
	})
	return active, err
}

// promote activates the next key now, and returns its ID. Without a next key it adds one.
func (r *Ring) promote(record *storage.SigningKeys, now time.Time) (string, error) {
	kid, ok := nextKey(*record, now)
	if !ok {
		return r.add(record, now, now)
	}
	r.config.Schedule.retireAll(record, now)
	next := record.Keys[kid]
	next.SignAt, next.RetireAt, next.RemoveAt, next.ForgetAt = now, time.Time{}, time.Time{}, time.Time{}
	record.Keys[kid] = next
	return kid, nil
}
