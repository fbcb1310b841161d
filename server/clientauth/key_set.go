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

	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/outbound"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
)

// clientKey is a public key of a client.
type clientKey struct {
	// id and algorithm are empty if the JWK has none.
	id        string
	algorithm string
	public    any
}

// canVerify reports whether the key may verify a signature with that algorithm and kid (RFC 7517 §4.4, §4.5). Every key may
// verify a signature without kid.
func (k clientKey) canVerify(algorithm, id string) bool {
	return (k.algorithm == "" || k.algorithm == algorithm) && (k.id == "" || id == "" || k.id == id) && isKeyOf(algorithm, k.public)
}

// ed25519Name is the name of RFC 9864 for EdDSA (RFC 8037) with the curve Ed25519.
const ed25519Name = "Ed25519"

// plainAlgorithm returns the name that this server uses for an algorithm.
func plainAlgorithm(name string) string {
	if name == ed25519Name {
		return keys.EdDSA
	}
	return name
}

const (
	minClientRSA = 2048
	// maxClientRSA bounds the size of RSA keys, because verification with a large key is expensive.
	maxClientRSA = 4096
)

// isKeyOf reports whether a public key has the type that an algorithm requires (RFC 7518 §3.1, RFC 8037 §3.1). It excludes
// symmetric keys and the algorithm none.
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
	// keySetFresh is how long a fetched key set is used before it is fetched again.
	keySetFresh = 5 * time.Minute
	// keySetUsable is how long it is used while fetches fail.
	keySetUsable = time.Hour
	// keySetPause is the minimum time between two fetches of one key set, with any result.
	keySetPause = 30 * time.Second
	// maxKeySets bounds the key sets in memory, and maxClientKeys the keys of one set.
	maxKeySets    = 1024
	maxClientKeys = 32
)

// KeySets finds the public keys of clients: those they registered, or those at their jwks_uri (OpenID Connect Core §10.1.1).
type KeySets struct {
	// outgoing fetches the keys of clients that operators registered, and unknown those of other clients.
	outgoing, unknown *outbound.Client
	now               func() time.Time
	logger            *slog.Logger

	flights singleflight.Group
	mu      sync.Mutex
	fetched *bounded.Map[string, keySet] // by URI; guarded by mu
}

// keySet is the cached state of a jwks_uri.
type keySet struct {
	keys []clientKey
	// at is the time of the last successful fetch, or zero. tried is the time of the last attempt, and err its error.
	at, tried time.Time
	err       error
}

// NewKeySets returns an empty cache of key sets. outgoing fetches those of clients that operators registered, and unknown those of
// other clients.
func NewKeySets(outgoing, unknown *outbound.Client, now func() time.Time, logger *slog.Logger) *KeySets {
	return &KeySets{outgoing: outgoing, unknown: unknown, now: now, logger: logger, fetched: bounded.New[string, keySet](maxKeySets)}
}

// of returns the keys of a client, from the cache if possible. It returns an error if they cannot be fetched.
func (k *KeySets) of(ctx context.Context, client *oauth2.Client) ([]clientKey, error) {
	record := client.Record()
	if len(record.JWKS) > 0 || record.JWKSURI == "" {
		return registeredKeys(client), nil
	}
	set, now := k.cached(record.JWKSURI), k.now()
	if now.Sub(set.at).Abs() >= keySetFresh && now.Sub(set.tried).Abs() >= keySetPause {
		set = k.fetch(ctx, client)
	}
	return set.usable(now)
}

// refetch fetches the keys of a client when none of those of the cache verified a signature, because the client may have new
// ones. It returns none if the client has no jwks_uri or the last fetch was too recent.
func (k *KeySets) refetch(ctx context.Context, client *oauth2.Client) ([]clientKey, error) {
	record := client.Record()
	if len(record.JWKS) > 0 || record.JWKSURI == "" || k.now().Sub(k.cached(record.JWKSURI).tried).Abs() < keySetPause {
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

func (k *KeySets) cached(uri string) keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	set, _ := k.fetched.Get(uri)
	return set
}

// fetch fetches the client's jwks_uri, once for all concurrent callers.
func (k *KeySets) fetch(ctx context.Context, client *oauth2.Client) keySet {
	result, _, _ := k.flights.Do(client.GetJSONWebKeysURI(), func() (any, error) {
		return k.load(context.WithoutCancel(ctx), client), nil
	})
	set, _ := result.(keySet)
	return set
}

// load fetches a key set and, on success, replaces the cached one.
func (k *KeySets) load(ctx context.Context, client *oauth2.Client) keySet {
	uri := client.GetJSONWebKeysURI()
	set := k.cached(uri)
	set.tried = k.now()
	var found []clientKey
	outgoing := k.outgoing
	if client.Record().Origin != storage.OriginOperator {
		outgoing = k.unknown
	}
	body, err := outgoing.Get(ctx, uri, "application/jwk-set+json, application/json")
	if err == nil {
		found, err = parseKeySet(body)
	}
	if set.err = err; err == nil {
		set.keys, set.at = found, set.tried
	} else {
		k.logger.WarnContext(ctx, "client's keys cannot be fetched", "client", client.GetID(), "cause", err.Error())
	}
	k.store(uri, set)
	return set
}

func (k *KeySets) store(uri string, set keySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fetched.Put(uri, set, set.tried, set.tried.Add(keySetUsable))
}

// registeredKeys returns the keys in a client's record, which were parsed when the record was read.
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

// verifies reports whether a key with that use can verify signatures (RFC 7517 §4.2).
func verifies(use string) bool { return use == "" || use == "sig" }

// parseKeySet parses a JWK Set from outside. It ignores keys that it cannot use (RFC 7517 §5).
func parseKeySet(body []byte) ([]clientKey, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &document); err != nil || document.Keys == nil {
		return nil, fmt.Errorf("%w: the response is not a JWK Set", outbound.ErrFailed)
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
