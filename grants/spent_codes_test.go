package grants_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minifed/minifed/grants"
)

func singleProcess(s *server) { s.grant.SingleProcess = true }

func TestUsedCode_IsRejectedAtOnceWithSingleProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, start := newReplayServer(t, singleProcess), time.Now()
		r.wechat.spent["good"] = true // by another backend of the same mini-program
		got := r.post(t, t.Context(), exchange("good"))
		if got.status != 400 || got.member("reason") != grants.ReasonNewCode || time.Since(start) != 0 {
			t.Errorf("response is %d %s after %v, want new_code at once", got.status, got.text, time.Since(start))
		}
	})
}

func TestUsedCode_WaitsForAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, start := newReplayServer(t), time.Now()
		r.wechat.spent["good"] = true
		if got := r.post(t, t.Context(), exchange("good")); got.member("reason") != grants.ReasonNewCode || time.Since(start) != 5*time.Second {
			t.Errorf("response is %s after %v, want new_code after 5 s", got.text, time.Since(start))
		}
	})
}

func TestUsedCode_WaitsForTheCommitOfItsOwnProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayServer(t, singleProcess)
		r.store.hold = func(context.Context) { time.Sleep(time.Second) }
		var first, second tokenResponse
		var requests sync.WaitGroup
		requests.Go(func() { first = r.post(t, t.Context(), exchange("good", offline()...)) })
		synctest.Wait() // the code is spent, and the commit is held
		requests.Go(func() { second = r.post(t, t.Context(), exchange("good", offline()...)) })
		requests.Wait()
		if second.status != 200 || second.member("refresh_token") != first.member("refresh_token") {
			t.Errorf("the second request gets %d %s", second.status, second.text)
		}
	})
}
