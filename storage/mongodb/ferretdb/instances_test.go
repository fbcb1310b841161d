package ferretdb

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// newPair starts a deployment with two instances, the second of which has a clock that is ahead, and the mini-program "mini".
func newPair(t *testing.T) (a, b *instance, app *wechattest.App) {
	t.Helper()
	w, a := newDeployment(t, (*Server).ReplicaSet)
	app = a.addMiniProgram("mini", func(*storage.Client) {})
	return a, w.start(func(i *instance) { i.skew = 20 * time.Second }), app
}

// hold is a command that waits in the proxy until it is let go.
type hold struct{ arrived, release chan struct{} }

// holdFirst holds the first command that matches.
func (p *Proxy) holdFirst(matches func(Command) bool) hold {
	h := hold{make(chan struct{}), make(chan struct{})}
	var once sync.Once
	p.Decide(func(command Command) Fault {
		if matches(command) {
			once.Do(func() {
				close(h.arrived)
				<-h.release
			})
		}
		return Pass
	})
	return h
}

func insertOf(kind storage.Kind) func(Command) bool {
	return func(c Command) bool { return c.Name == "insert" && c.Collection == string(kind) }
}

func TestInstances_UsedCodeReturnsOtherGrant(t *testing.T) {
	t.Parallel()
	a, b, app := newPair(t)
	// 1. The first instance has WeChat's response, and its insert of the grant is held.
	held := a.proxy.holdFirst(insertOf(storage.KindGrant))
	code := app.Login("alice")
	var first, second apiResponse
	var calls sync.WaitGroup
	calls.Go(func() { first = a.exchange("mini", code) })
	<-held.arrived
	// 2. The second finds no grant and asks WeChat, which says that the code is used.
	gate := wechattest.NewGate()
	app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
	calls.Go(func() { second = b.exchange("mini", code) })
	<-gate.Arrived()
	gate.Open()
	// 3. The insert comes through.
	close(held.release)
	calls.Wait()
	if first.wantOK(t).text("refresh_token") != second.wantOK(t).text("refresh_token") || first.sub(t) != second.sub(t) {
		t.Errorf("two grants: %s and %s", first.raw, second.raw)
	}
	a.oneUser(1, 1)
}

func TestInstances_LateGrantRequiresANewCode(t *testing.T) {
	t.Parallel()
	a, b, app := newPair(t)
	held := a.proxy.holdFirst(insertOf(storage.KindGrant))
	code := app.Login("alice")
	var first apiResponse
	var calls sync.WaitGroup
	calls.Go(func() { first = a.exchange("mini", code) })
	<-held.arrived
	second := b.exchange("mini", code)
	if second.status != http.StatusBadRequest || second.text("error") != "invalid_request" || second.text("reason") != "new_code" {
		t.Errorf("got %d %s", second.status, second.raw)
	}
	close(held.release)
	calls.Wait()
	if again := b.exchange("mini", code).wantOK(t); again.text("refresh_token") != first.wantOK(t).text("refresh_token") {
		t.Error("the repeat made another session")
	}
	a.oneUser(1, 1)
}

func TestInstances_RacingLoginsCreateOneUser(t *testing.T) {
	t.Parallel()
	a, b, shop := newPair(t)
	club := a.addMiniProgram("club", func(*storage.Client) {}) // of the same Open Platform account
	const people = 6
	var responses [people][4]apiResponse
	var calls sync.WaitGroup
	for n := range people {
		for way, login := range []func() apiResponse{
			func() apiResponse { return a.exchange("mini", shop.Login(user(n))) },
			func() apiResponse { return b.exchange("mini", shop.Login(user(n))) },
			func() apiResponse { return a.exchange("club", club.Login(user(n))) },
			func() apiResponse { return b.exchange("club", club.Login(user(n))) },
		} {
			calls.Go(func() { responses[n][way] = login() })
		}
	}
	calls.Wait()
	for n := range people {
		for _, response := range responses[n] {
			if response.wantOK(t).sub(t) != responses[n][0].sub(t) {
				t.Errorf("person %d is two users", n)
			}
		}
	}
	active := slices.DeleteFunc(list[storage.User](a), func(u storage.User) bool { return u.Status != storage.UserActive })
	if len(active) != people || len(list[storage.MergeCandidate](a)) != 0 {
		t.Errorf("%d active users, %d merge candidates", len(active), len(list[storage.MergeCandidate](a)))
	}
}

func TestInstances_ConcurrentAndLateRefreshesConverge(t *testing.T) {
	t.Parallel()
	a, b, app := newPair(t)
	first := a.exchange("mini", app.Login("alice")).wantOK(t).text("refresh_token")
	var responses [16]apiResponse
	var calls sync.WaitGroup
	for n := range responses {
		calls.Go(func() { responses[n] = []*instance{a, b}[n%2].refresh("mini", first) })
	}
	calls.Wait()
	current := responses[0].wantOK(t).text("refresh_token")
	for _, response := range responses {
		if response.wantOK(t).text("refresh_token") != current {
			t.Error("parallel refreshes gave different refresh tokens")
		}
	}
	// A late copy of the first token, within the grace of 30 s: the clocks are 20 s apart.
	a.clock.Advance(9 * time.Second)
	for _, i := range []*instance{a, b} {
		if late := i.refresh("mini", first).wantOK(t); late.text("refresh_token") != current {
			t.Error("a late copy gave another refresh token")
		}
	}
	b.refresh("mini", current).wantOK(t)
	a.oneUser(1, 1)
	// And one that is too late is a thief's.
	a.clock.Advance(time.Minute)
	if stolen := a.refresh("mini", first); stolen.status != http.StatusBadRequest || stolen.text("error") != "invalid_grant" {
		t.Errorf("a token that was used long ago: got %d %s", stolen.status, stolen.raw)
	}
	if grants := list[storage.Grant](a); len(grants) != 1 || grants[0].State != storage.GrantRevoked {
		t.Errorf("grants %+v", grants)
	}
}

func TestInstances_AssertionIsUsedOnce(t *testing.T) {
	t.Parallel()
	a, b, _ := newPair(t)
	a.addKeyed()
	assertion := a.assertion()
	var responses [16]apiResponse
	var calls sync.WaitGroup
	for n := range responses {
		calls.Go(func() { responses[n] = []*instance{a, b}[n%2].asserted(assertion) })
	}
	calls.Wait()
	good := 0
	for _, response := range responses {
		switch {
		case response.status == http.StatusOK:
			good++
		case response.status != http.StatusBadRequest || response.text("error") != "invalid_client":
			t.Errorf("got %d %s", response.status, response.raw)
		}
	}
	if good != 1 {
		t.Errorf("the assertion was good %d times", good)
	}
}

// signingKeys returns the keys of an algorithm, as they are stored.
func (i *instance) signingKeys(algorithm string) map[string]storage.SigningKey {
	i.Helper()
	return must(storage.Get[storage.SigningKeys](i.Context(), i.engine, storage.Key("default", algorithm)))(i.T).Record.Keys
}

func TestRotation_ByOneInstanceOnly(t *testing.T) {
	t.Parallel()
	a, b, _ := newPair(t)
	a.clock.Advance(91 * 24 * time.Hour)
	// Both find the step due: the second has read the keys and is about to write when the first is done.
	held := b.proxy.holdFirst(func(c Command) bool { return c.Name == "update" && c.Collection == string(storage.KindSigningKeys) })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { b.keys.Run(ctx) })
	<-held.arrived
	updates := a.commands.done("update")
	running.Go(func() { a.keys.Run(ctx) })
	a.commands.await("update", updates+2)
	made := fmt.Sprint(a.signingKeys("ES256"), a.signingKeys("RS256"))
	if es, rs := a.signingKeys("ES256"), a.signingKeys("RS256"); len(es) != 2 || len(rs) != 2 {
		t.Errorf("%d and %d keys, want 2 of each algorithm", len(es), len(rs))
	}
	// The second loses, reads why, and reads the other algorithm's keys.
	reads := b.commands.done("find")
	close(held.release)
	b.commands.await("find", reads+3)
	stop()
	running.Wait()
	if now := fmt.Sprint(a.signingKeys("ES256"), a.signingKeys("RS256")); now != made {
		t.Errorf("the second instance changed the keys:\n%s\n%s", made, now)
	}
}

func TestRotation_ConcurrentCommandsCreateOneKey(t *testing.T) {
	t.Parallel()
	a, b, _ := newPair(t)
	var made [8]keys.Key
	var calls sync.WaitGroup
	for n := range made {
		calls.Go(func() { made[n] = must([]*instance{a, b}[n%2].keys.Rotate(t.Context(), "default", "ES256"))(t) })
	}
	calls.Wait()
	for _, key := range made {
		if key.ID != made[0].ID {
			t.Errorf("keys %s and %s", key.ID, made[0].ID)
		}
	}
	if stored := a.signingKeys("ES256"); len(stored) != 2 {
		t.Errorf("%d keys", len(stored))
	}
}
