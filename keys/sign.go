package keys

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/minifed/minifed/storage"
)

// Sign implements Signer. It returns ErrNoKey if the directory has no key of the algorithm, and ErrStale.
func (r *Ring) Sign(ctx context.Context, directory, name, typ string, payload []byte) (string, error) {
	set, key, err := r.signingKey(ctx, directory, name)
	if err != nil {
		return "", err
	}
	header, ok := key.headers[typ]
	if !ok {
		if header, err = key.encodeHeader(typ); err != nil {
			return "", err
		}
	}
	return assemble(set.algorithm, key, header, payload)
}

// CanSign returns the error that Sign would return now, for callers that must know before an irreversible step.
func (r *Ring) CanSign(ctx context.Context, directory, name string) error {
	_, _, err := r.signingKey(ctx, directory, name)
	return err
}

// signingKey returns the key that signs now, and the set that it is of.
func (r *Ring) signingKey(ctx context.Context, directory, name string) (*keySet, *signingKey, error) {
	set, err := r.signingSet(ctx, directory, name)
	if err != nil {
		return nil, nil, err
	}
	key := set.active(r.config.Now())
	if key == nil {
		return nil, nil, fmt.Errorf("%w that is active: %s", ErrNoKey, name)
	}
	return set, key, nil
}

// signingSet returns the keys to sign with, no older than the schedule allows.
func (r *Ring) signingSet(ctx context.Context, directory, name string) (*keySet, error) {
	copied, ok := r.cache.get(storage.Key(directory, name))
	if ok && !r.isStale(copied.readAt) {
		return copied.value, nil
	}
	if _, err := algorithmOf(name); err != nil {
		return nil, err
	}
	id := storage.Key(directory, name)
	if !ok {
		copied, err := r.cache.reload(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			return nil, fmt.Errorf("%w: %s", ErrNoKey, name)
		}
		return copied.value, err
	}
	copied, err := r.cache.reloadOnce(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	if r.isStale(copied.readAt) {
		return nil, ErrStale
	}
	return copied.value, nil
}

// assemble returns the compact JWS (RFC 7515 §7.1).
func assemble(alg algorithm, key *signingKey, header string, payload []byte) (string, error) {
	encoding := base64.RawURLEncoding
	const usual = 128 // an elliptic curve's signature, encoded: next to what an RSA signature costs, the buffer's growth is nothing
	token := make([]byte, 0, len(header)+1+encoding.EncodedLen(len(payload))+1+usual)
	token = append(token, header...)
	token = append(token, '.')
	token = encoding.AppendEncode(token, payload)
	signature, err := alg.sign(key.private, token)
	if err != nil {
		return "", fmt.Errorf("keys: sign %s: %w", key.public.Algorithm, err)
	}
	token = append(token, '.')
	return string(encoding.AppendEncode(token, signature)), nil
}
