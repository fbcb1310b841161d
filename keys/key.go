package keys

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/minifed/minifed/storage"
)

// signingKey is a storage.SigningKey ready for use.
type signingKey struct {
	public jose.JSONWebKey
	// private is nil once the key has retired.
	private  crypto.Signer
	signAt   time.Time
	retireAt time.Time
	removeAt time.Time
	forgetAt time.Time
	// headers holds the encoded protected header for each of the usual types.
	headers map[string]string
}

// keySet is a storage.SigningKeys ready for use: all keys of one directory and algorithm.
type keySet struct {
	name      string
	algorithm algorithm
	record    storage.SigningKeys
	// keys are ordered by signAt.
	keys []*signingKey
	byID map[string]*signingKey
}

// active returns the key that signs at now, or nil when the set has no private key. See signer.
func (s *keySet) active(now time.Time) *signingKey {
	return s.byID[signer(s.record, now)]
}

// signer returns the ID of the key that signs at now: the last one whose time has come. If no key's time has come, because the
// clock was set back or the only key is new, it is the first one. That is safe: every key of the record is in the JWK Set. Keys
// without a private half sign nothing. It returns "" when no key can sign.
func signer(record storage.SigningKeys, now time.Time) (kid string) {
	later := func(id, than string) bool {
		a, b := record.Keys[id], record.Keys[than]
		return cmp.Or(a.SignAt.Compare(b.SignAt), cmp.Compare(id, than)) > 0
	}
	first := ""
	for id, key := range record.Keys {
		if key.Private == "" {
			continue
		}
		if first == "" || later(first, id) {
			first = id
		}
		if !now.Before(key.SignAt) && (kid == "" || later(id, kid)) {
			kid = id
		}
	}
	return cmp.Or(kid, first)
}

// published reports whether the key is in the JWK Set at now.
func (k *signingKey) published(now time.Time) bool {
	return k.removeAt.IsZero() || now.Before(k.removeAt)
}

// remembered reports whether an id_token_hint that the key signed is accepted at now.
func (k *signingKey) remembered(now time.Time) bool {
	return k.forgetAt.IsZero() || now.Before(k.forgetAt)
}

// thumbprint is the key's ID (RFC 7638).
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("keys: thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// newSigningKey generates a key pair of a directory and returns its ID and record, without times.
func newSigningKey(master *Master, directory, name string) (kid string, record storage.SigningKey, err error) {
	alg, err := algorithmOf(name)
	if err != nil {
		return "", record, err
	}
	private, err := alg.generate()
	if err != nil {
		return "", record, fmt.Errorf("keys: generate %s: %w", name, err)
	}
	if kid, err = thumbprint(private.Public()); err != nil {
		return "", record, err
	}
	jwk := jose.JSONWebKey{Key: private, KeyID: kid, Algorithm: name, Use: "sig"}
	secret, err := json.Marshal(jwk)
	if err != nil {
		return "", record, errors.New("keys: private key cannot be encoded")
	}
	if record.Public, err = json.Marshal(jwk.Public()); err != nil {
		return "", record, fmt.Errorf("keys: encode public key: %w", err)
	}
	record.Private, err = master.Seal(secret, signingKeyBinding(directory, name, kid))
	return kid, record, err
}

// parseKeySet opens a record with the master key.
func parseKeySet(master *Master, record storage.SigningKeys) (*keySet, error) {
	alg, err := algorithmOf(record.Algorithm)
	if err != nil {
		return nil, err
	}
	set := &keySet{
		name: record.Algorithm, algorithm: alg, record: record,
		byID: make(map[string]*signingKey, len(record.Keys)),
	}
	for kid, stored := range record.Keys {
		key, err := parsePublic(alg, record.Algorithm, kid, stored)
		if err != nil {
			return nil, err
		}
		if stored.Private != "" {
			if err := key.open(master, record.Directory, stored.Private); err != nil {
				return nil, err
			}
		}
		set.keys = append(set.keys, key)
		set.byID[kid] = key
	}
	slices.SortFunc(set.keys, func(a, b *signingKey) int {
		return cmp.Or(a.signAt.Compare(b.signAt), cmp.Compare(a.public.KeyID, b.public.KeyID))
	})
	return set, nil
}

func parsePublic(alg algorithm, name, kid string, stored storage.SigningKey) (*signingKey, error) {
	key := &signingKey{
		signAt: stored.SignAt, retireAt: stored.RetireAt, removeAt: stored.RemoveAt, forgetAt: stored.ForgetAt,
		headers: map[string]string{},
	}
	if err := json.Unmarshal(stored.Public, &key.public); err != nil {
		return nil, errors.New("keys: public key is not a JWK")
	}
	if !key.public.IsPublic() || !alg.fits(key.public.Key) || key.public.Algorithm != name {
		return nil, fmt.Errorf("keys: public key does not fit %s", name)
	}
	if id, err := thumbprint(key.public.Key); err != nil || id != kid || key.public.KeyID != kid {
		return nil, errors.New("keys: public key does not have its thumbprint as kid")
	}
	for _, typ := range []string{"JWT", "at+jwt", "logout+jwt"} {
		header, err := key.encodeHeader(typ)
		if err != nil {
			return nil, err
		}
		key.headers[typ] = header
	}
	return key, nil
}

// open unseals the private key and checks that it belongs to the public one.
func (k *signingKey) open(master *Master, directory, sealed string) error {
	secret, err := master.Open(sealed, signingKeyBinding(directory, k.public.Algorithm, k.public.KeyID))
	if err != nil {
		return err
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(secret, &jwk); err != nil {
		return errors.New("keys: private key is not a JWK")
	}
	private, ok := jwk.Key.(crypto.Signer)
	if !ok || !isPair(k.public.Key, private) {
		return errors.New("keys: private key is not the public key's")
	}
	if key, ok := private.(*rsa.PrivateKey); ok {
		key.Precompute()
	}
	k.private = private
	return nil
}

func isPair(public crypto.PublicKey, private crypto.Signer) bool {
	comparable, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(public)
}

// encodeHeader returns the base64url of the protected header with typ.
func (k *signingKey) encodeHeader(typ string) (string, error) {
	header, err := json.Marshal(protected{Algorithm: k.public.Algorithm, KeyID: k.public.KeyID, Type: typ})
	if err != nil {
		return "", fmt.Errorf("keys: encode header: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(header), nil
}

// protected is the JWS header of the tokens signed here (RFC 7515 §4.1).
type protected struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ,omitempty"`
}
