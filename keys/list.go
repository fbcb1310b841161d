package keys

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/minifed/minifed/storage"
)

// State is where a key is in its life; it follows from the key's times and the clock.
type State string

// The states of a signing key.
const (
	// StateNext is published and does not sign yet.
	StateNext State = "next"
	// StateActive signs.
	StateActive State = "active"
	// StateRetired signs no more and is published, for the tokens that it signed.
	StateRetired State = "retired"
	// StateRemoved has left the JWK Set; only an id_token_hint still verifies by it.
	StateRemoved State = "removed"
)

// Key describes a signing key to an operator; nothing in it is secret.
type Key struct {
	Directory string    `json:"directory"`
	Algorithm string    `json:"algorithm"`
	ID        string    `json:"kid"`
	State     State     `json:"state"`
	PublishAt time.Time `json:"publish_at,omitzero"`
	SignAt    time.Time `json:"sign_at,omitzero"`
	RetireAt  time.Time `json:"retire_at,omitzero"`
	RemoveAt  time.Time `json:"remove_at,omitzero"`
	ForgetAt  time.Time `json:"forget_at,omitzero"`
}

// List returns the signing keys of a directory as they are stored now, by algorithm and age.
func (r *Ring) List(ctx context.Context, directory string) ([]Key, error) {
	now := storage.Instant(r.config.Now())
	var listed []Key
	for _, name := range Algorithms() {
		entry, err := storage.Get[storage.SigningKeys](ctx, r.config.Engine, storage.Key(directory, name))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var keys []Key
		for kid := range entry.Record.Keys {
			keys = append(keys, keyOf(entry.Record, kid, now))
		}
		slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(a.SignAt.Compare(b.SignAt), cmp.Compare(a.ID, b.ID)) })
		listed = append(listed, keys...)
	}
	return listed, nil
}

func keyOf(record storage.SigningKeys, kid string, now time.Time) Key {
	key := record.Keys[kid]
	return Key{
		Directory: record.Directory, Algorithm: record.Algorithm, ID: kid, State: stateOf(record, kid, now),
		PublishAt: key.PublishAt, SignAt: key.SignAt, RetireAt: key.RetireAt, RemoveAt: key.RemoveAt, ForgetAt: key.ForgetAt,
	}
}

func stateOf(record storage.SigningKeys, kid string, now time.Time) State {
	key := record.Keys[kid]
	switch {
	case kid == signer(record, now):
		return StateActive
	case reached(now, key.RemoveAt):
		return StateRemoved
	case key.Private != "" && now.Before(key.SignAt):
		return StateNext
	default:
		return StateRetired
	}
}
