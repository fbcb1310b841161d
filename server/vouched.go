package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/wechat"
)

// maxVouched bounds what is remembered. An entry has a few hundred bytes.
const maxVouched = 4096

// vouched remembers what WeChat said of a code until the request that spent it is answered, and for a minute longer when that
// answer is "come back": WeChat would not say it twice. The repeat goes on where the first request had to stop.
type vouched struct {
	now func() time.Time

	mu      sync.Mutex
	answers map[vouchKey]vouch // guarded by mu
}

// vouchKey is a code, which is spent once for each purpose.
type vouchKey struct{ purpose, issuer, client, code string }

// vouch is WeChat's answer to one code: a user's or a phone number's.
type vouch struct {
	session wechat.Session
	phone   wechat.PhoneNumber
	until   time.Time
}

func newVouched(now func() time.Time) *vouched {
	return &vouched{now: now, answers: map[vouchKey]vouch{}}
}

// session is what ask says, or said before, of the code of a login.
func (v *vouched) session(ctx context.Context, client fosite.Client, code string, ask func() (wechat.Session, error)) (wechat.Session, error) {
	known, err := v.answer(ctx, vouchKey{"login", issuerURL(ctx), instanceOf(client), code}, func() (vouch, error) {
		session, err := ask()
		return vouch{session: wechat.Session{OpenID: session.OpenID, UnionID: session.UnionID}}, err
	})
	return known.session, err
}

// phoneNumber is what ask says, or said before, of the code of a phone number button.
func (v *vouched) phoneNumber(
	ctx context.Context, client fosite.Client, code string, ask func() (wechat.PhoneNumber, error),
) (wechat.PhoneNumber, error) {
	known, err := v.answer(ctx, vouchKey{"phone", issuerURL(ctx), instanceOf(client), code}, func() (vouch, error) {
		number, err := ask()
		return vouch{phone: number}, err
	})
	return known.phone, err
}

func (v *vouched) answer(ctx context.Context, key vouchKey, ask func() (vouch, error)) (vouch, error) {
	c := visitOf(ctx)
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

func (v *vouched) find(key vouchKey) (vouch, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, found := v.answers[key]
	return known, found && !storage.IsOver(known.until, oauth2.RepeatWindow, v.now())
}

func (v *vouched) keep(key vouchKey, answer vouch) {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.answers) >= maxVouched {
		shed(v.answers, maxVouched, func(entry vouch) bool { return !now.Before(entry.until) })
	}
	v.answers[key] = answer
}

// settle forgets what was asked in the course of a call, unless its answer is to come back.
func (v *vouched) settle(ctx context.Context, err error) {
	c := visitOf(ctx)
	if len(c.vouched) == 0 || c.unfinished || err != nil && problemOf(err).Protocol.CodeField == http.StatusServiceUnavailable {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, key := range c.vouched {
		delete(v.answers, key)
	}
}
