//go:build linux

package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/grants"
)

// BenchmarkBlockedAppID measures logins of one mini-program alone, then while WeChat does not respond to the AppID of another one that
// always has 64 logins in progress, and then alone again. It reports the 99th percentile of both and their ratio (x-own), which should be
// at most 2.
func BenchmarkBlockedAppID(b *testing.B) {
	bench := startBench(b)
	b.Run("login/ES256/connections=16", func(b *testing.B) {
		logins := bench.logins("es256", bench.knownUser)
		own := percentile99(b, logins)
		heal := bench.blockAppID(b, "rs256", 64)
		beside := percentile99(b, logins)
		heal()
		own = max(own, percentile99(b, logins))
		bench.results.report(b, "login beside an AppID that hangs",
			measure{"own-p99-µs", micros(own)}, measure{"p99-µs", micros(beside)}, measure{"x-own", float64(beside) / float64(own)})
	})
}

// percentile99 runs an operation b.N times over 16 connections.
func percentile99(b *testing.B, prepare func(*testing.B, int, int) func(int, int)) time.Duration {
	const connections = 16
	do := prepare(b, b.N, connections)
	took := make([]time.Duration, b.N)
	inParallel(connections, b.N, func(worker, i int) {
		start := time.Now()
		do(worker, i)
		took[i] = time.Since(start)
	})
	slices.Sort(took)
	return took[len(took)*99/100]
}

// callTimeout is the timeout of a call to WeChat: wechat.timeout.
const callTimeout = 5 * time.Second

// blockAppID stops the responses of WeChat for the AppID of a client. So many logins are in progress at any time, until heal is called.
func (s *bench) blockAppID(b *testing.B, client string, logins int) (heal func()) {
	app := s.control + "/faults?appid=wxsim" + client
	s.send(b, newRequest(b, app+"&api=/sns/jscode2session&delay=1m&times=-1", url.Values{}))
	ctx, stop := context.WithCancel(b.Context())
	var working, underWay sync.WaitGroup
	underWay.Add(logins)
	for i := range logins {
		working.Go(func() {
			// The logins begin one after another, not all at once.
			time.Sleep(time.Duration(i) * callTimeout / time.Duration(logins))
			underWay.Done()
			for ctx.Err() == nil {
				s.tryLogin(ctx, b, client)
			}
		})
	}
	underWay.Wait()
	return func() {
		stop()
		working.Wait()
		request := newRequest(b, app, nil)
		request.Method = http.MethodDelete
		s.send(b, request)
	}
}

// tryLogin is a login that may fail. After a Retry-After it waits that long.
func (s *bench) tryLogin(ctx context.Context, b *testing.B, client string) {
	code := string(s.send(b, newRequest(b, s.control+"/login?appid=wxsim"+client+"&user=hung", url.Values{})))
	request := s.post(b, client, "/oauth2/token", url.Values{
		"grant_type": {grants.GrantType}, "subject_token_type": {grants.SubjectTokenType}, "subject_token": {code},
	})
	response, err := s.http.Do(request.WithContext(ctx))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body) // The content is not needed.
	_ = response.Body.Close()
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
	case <-ctx.Done():
	}
}
