package federation

import (
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

// wechatResult is WeChat's result for one code: that of a mini-program's user, of a phone number or of a mobile app's user.
type wechatResult struct {
	session wechat.Session
	phone   wechat.PhoneNumber
	web     *WebUser
	until   time.Time
}

// NewResultCache returns an empty cache.
func NewResultCache(now func() time.Time) *ResultCache {
	return &ResultCache{now: now, results: bounded.New[resultKey, wechatResult](maxCachedResults)}
}

// session returns the cached result for the code of a login, or fetches it.
func (c *ResultCache) session(v *Request, client fosite.Client, code string, fetch func() (wechat.Session, error)) (wechat.Session, error) {
	known, err := c.result(v, resultKey{"login", v.Issuer.URL, endpoint.InstanceOf(client), code}, func() (wechatResult, error) {
		session, err := fetch()
		return wechatResult{session: wechat.Session{OpenID: session.OpenID, UnionID: session.UnionID}}, err
	})
	return known.session, err
}

// webUser returns the cached result for the code of a mobile app, or fetches it.
func (c *ResultCache) webUser(v *Request, client fosite.Client, code string, fetch func() (*WebUser, error)) (*WebUser, error) {
	known, err := c.result(v, resultKey{"web", v.Issuer.URL, endpoint.InstanceOf(client), code}, func() (wechatResult, error) {
		user, err := fetch()
		return wechatResult{web: user}, err
	})
	if err != nil {
		return nil, err
	}
	mine := *known.web // Concurrent requests with other methods share the result.
	return &mine, nil
}

// phoneNumber returns the cached result for the code of a phone number button, or fetches it.
func (c *ResultCache) phoneNumber(
	v *Request, client fosite.Client, code string, fetch func() (wechat.PhoneNumber, error),
) (wechat.PhoneNumber, error) {
	known, err := c.result(v, resultKey{"phone", v.Issuer.URL, endpoint.InstanceOf(client), code}, func() (wechatResult, error) {
		number, err := fetch()
		return wechatResult{phone: number}, err
	})
	return known.phone, err
}

func (c *ResultCache) result(v *Request, key resultKey, fetch func() (wechatResult, error)) (wechatResult, error) {
	v.cached = append(v.cached, key)
	if known, found := c.find(key); found {
		return known, nil
	}
	result, err := fetch()
	if err != nil {
		return wechatResult{}, err
	}
	result.until = c.now().Add(oauth2.RepeatWindow)
	c.store(key, result)
	return result, nil
}

func (c *ResultCache) find(key resultKey) (wechatResult, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, found := c.results.Get(key)
	return known, found && !storage.IsOver(known.until, oauth2.RepeatWindow, c.now())
}

func (c *ResultCache) store(key resultKey, result wechatResult) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results.Put(key, result, now, result.until)
}

// remove removes results.
func (c *ResultCache) remove(keys []resultKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		c.results.Delete(key)
	}
}
