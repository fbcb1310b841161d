package wechat

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// tokenMargin is how long before its expiry a token is renewed: in the last five minutes, the old and the new token are both
// valid.
const tokenMargin = 5 * time.Minute

// tokenKey is an app and the digest of its secret, so that a changed secret is checked at once.
type tokenKey struct {
	app    AppID
	secret [sha256.Size]byte
}

// tokenCache shares the access token of each app. Instances need not share it: getStableAccessToken returns the same token to
// all of them.
type tokenCache struct {
	mu      sync.Mutex
	entries map[tokenKey]*tokenEntry
}

type tokenEntry struct {
	value string
	// until is when the token is renewed, life after the time at which it was received.
	until  time.Time
	life   time.Duration
	flight *tokenFlight // nil without a request in progress
}

// tokenFlight is one request for a token that any number of calls wait for.
type tokenFlight struct {
	done    chan struct{}
	value   string
	failure *Error
}

// CheckCredential requests an access token of app, which proves the AppID, the AppSecret, the IP list and the connection to
// WeChat. A cached token proves nothing, so this always sends one call.
func (c *Client) CheckCredential(ctx context.Context, app App) error {
	if failure := checkApp(apiStableToken, app); failure != nil {
		return failure
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	if _, failure := c.fetchToken(ctx, app); failure != nil {
		return failure
	}
	return nil
}

// exchangeWithToken performs a call that needs the app's access token. When WeChat rejects the token as invalid, the token is
// removed and renewed once, unless another call already did so, and the call is repeated. Nothing was spent.
func (c *Client) exchangeWithToken(ctx context.Context, k call) *Error {
	if failure := checkApp(k.api, k.app); failure != nil {
		return failure
	}
	k.token = true
	rest := k.query
	token, failure := c.token(ctx, k)
	if failure != nil {
		return failure
	}
	k.query = "access_token=" + url.QueryEscape(token) + rest
	failure = c.exchange(ctx, k)
	if failure == nil || failure.Class != ClassToken {
		return failure
	}
	c.expireToken(k.app, token)
	token, unavailable := c.token(ctx, k)
	if unavailable != nil {
		return unavailable
	}
	k.query = "access_token=" + url.QueryEscape(token) + rest
	return c.exchange(ctx, k)
}

// token returns the app's access token, from the cache or from the request in progress.
func (c *Client) token(ctx context.Context, k call) (string, *Error) {
	flight, value := c.tokenOrFlight(ctx, k.app)
	if flight == nil {
		return value, nil
	}
	select {
	case <-flight.done:
	case <-ctx.Done():
		return "", k.lost(false, redact(ctx.Err(), k))
	}
	if flight.failure != nil {
		return "", k.withoutToken(flight.failure)
	}
	return flight.value, nil
}

// usable reports whether the token may still be used. If the clock was set back by more than the token's life, its age is
// unknown.
func (e *tokenEntry) usable(now time.Time) bool {
	return now.Before(e.until) && !now.Before(e.until.Add(-2*e.life))
}

// tokenOrFlight returns the cached token, or the flight to wait for, and starts one if there is none. A flight continues when the
// call that started it ends.
func (c *Client) tokenOrFlight(ctx context.Context, app App) (*tokenFlight, string) {
	key := tokenKey{app: app.ID, secret: sha256.Sum256([]byte(app.Secret))}
	now := c.config.Now()
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	entry := c.tokens.entries[key]
	if entry != nil && entry.flight != nil {
		return entry.flight, ""
	}
	if entry != nil && entry.usable(now) {
		return nil, entry.value
	}
	maps.DeleteFunc(c.tokens.entries, func(_ tokenKey, e *tokenEntry) bool { return e.flight == nil && !e.usable(now) })
	flight := &tokenFlight{done: make(chan struct{})}
	c.tokens.entries[key] = &tokenEntry{flight: flight}
	go c.runTokenFlight(context.WithoutCancel(ctx), app, key, flight)
	return flight, ""
}

func (c *Client) runTokenFlight(ctx context.Context, app App, key tokenKey, flight *tokenFlight) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	result, failure := c.fetchToken(ctx, app)
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	defer close(flight.done)
	if failure != nil {
		flight.failure = failure
		delete(c.tokens.entries, key)
		return
	}
	flight.value = result.Token
	life := result.useFor()
	c.tokens.entries[key] = &tokenEntry{value: result.Token, until: c.config.Now().Add(life), life: life}
}

// expireToken removes value, and only value: a token that another call has renewed meanwhile stays.
func (c *Client) expireToken(app App, value string) {
	key := tokenKey{app: app.ID, secret: sha256.Sum256([]byte(app.Secret))}
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	if entry := c.tokens.entries[key]; entry != nil && entry.flight == nil && entry.value == value {
		delete(c.tokens.entries, key)
	}
}

func (c *Client) fetchToken(ctx context.Context, app App) (tokenResponse, *Error) {
	body, err := json.Marshal(map[string]string{"grant_type": "client_credential", "appid": string(app.ID), "secret": string(app.Secret)})
	if err != nil {
		return tokenResponse{}, &Error{API: apiStableToken, Class: ClassConfig, Cause: errApp}
	}
	var result tokenResponse
	failure := c.exchange(ctx, call{
		api: apiStableToken, app: app, method: http.MethodPost, path: "/cgi-bin/stable_token", body: body, decode: result.decode,
	})
	return result, failure
}

// withoutToken returns the error of a call for which no token was available. The call itself was not sent, independent of the
// result of the token's request.
func (k call) withoutToken(failure *Error) *Error {
	if failure.Class != ClassAmbiguous && failure.Class != ClassUnknown {
		return failure
	}
	unsent := *failure
	unsent.Class = ClassUnsent
	if unsent.Cause == nil && unsent.Code == 0 {
		unsent.Cause = errors.New("no access token")
	}
	return &unsent
}

type tokenResponse struct {
	status
	Token     string `json:"access_token"`
	ExpiresIn int64  `json:"expires_in"`
}

func (a *tokenResponse) decode(body []byte) (status, error) {
	*a = tokenResponse{}
	if err := json.Unmarshal(body, a); err != nil {
		return a.status, err
	}
	if !bounded(a.Token, maxToken) || a.ExpiresIn <= 0 || a.ExpiresIn > 86400 {
		return a.status, errResponse
	}
	return a.status, nil
}

// useFor is how long the token is used. A token that WeChat returns within its last five minutes is still used for some
// seconds, so that not every call requests one.
func (a *tokenResponse) useFor() time.Duration {
	left := time.Duration(a.ExpiresIn) * time.Second
	return max(left-tokenMargin, min(left, 10*time.Second))
}
