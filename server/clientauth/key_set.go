package clientauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage/oauth2"
)

// clientKey is a public key of a client.
type clientKey struct {
	// id and algorithm are empty where the JWK does not say.
	id        string
	algorithm string
	public    any
}

// serves reports whether the key may verify a signature of that algorithm under that kid (RFC 7517 §4.4, §4.5). A signature
// that names no key may be of any.
func (k clientKey) serves(algorithm, id string) bool {
	return (k.algorithm == "" || k.algorithm == algorithm) && (k.id == "" || id == "" || k.id == id) && isKeyOf(algorithm, k.public)
}

// ed25519Name is what RFC 9864 calls what RFC 8037 calls EdDSA, as far as it is used here: with the curve Ed25519.
const ed25519Name = "Ed25519"

// plainAlgorithm is the name that this server uses for an algorithm.
func plainAlgorithm(name string) string {
	if name == ed25519Name {
		return keys.EdDSA
	}
	return name
}

const (
	minClientRSA = 2048
	// maxClientRSA keeps a key from making verification expensive.
	maxClientRSA = 4096
)

// isKeyOf reports whether a public key is of the kind that an algorithm takes (RFC 7518 §3.1, RFC 8037 §3.1). It is what keeps
// symmetric keys and none out.
func isKeyOf(algorithm string, public any) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return (algorithm == keys.RS256 || algorithm == keys.PS256) && bits >= minClientRSA && bits <= maxClientRSA
	case *ecdsa.PublicKey:
		return algorithm == keys.ES256 && key.Curve == elliptic.P256() || algorithm == keys.ES384 && key.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return algorithm == keys.EdDSA
	default:
		return false
	}
}

const (
	// keySetFresh is how long a fetched key set is used without asking again.
	keySetFresh = 5 * time.Minute
	// keySetUsable is how long it is used while it cannot be fetched again.
	keySetUsable = time.Hour
	// keySetPause is the least time between two fetches of one key set, whatever was found.
	keySetPause = 30 * time.Second
	// keySetsKept bounds the key sets in memory, and maxClientKeys the keys of one.
	keySetsKept   = 1024
	maxClientKeys = 32
)

// KeySets finds the public keys of clients: those they registered, or those at their jwks_uri (OpenID Connect Core §10.1.1).
type KeySets struct {
	outgoing *outbound.Client
	now      func() time.Time
	logger   *slog.Logger

	flights singleflight.Group
	mu      sync.Mutex
	fetched map[string]keySet // by URI; guarded by mu
}

// keySet is what is known of a jwks_uri.
type keySet struct {
	keys []clientKey
	// at is when keys came; zero when they never did. tried is when they were asked for last, and err why that failed.
	at, tried time.Time
	err       error
}

// NewKeySets returns an empty cache of key sets that outgoing fetches.
func NewKeySets(outgoing *outbound.Client, now func() time.Time, logger *slog.Logger) *KeySets {
	return &KeySets{outgoing: outgoing, now: now, logger: logger, fetched: map[string]keySet{}}
}

// of returns the keys of a client, as far as they are known without an effort. Keys that cannot be fetched are an error.
func (k *KeySets) of(ctx context.Context, client *oauth2.Client) ([]clientKey, error) {
	record := client.Record()
	if len(record.JWKS) > 0 || record.JWKSURI == "" {
		return registeredKeys(client), nil
	}
	set, now := k.known(record.JWKSURI), k.now()
	if now.Sub(set.at).Abs() >= keySetFresh && now.Sub(set.tried).Abs() >= keySetPause {
		set = k.fetch(ctx, client)
	}
	return set.usable(now)
}

// again returns the keys of a client after none of those that of returned would do: it may have got new ones. It returns none
// where that cannot be, or where it was asked a moment ago.
func (k *KeySets) again(ctx context.Context, client *oauth2.Client) ([]clientKey, error) {
	record := client.Record()
	if len(record.JWKS) > 0 || record.JWKSURI == "" || k.now().Sub(k.known(record.JWKSURI).tried).Abs() < keySetPause {
		return nil, nil
	}
	return k.fetch(ctx, client).usable(k.now())
}

func (s keySet) usable(now time.Time) ([]clientKey, error) {
	if s.err != nil && now.Sub(s.at).Abs() >= keySetUsable {
		return nil, s.err
	}
	return s.keys, nil
}

func (k *KeySets) known(uri string) keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fetched[uri]
}

// fetch asks the client's jwks_uri, once for all who wait for it.
func (k *KeySets) fetch(ctx context.Context, client *oauth2.Client) keySet {
	result, _, _ := k.flights.Do(client.GetJSONWebKeysURI(), func() (any, error) {
		return k.load(context.WithoutCancel(ctx), client), nil
	})
	set, _ := result.(keySet)
	return set
}

// load replaces what is known by what is there now, if that can be had.
func (k *KeySets) load(ctx context.Context, client *oauth2.Client) keySet {
	uri := client.GetJSONWebKeysURI()
	set := k.known(uri)
	set.tried = k.now()
	var found []clientKey
	body, err := k.outgoing.Get(ctx, uri, "application/jwk-set+json, application/json")
	if err == nil {
		found, err = parseKeySet(body)
	}
	if set.err = err; err == nil {
		set.keys, set.at = found, set.tried
	} else {
		k.logger.WarnContext(ctx, "client's keys cannot be fetched", "client", client.GetID(), "cause", err.Error())
	}
	k.keep(uri, set)
	return set
}

func (k *KeySets) keep(uri string, set keySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.fetched[uri]; !known && len(k.fetched) >= keySetsKept {
		endpoint.Evict(k.fetched, keySetsKept, func(old keySet) bool { return set.tried.Sub(old.tried) >= keySetUsable })
	}
	k.fetched[uri] = set
}

// registeredKeys are the keys in a client's record, which were read when the record was.
func registeredKeys(client *oauth2.Client) []clientKey {
	set := client.GetJSONWebKeys()
	if set == nil {
		return nil
	}
	var found []clientKey
	for _, key := range set.Keys[:min(len(set.Keys), maxClientKeys)] {
		if verifies(key.Use) {
			found = append(found, clientKey{id: key.KeyID, algorithm: plainAlgorithm(key.Algorithm), public: key.Key})
		}
	}
	return found
}

// verifies reports whether a key of that use verifies signatures (RFC 7517 §4.2).
func verifies(use string) bool { return use == "" || use == "sig" }

// parseKeySet reads a JWK Set from outside. Keys that it cannot use are passed over (RFC 7517 §5).
func parseKeySet(body []byte) ([]clientKey, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &document); err != nil || document.Keys == nil {
		return nil, fmt.Errorf("%w: the answer is not a JWK Set", outbound.ErrFailed)
	}
	if len(document.Keys) > maxClientKeys {
		return nil, fmt.Errorf("%w: the JWK Set has more than %d keys", outbound.ErrFailed, maxClientKeys)
	}
	var found []clientKey
	for _, raw := range document.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) != nil || !key.IsPublic() || !verifies(key.Use) {
			continue
		}
		if slices.ContainsFunc(keys.Algorithms(), func(algorithm string) bool { return isKeyOf(algorithm, key.Key) }) {
			found = append(found, clientKey{id: key.KeyID, algorithm: plainAlgorithm(key.Algorithm), public: key.Key})
		}
	}
	return found, nil
}
