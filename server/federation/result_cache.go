package federation

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/internal/bounded"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/wechat"
)

// maxCachedResults bounds the cached results. An entry has a few hundred bytes.
const maxCachedResults = 4096

// ResultCache caches WeChat's result for a code until the request completes, 60 s longer after a 503. WeChat returns a result
// only once, so a repeat continues with the cached one.
type ResultCache struct {
	now func() time.Time

	mu      sync.Mutex
	results *bounded.Map[resultKey, wechatResult] // guarded by mu
}

// resultKey is a code, which is spent once for each purpose.
type resultKey struct{ purpose, issuer, client, code string }

// wechatResult is WeChat's result for one code: that of a user or of a phone number.
type wechatResult struct {
	session wechat.Session
	phone   wechat.PhoneNumber
	until   time.Time
}

// NewResultCache returns an empty cache.
func NewResultCache(now func() time.Time) *ResultCache {
	return &ResultCache{now: now, results: bounded.New[resultKey, wechatResult](maxCachedResults)}
}

// session returns the cached result for the code of a login, or fetches it.
func (v *ResultCache) session(ctx context.Context, client fosite.Client, code string, fetch func() (wechat.Session, error)) (wechat.Session, error) {
	known, err := v.result(ctx, resultKey{"login", endpoint.IssuerURL(ctx), endpoint.InstanceOf(client), code}, func() (wechatResult, error) {
		session, err := fetch()
		return wechatResult{session: wechat.Session{OpenID: session.OpenID, UnionID: session.UnionID}}, err
	})
	return known.session, err
}

// phoneNumber returns the cached result for the code of a phone number button, or fetches it.
func (v *ResultCache) phoneNumber(
	ctx context.Context, client fosite.Client, code string, fetch func() (wechat.PhoneNumber, error),
) (wechat.PhoneNumber, error) {
	known, err := v.result(ctx, resultKey{"phone", endpoint.IssuerURL(ctx), endpoint.InstanceOf(client), code}, func() (wechatResult, error) {
		number, err := fetch()
		return wechatResult{phone: number}, err
	})
	return known.phone, err
}

func (v *ResultCache) result(ctx context.Context, key resultKey, fetch func() (wechatResult, error)) (wechatResult, error) {
	c := requestFrom(ctx)
	c.vouched = append(c.vouched, key)
	if known, found := v.find(key); found {
		return known, nil
	}
	result, err := fetch()
	if err != nil {
		return wechatResult{}, err
	}
	result.until = v.now().Add(oauth2.RepeatWindow)
	v.store(key, result)
	return result, nil
}

func (v *ResultCache) find(key resultKey) (wechatResult, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, found := v.results.Get(key)
	return known, found && !storage.IsOver(known.until, oauth2.RepeatWindow, v.now())
}

func (v *ResultCache) store(key resultKey, result wechatResult) {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.results.Put(key, result, now, result.until)
}

// Settle removes the results of a request, unless its response is a 503.
func (v *ResultCache) Settle(ctx context.Context, err error) {
	c := requestFrom(ctx)
	if len(c.vouched) == 0 || c.unfinished || err != nil && endpoint.ErrorOf(err).Protocol.CodeField == http.StatusServiceUnavailable {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, key := range c.vouched {
		v.results.Delete(key)
	}
}
