package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minifed/minifed/storage"
)

// MaxToken bounds the tokens that are looked at, in bytes. The longest access token, with every scope and audience that a client
// may have, is shorter.
const MaxToken = 24 << 10

// Verify implements Signer. It returns ErrInvalid (wrapped) for everything that is not a compact JWS signed by a published key of
// the directory, and storage.ErrUnavailable if the key is unknown and the store cannot be read.
func (r *Ring) Verify(ctx context.Context, directory, token string) (Verified, error) {
	return r.verify(ctx, directory, token, (*signingKey).published)
}

// VerifyHint is Verify for an id_token_hint: it also accepts keys that have left the JWK Set, until they are forgotten
// (OpenID Connect RP-Initiated Logout §2).
func (r *Ring) VerifyHint(ctx context.Context, directory, token string) (Verified, error) {
	return r.verify(ctx, directory, token, (*signingKey).remembered)
}

func (r *Ring) verify(ctx context.Context, directory, token string, accept func(*signingKey, time.Time) bool) (Verified, error) {
	jws, err := parseCompact(token)
	if err != nil {
		return Verified{}, err
	}
	set, key, err := r.find(ctx, directory, jws.header)
	if err != nil {
		return Verified{}, err
	}
	if !accept(key, r.config.Now()) {
		return Verified{}, fmt.Errorf("%w: its key has been removed", ErrInvalid)
	}
	if !r.isGood(set.algorithm, key, jws, token) {
		return Verified{}, fmt.Errorf("%w: signature does not verify", ErrInvalid)
	}
	return Verified{
		Algorithm: jws.header.Algorithm, KeyID: jws.header.KeyID, Type: jws.header.Type, Payload: jws.payload,
	}, nil
}

// find returns the key that the header names; the store is asked for one that is not at hand.
func (r *Ring) find(ctx context.Context, directory string, header protected) (*keySet, *signingKey, error) {
	if copied, ok := r.cache.get(storage.Key(directory, header.Algorithm)); ok {
		if key := copied.value.byID[header.KeyID]; key != nil {
			return copied.value, key, nil
		}
	}
	if _, err := algorithmOf(header.Algorithm); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	copied, err := r.cache.reloadOnce(ctx, storage.Key(directory, header.Algorithm))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil, fmt.Errorf("%w: unknown key", ErrInvalid)
	}
	if err != nil {
		return nil, nil, err
	}
	key := copied.value.byID[header.KeyID]
	if key == nil {
		return nil, nil, fmt.Errorf("%w: unknown key", ErrInvalid)
	}
	return copied.value, key, nil
}

// isGood verifies the signature, or finds that this very token's was verified before. The token names its key, and the key's
// ID is its thumbprint, so a remembered signature is good under no other key.
func (r *Ring) isGood(alg algorithm, key *signingKey, jws compact, token string) bool {
	if r.verified == nil {
		return alg.verify(key.public.Key, jws.input, jws.signature)
	}
	sum := sha256.Sum256([]byte(token))
	if r.verified.has(sum) {
		return true
	}
	if !alg.verify(key.public.Key, jws.input, jws.signature) {
		return false
	}
	r.verified.add(sum)
	return true
}

// compact is a JWS in compact serialization, taken apart.
type compact struct {
	header    protected
	payload   []byte
	input     []byte
	signature []byte
}

func parseCompact(token string) (compact, error) {
	if len(token) > MaxToken {
		return compact{}, fmt.Errorf("%w: too long", ErrInvalid)
	}
	if strings.ContainsAny(token, "\r\n") { // which the decoder would skip
		return compact{}, fmt.Errorf("%w: not base64url", ErrInvalid)
	}
	last := strings.LastIndexByte(token, '.')
	head, body, ok := strings.Cut(token[:max(last, 0)], ".")
	if !ok || strings.IndexByte(body, '.') >= 0 {
		return compact{}, fmt.Errorf("%w: not a compact JWS", ErrInvalid)
	}
	encoding := base64.RawURLEncoding.Strict()
	header, err1 := encoding.DecodeString(head)
	payload, err2 := encoding.DecodeString(body)
	signature, err3 := encoding.DecodeString(token[last+1:])
	if err := errors.Join(err1, err2, err3); err != nil {
		return compact{}, fmt.Errorf("%w: not base64url", ErrInvalid)
	}
	jws := compact{payload: payload, input: []byte(token[:last]), signature: signature}
	jws.header, err1 = parseHeader(header)
	return jws, err1
}

// parseHeader accepts the members of our own headers alone, so that nothing in one can steer the verification (crit, jwk, jku, b64).
func parseHeader(header []byte) (protected, error) {
	var parsed protected
	decoder := json.NewDecoder(bytes.NewReader(header))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&parsed); err != nil || decoder.More() {
		return protected{}, fmt.Errorf("%w: malformed header", ErrInvalid)
	}
	return parsed, nil
}
