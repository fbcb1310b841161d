package resource

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// introspect asks the issuer about a token (RFC 7662 §2).
func (s *Server) introspect(ctx context.Context, token string) (*Token, error) {
	key, now := sha256.Sum256([]byte(token)), s.config.Now()
	raw, ok := s.responses.get(key, now)
	if !ok {
		var err error
		if raw, err = s.ask(ctx, token); err != nil {
			return nil, fmt.Errorf("%w: introspection: %w", ErrUnavailable, err)
		}
		if life := s.config.Introspection.CacheFor; life > 0 {
			s.responses.put(key, response{raw, now.Add(life)})
		}
	}
	var claims wireClaims
	switch {
	case json.Unmarshal(raw, &claims) != nil:
		return nil, fmt.Errorf("%w: introspection: the response cannot be read", ErrUnavailable)
	case !claims.Active:
		return nil, invalid("it is not active")
	case claims.Issuer != "" && claims.Issuer != s.config.Issuer:
		return nil, invalid("it is of another issuer")
	}
	return s.check(claims, raw)
}

// ask returns the response of the issuer.
func (s *Server) ask(ctx context.Context, token string) ([]byte, error) {
	known, err := s.issuer.documents(ctx, false)
	if err != nil {
		return nil, err
	}
	if known.introspection == "" {
		return nil, fmt.Errorf("the issuer has no introspection endpoint")
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, known.introspection, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// RFC 6749 §2.3.1: both are form-encoded first.
	request.SetBasicAuth(url.QueryEscape(s.config.Introspection.ClientID), url.QueryEscape(s.config.Introspection.ClientSecret))
	response, err := s.config.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var raw json.RawMessage
	return raw, readJSON(response, &raw)
}

// maxResponses bounds the cached responses.
const maxResponses = 20_000

// response is a response of the introspection endpoint.
type response struct {
	raw  []byte
	ends time.Time
}

// responseCache holds the latest responses, by the digest of the token. It has two halves: when the newer one is full, it replaces the
// older one.
type responseCache struct {
	mu           sync.Mutex
	newer, older map[[sha256.Size]byte]response // guarded by mu
}

func newResponseCache() *responseCache {
	return &responseCache{newer: map[[sha256.Size]byte]response{}}
}

func (c *responseCache) get(key [sha256.Size]byte, now time.Time) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.newer[key]
	if !ok {
		found, ok = c.older[key]
	}
	return found.raw, ok && now.Before(found.ends)
}

func (c *responseCache) put(key [sha256.Size]byte, added response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.newer) >= maxResponses/2 {
		c.newer, c.older = map[[sha256.Size]byte]response{}, c.newer
	}
	c.newer[key] = added
}
