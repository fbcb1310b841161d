package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// minLife and maxLife bound how long documents of the issuer are cached; defaultLife is for documents without max-age.
	minLife, defaultLife, maxLife = time.Minute, 5 * time.Minute, time.Hour
	// refreshAfter is the time between two fetches because of unknown keys, and retryAfter that after a failure.
	refreshAfter = 30 * time.Second
	retryAfter   = 5 * time.Second
	// staleLife is how long the keys are used while the issuer is away.
	staleLife = 24 * time.Hour
	// maxDocument bounds a document of the issuer, in bytes, and maxKeys the keys in it.
	maxDocument = 1 << 20
	maxKeys     = 100
)

// issuer caches the metadata and the keys of an issuer.
type issuer struct {
	identifier string
	client     *http.Client
	now        func() time.Time

	mu sync.Mutex
	// current is nil before the first fetch. flight is closed when the running fetch ends; nil without one. Both are guarded by mu.
	current *documents
	flight  chan struct{}
	// tried is when the last fetch began, and failed is its error; guarded by mu.
	tried  time.Time
	failed error
}

// documents are the documents of the issuer. They are not changed.
type documents struct {
	keys          []jose.JSONWebKey
	introspection string
	fetched       time.Time
	life          time.Duration
}

func newIssuer(config Config) *issuer {
	return &issuer{identifier: config.Issuer, client: config.Client, now: config.Now}
}

// verify returns the payload of a JWS that a key of the issuer signed.
func (i *issuer) verify(ctx context.Context, parsed *jose.JSONWebSignature, header jose.Header) ([]byte, error) {
	known, err := i.documents(ctx, false)
	if err != nil {
		return nil, err
	}
	candidates := known.candidates(header)
	if len(candidates) == 0 {
		if known, err = i.documents(ctx, true); err != nil { // The issuer may have a new key.
			return nil, err
		}
		candidates = known.candidates(header)
	}
	for _, key := range candidates {
		if payload, err := parsed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	if len(candidates) == 0 {
		return nil, invalid("the issuer has no key %q for %s", bounded(header.KeyID), header.Algorithm)
	}
	return nil, invalid("its signature is wrong")
}

// candidates returns the keys that may have signed: those with the key ID, or all of the algorithm if the JWS names none.
func (d *documents) candidates(header jose.Header) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, key := range d.keys {
		if (key.Algorithm == "" || key.Algorithm == header.Algorithm) && (header.KeyID == "" || key.KeyID == header.KeyID) {
			found = append(found, key)
		}
	}
	return found
}

// documents returns the documents of the issuer. unknown means that the cached ones lack a key. At most one fetch runs at a time, and
// others wait for it.
func (i *issuer) documents(ctx context.Context, unknown bool) (*documents, error) {
	for {
		flight, known, err := i.cached(unknown)
		if flight == nil {
			return known, err
		}
		select {
		case <-flight:
			unknown = false
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
}

// cached returns what is known, or the flight to wait for, which it begins if that is needed.
func (i *issuer) cached(unknown bool) (chan struct{}, *documents, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	usable := i.current != nil && now.Sub(i.current.fetched) < staleLife
	needed := !usable || unknown || now.Sub(i.current.fetched) >= i.current.life
	switch {
	case i.flight != nil && needed:
		return i.flight, nil, nil
	case needed && now.Sub(i.tried).Abs() >= i.pause():
		i.tried, i.flight = now, make(chan struct{})
		go i.refresh(i.flight)
		return i.flight, nil, nil
	case usable:
		return nil, i.current, nil
	default:
		return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, i.failed)
	}
}

// pause is the time between two fetches.
func (i *issuer) pause() time.Duration {
	if i.failed != nil {
		return retryAfter
	}
	return refreshAfter
}

// refresh fetches the documents, apart from the request that needed them: others wait for them too.
func (i *issuer) refresh(flight chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*requestTimeout)
	defer cancel()
	fetched, err := i.fetch(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.failed = err; err == nil {
		i.current = fetched
	}
	i.flight = nil
	close(flight)
}

// metadata are the members that are used of the issuer's metadata (OpenID Connect Discovery §3, RFC 8414 §2).
type metadata struct {
	Issuer        string `json:"issuer"`
	JWKSURI       string `json:"jwks_uri"`
	Introspection string `json:"introspection_endpoint"`
}

func (i *issuer) fetch(ctx context.Context) (*documents, error) {
	var found metadata
	if _, err := i.get(ctx, i.identifier+"/.well-known/openid-configuration", &found); err != nil {
		return nil, err
	}
	if found.Issuer != i.identifier {
		return nil, errors.New("the metadata is of another issuer")
	}
	for _, address := range []string{found.JWKSURI, found.Introspection} {
		if parsed, err := url.Parse(address); address != "" && (err != nil || parsed.Scheme != "https" && !isLoopback(parsed)) {
			return nil, errors.New("an endpoint in the metadata is not https")
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	life, err := i.get(ctx, found.JWKSURI, &set)
	if err != nil {
		return nil, err
	}
	fetched := &documents{introspection: found.Introspection, fetched: i.now(), life: life}
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var key jose.JSONWebKey // One key of an unknown type does not spoil the others.
		if key.UnmarshalJSON(raw) == nil && key.IsPublic() && key.Valid() && key.Use != "enc" {
			fetched.keys = append(fetched.keys, key)
		}
	}
	if len(fetched.keys) == 0 {
		return nil, errors.New("the issuer has no usable key")
	}
	return fetched, nil
}

// get reads a JSON document, and returns how long it may be cached.
func (i *issuer) get(ctx context.Context, address string, into any) (time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := i.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	return lifeOf(response.Header), readJSON(response, into)
}

// readJSON reads a bounded JSON document with the status 200.
func readJSON(response *http.Response, into any) error {
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s returned the status %d", response.Request.URL.Path, response.StatusCode)
	}
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || !strings.HasSuffix(media, "json") {
		return fmt.Errorf("%s returned no JSON", response.Request.URL.Path)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxDocument))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// lifeOf returns the max-age of a document, within bounds.
func lifeOf(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if seconds, err := strconv.Atoi(value); strings.EqualFold(name, "max-age") && err == nil && seconds >= 0 {
			return min(max(time.Duration(min(seconds, int(maxLife/time.Second)))*time.Second, minLife), maxLife)
		}
	}
	return defaultLife
}
