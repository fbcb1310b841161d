package federation

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/wechat"
)

// maxVouched bounds the cached results. An entry has a few hundred bytes.
const maxVouched = 4096

// ResultCache caches WeChat's result for a code until the request completes, 60 s longer after a 503. WeChat returns a result
// only once, so a repeat continues with the cached one.
type ResultCache struct {
	now func() time.Time

	mu      sync.Mutex
	answers map[resultKey]vouch // guarded by mu
}

// resultKey is a code, which is spent once for each purpose.
type resultKey struct{ purpose, issuer, client, code string }

// vouch is WeChat's result for one code: that of a user or of a phone number.
type vouch struct {
	session wechat.Session
	phone   wechat.PhoneNumber
	until   time.Time
}

// NewResultCache returns an empty cache.
func NewResultCache(now func() time.Time) *ResultCache {
	return &ResultCache{now: now, answers: map[resultKey]vouch{}}
}

// session is what ask says, or said before, of the code of a login.
func (v *ResultCache) session(ctx context.Context, client fosite.Client, code string, ask func() (wechat.Session, error)) (wechat.Session, error) {
	known, err := v.answer(ctx, resultKey{"login", endpoint.IssuerURL(ctx), endpoint.InstanceOf(client), code}, func() (vouch, error) {
		session, err := ask()
		return vouch{session: wechat.Session{OpenID: session.OpenID, UnionID: session.UnionID}}, err
	})
	return known.session, err
}

// phoneNumber is what ask says, or said before, of the code of a phone number button.
func (v *ResultCache) phoneNumber(
	ctx context.Context, client fosite.Client, code string, ask func() (wechat.PhoneNumber, error),
) (wechat.PhoneNumber, error) {
	known, err := v.answer(ctx, resultKey{"phone", endpoint.IssuerURL(ctx), endpoint.InstanceOf(client), code}, func() (vouch, error) {
		number, err := ask()
		return vouch{phone: number}, err
	})
	return known.phone, err
}

func (v *ResultCache) answer(ctx context.Context, key resultKey, ask func() (vouch, error)) (vouch, error) {
	c := requestFrom(ctx)
	c.vouched = append(c.vouched, key)
	if known, found := v.find(key); found {
		return known, nil
	}
	answer, err := ask()
	if err != nil {
		return vouch{}, err
	}
	answer.until = v.now().Add(oauth2.RepeatWindow)
	v.keep(key, answer)
	return answer, nil
}

func (v *ResultCache) find(key resultKey) (vouch, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, found := v.answers[key]
	return known, found && !storage.IsOver(known.until, oauth2.RepeatWindow, v.now())
}

func (v *ResultCache) keep(key resultKey, answer vouch) {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.answers) >= maxVouched {
		endpoint.Evict(v.answers, maxVouched, func(entry vouch) bool { return !now.Before(entry.until) })
	}
	v.answers[key] = answer
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
		delete(v.answers, key)
	}
}
