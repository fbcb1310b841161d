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

// BenchmarkBesideAnAppIDThatHangs measures logins of one mini-program by themselves, beside another one at whose AppID WeChat does
// not answer while 64 of its logins are always under way, and by themselves once more. It reports the 99th percentile of both
// and how many times the one the other is (x-own): 2 is the most that there should be.
func BenchmarkBesideAnAppIDThatHangs(b *testing.B) {
	bench := startBench(b)
	b.Run("login/ES256/connections=16", func(b *testing.B) {
		logins := bench.logins("es256", bench.knownUser)
		own := percentile99(b, logins)
		heal := bench.hang(b, "rs256", 64)
		beside := percentile99(b, logins)
		heal()
		own = max(own, percentile99(b, logins))
		bench.results.report(b, "login beside an AppID that hangs",
			measure{"own-p99-µs", micros(own)}, measure{"p99-µs", micros(beside)}, measure{"x-own", float64(beside) / float64(own)})
	})
}

// percentile99 does an operation b.N times over 16 connections.
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

// hangFor is how long a call waits for WeChat: wechat.timeout.
const hangFor = 5 * time.Second

// hang makes WeChat silent towards a client's AppID, at which so many logins are under way at any time until heal is called.
func (s *bench) hang(b *testing.B, client string, logins int) (heal func()) {
	app := s.control + "/faults?appid=wxsim" + client
	s.send(b, newRequest(b, app+"&api=/sns/jscode2session&delay=1m&times=-1", url.Values{}))
	ctx, stop := context.WithCancel(b.Context())
	var working, underWay sync.WaitGroup
	underWay.Add(logins)
	for i := range logins {
		working.Go(func() {
			// They come one by one, as people do, and not all in the same moment.
			time.Sleep(time.Duration(i) * hangFor / time.Duration(logins))
			underWay.Done()
			for ctx.Err() == nil {
				s.try(ctx, b, client)
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

// try is a login that may fail; whoever is told to come back waits as long as it is told.
func (s *bench) try(ctx context.Context, b *testing.B, client string) {
	code := string(s.send(b, newRequest(b, s.control+"/login?appid=wxsim"+client+"&user=hung", url.Values{})))
	request := s.post(b, client, "/oauth2/token", url.Values{
		"grant_type": {grants.GrantType}, "subject_token_type": {grants.SubjectTokenType}, "subject_token": {code},
	})
	response, err := s.http.Do(request.WithContext(ctx))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body) // What it says does not matter.
	_ = response.Body.Close()
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
	case <-ctx.Done():
	}
}
