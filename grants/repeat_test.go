package grants_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
)

// replayStore is a ReplayResolver: a grant exists once its transaction is committed.
type replayStore struct {
	fakeUsers
	asks atomic.Int32

	mu      sync.Mutex
	pending map[string]issuedGrant
	made    map[string]issuedGrant
}

type issuedGrant struct {
	subject grants.Subject
	digest  string
}

func newReplayStore() *replayStore {
	return &replayStore{pending: map[string]issuedGrant{}, made: map[string]issuedGrant{}}
}

func grantID(x grants.Exchange) string { return "g-" + x.Client.GetID() + "-" + x.Code }

func digest(x grants.Exchange) string {
	return fmt.Sprintf("%q %q %q %q", x.Scopes, x.Audience, x.Nonce, x.PhoneCode)
}

func (l *replayStore) ResolveSubject(ctx context.Context, x grants.Exchange, session wechat.Session) (grants.Subject, error) {
	subject, err := l.fakeUsers.ResolveSubject(ctx, x, session)
	subject.GrantID = grantID(x)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending[subject.GrantID] = issuedGrant{subject, digest(x)}
	return subject, err
}

func (l *replayStore) ResolveReplay(_ context.Context, x grants.Exchange) (grants.Subject, bool, error) {
	l.asks.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.made[grantID(x)]
	if ok && found.digest != digest(x) {
		return grants.Subject{}, false, grants.RepeatDiffers()
	}
	return found.subject, ok, nil
}

func (l *replayStore) commit(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if grant, ok := l.pending[id]; ok {
		l.made[id] = grant
	}
}

// transactions is fosite's memory store with transactions that the replay store observes, and a record of the steps.
type transactions struct {
	*storage.MemoryStore
	ledger *replayStore
	hold   func(ctx context.Context) // runs before a commit
	fail   map[string]error          // by step

	mu    sync.Mutex
	steps []string
}

type transactionKey struct{}

func (s *transactions) step(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		name += " too late"
	}
	s.steps = append(s.steps, name)
	return errors.Join(s.fail[name], ctx.Err())
}

func (s *transactions) BeginTX(ctx context.Context) (context.Context, error) {
	return context.WithValue(ctx, transactionKey{}, new(string)), s.step(ctx, "begin")
}

func (s *transactions) Commit(ctx context.Context) error {
	if s.hold != nil {
		s.hold(ctx)
	}
	if err := s.step(ctx, "commit"); err != nil {
		return err
	}
	s.ledger.commit(*ctx.Value(transactionKey{}).(*string))
	return nil
}

func (s *transactions) Rollback(ctx context.Context) error { return s.step(ctx, "rollback") }

func (s *transactions) CreateAccessTokenSession(ctx context.Context, signature string, request fosite.Requester) error {
	*ctx.Value(transactionKey{}).(*string) = request.GetID()
	if err := s.step(ctx, "access token"); err != nil {
		return err
	}
	return s.MemoryStore.CreateAccessTokenSession(ctx, signature, request)
}

func (s *transactions) CreateRefreshTokenSession(ctx context.Context, signature, access string, request fosite.Requester) error {
	if err := s.step(ctx, "refresh token"); err != nil {
		return err
	}
	return s.MemoryStore.CreateRefreshTokenSession(ctx, signature, access, request)
}

// derivedRefreshTokens derives refresh tokens from the grant's ID, so that a repeat returns the same one.
type derivedRefreshTokens struct{ oauth2.CoreStrategy }

func (derivedRefreshTokens) GenerateRefreshToken(_ context.Context, request fosite.Requester) (string, string, error) {
	return "rt-" + request.GetID(), "sig-" + request.GetID(), nil
}

// replayServer is a server whose resolver is a ReplayResolver.
type replayServer struct {
	*server
	ledger *replayStore
	store  *transactions
}

func newReplayServer(t testing.TB, adjust ...func(*server)) replayServer {
	r := replayServer{ledger: newReplayStore()}
	r.server = newServer(t, append([]func(*server){func(s *server) {
		r.store = &transactions{MemoryStore: s.memory, ledger: r.ledger}
		s.storage, s.grant.Resolver = r.store, r.ledger
		s.strategy = compose.CommonStrategy{
			CoreStrategy:               derivedRefreshTokens{compose.NewOAuth2HMACStrategy(s.config)},
			OpenIDConnectTokenStrategy: &openid.DefaultStrategy{Signer: s.signer, Config: s.config},
		}
	}}, adjust...)...)
	return r
}

func offline(pairs ...string) []string {
	return append([]string{"scope", "openid offline_access"}, pairs...)
}

func TestRepeat_GetsSameGrant(t *testing.T) {
	r := newReplayServer(t)
	first := wantGranted(t, r.server, exchange("good", offline()...))
	second := wantGranted(t, r.server, exchange("good", offline()...))
	if first.member("refresh_token") != second.member("refresh_token") {
		t.Errorf("refresh tokens differ: %q, %q", first.member("refresh_token"), second.member("refresh_token"))
	}
	if first.member("access_token") == second.member("access_token") {
		t.Error("the repeat got the old access token")
	}
	before, after := verify(t, r.server, first), verify(t, r.server, second)
	if before.Subject != after.Subject {
		t.Errorf("subjects differ: %q, %q", before.Subject, after.Subject)
	}
	if calls := r.wechat.calls.Load(); calls != 1 {
		t.Errorf("WeChat was called %d times, want once", calls)
	}
}

func TestRepeat_WithMoreScopesIsRejected(t *testing.T) {
	for name, more := range map[string][]string{
		"scope":      {"scope", "openid profile offline_access"},
		"audience":   offline("audience", api),
		"resource":   offline("resource", api),
		"nonce":      offline("nonce", "12345678"),
		"phone_code": offline("phone_code", "p"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplayServer(t)
			wantGranted(t, r.server, exchange("good", offline()...))
			got := r.post(t, t.Context(), exchange("good", more...))
			if got.status != 400 || got.member("reason") != grants.ReasonRepeatDiffers {
				t.Errorf("response is %d %s", got.status, got.text)
			}
		})
	}
}

func TestRepeat_WithoutReplayResolverNeedsNewCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, start := newServer(t), time.Now()
		wantGranted(t, s, exchange("good"))
		got := s.post(t, t.Context(), exchange("good"))
		if got.member("reason") != grants.ReasonNewCode || time.Since(start) != 0 {
			t.Errorf("response is %s after %v, want new_code at once", got.text, time.Since(start))
		}
	})
}

func TestConcurrentRequests_ShareOneCallAndOneGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayServer(t)
		released := make(chan struct{})
		r.wechat.hold = func(context.Context) { <-released }

		const n = 16
		responses := make([]tokenResponse, n)
		var requests sync.WaitGroup
		for i := range n {
			requests.Go(func() { responses[i] = r.post(t, t.Context(), exchange("good", offline()...)) })
		}
		synctest.Wait() // all of them are held: one in the WeChat call, the others behind it
		close(released)
		requests.Wait()

		for i, got := range responses {
			if got.status != 200 || got.member("refresh_token") != responses[0].member("refresh_token") {
				t.Errorf("request %d gets %d %s", i, got.status, got.text)
			}
		}
		if calls := r.wechat.calls.Load(); calls != 1 {
			t.Errorf("WeChat was called %d times, want once", calls)
		}
		if resolved := len(r.ledger.asked); resolved != 1 {
			t.Errorf("the user was resolved %d times, want once", resolved)
		}
	})
}

func TestConcurrentRequests_ThatDifferShareNoGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayServer(t)
		released := make(chan struct{})
		r.wechat.hold = func(context.Context) { <-released }
		var first, second tokenResponse
		var requests sync.WaitGroup
		requests.Go(func() { first = r.post(t, t.Context(), exchange("good", "scope", "openid")) })
		synctest.Wait()
		requests.Go(func() { second = r.post(t, t.Context(), exchange("good", "scope", "openid offline_access")) })
		synctest.Wait()
		close(released)
		requests.Wait()
		if first.status != 200 || second.member("reason") != grants.ReasonRepeatDiffers {
			t.Errorf("responses are %s and %s", first.text, second.text)
		}
	})
}

func TestConcurrentRequests_ShareFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, start := newReplayServer(t), time.Now()
		r.ledger.failure = grants.RegistrationRequired("bt-1", time.Minute)
		released := make(chan struct{})
		r.wechat.hold = func(context.Context) { <-released }
		responses := make([]tokenResponse, 4)
		var requests sync.WaitGroup
		for i := range responses {
			requests.Go(func() { responses[i] = r.post(t, t.Context(), exchange("good")) })
		}
		synctest.Wait()
		close(released)
		requests.Wait()
		for _, got := range responses {
			if got.member("bind_ticket") != "bt-1" {
				t.Errorf("response is %d %s", got.status, got.text)
			}
		}
		if time.Since(start) != 0 {
			t.Errorf("the failure was returned after %v instead of at once", time.Since(start))
		}
	})
}

func TestConcurrentRequests_SurvivePanicOfLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayServer(t)
		released := make(chan struct{})
		r.wechat.hold = func(context.Context) { <-released; panic("exchanger") }
		var second tokenResponse
		var requests sync.WaitGroup
		requests.Go(func() {
			defer func() { _ = recover() }() // as net/http does
			r.post(t, t.Context(), exchange("good"))
		})
		synctest.Wait()
		requests.Go(func() { second = r.post(t, t.Context(), exchange("good")) })
		synctest.Wait()
		close(released)
		requests.Wait()
		if second.status != 500 || second.member("error") != "server_error" {
			t.Errorf("response is %d %s", second.status, second.text)
		}
	})
}

func TestRepeat_AfterDisconnectFindsGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayServer(t)
		r.wechat.hold = func(ctx context.Context) {
			select {
			case <-time.After(4 * time.Second): // WeChat is slow
			case <-ctx.Done():
				t.Error("the call to WeChat was canceled with the caller")
			}
		}
		caller, hangUp := context.WithTimeout(t.Context(), time.Second)
		defer hangUp()
		lost := r.post(t, caller, exchange("good", offline()...))
		if caller.Err() == nil {
			t.Fatal("the caller did not hang up")
		}
		found := wantGranted(t, r.server, exchange("good", offline()...))
		if found.member("refresh_token") != lost.member("refresh_token") || r.wechat.calls.Load() != 1 {
			t.Errorf("the repeat gets %s after %d calls", found.text, r.wechat.calls.Load())
		}
	})
}

func TestRepeat_DuringFirstRequestFindsGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayServer(t)
		r.wechat.hold = func(context.Context) { time.Sleep(4 * time.Second) }
		r.store.hold = func(context.Context) { time.Sleep(2 * time.Second) } // after the shared call ended
		caller, hangUp := context.WithTimeout(t.Context(), time.Second)
		defer hangUp()
		var first, second, third tokenResponse
		var requests sync.WaitGroup
		requests.Go(func() { first = r.post(t, caller, exchange("good", offline()...)) })
		<-caller.Done()
		requests.Go(func() { second = r.post(t, t.Context(), exchange("good", offline()...)) })
		time.Sleep(4 * time.Second) // WeChat has responded, the store has not
		requests.Go(func() { third = r.post(t, t.Context(), exchange("good", offline()...)) })
		requests.Wait()
		for _, got := range []tokenResponse{second, third} {
			if got.status != 200 || got.member("refresh_token") != first.member("refresh_token") {
				t.Errorf("a repeat gets %d %s", got.status, got.text)
			}
		}
	})
}

func TestDisconnect_BeforeCallLeavesCodeUnspent(t *testing.T) {
	r := newReplayServer(t)
	caller, hangUp := context.WithCancel(t.Context())
	hangUp()
	if got := r.post(t, caller, exchange("good")); got.status != 503 {
		t.Errorf("response is %d %s", got.status, got.text)
	}
	wantGranted(t, r.server, exchange("good"))
}

func TestUsedCode_WaitsForGrantOfOtherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, start := newReplayServer(t), time.Now()
		r.wechat.spent["good"] = true
		time.AfterFunc(time.Second, func() {
			r.ledger.mu.Lock()
			defer r.ledger.mu.Unlock()
			x := grants.Exchange{Client: r.client, Code: "good", Scopes: []string{"openid", "offline_access"}}
			r.ledger.made[grantID(x)] = issuedGrant{grants.Subject{ID: "u-1", GrantID: grantID(x)}, digest(x)}
		})
		got := wantGranted(t, r.server, exchange("good", offline()...))
		if got.member("refresh_token") != "rt-g-shop-good" {
			t.Errorf("response is %s", got.text)
		}
		if waited := time.Since(start); waited != 1260*time.Millisecond { // 20 ms, doubled five times
			t.Errorf("the grant was found after %v", waited)
		}
	})
}

func TestUsedCode_WithoutGrantNeedsNewCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{0, 700 * time.Millisecond} {
			r := newReplayServer(t, func(s *server) { s.grant.ReplayWait = wait })
			r.wechat.spent["good"] = true
			start := time.Now()
			got := r.post(t, t.Context(), exchange("good"))
			if got.status != 400 || got.member("error") != "invalid_request" || got.member("reason") != grants.ReasonNewCode {
				t.Errorf("response is %d %s", got.status, got.text)
			}
			want := wait
			if want == 0 {
				want = 5 * time.Second
			}
			if waited := time.Since(start); waited != want {
				t.Errorf("waited %v, want %v", waited, want)
			}
			if asks := r.ledger.asks.Load(); asks > 10 {
				t.Errorf("the store was called %d times", asks)
			}
		}
	})
}

func TestGrant_HasItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayServer(t, func(s *server) { s.grant.Timeout = 3 * time.Second })
		var left time.Duration
		r.wechat.hold = func(ctx context.Context) {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
		}
		r.store.hold = func(ctx context.Context) { <-ctx.Done() } // a store that hangs
		start := time.Now()
		got := r.post(t, t.Context(), exchange("good"))
		if got.status != 500 || left != 3*time.Second || time.Since(start) != 3*time.Second {
			t.Errorf("response is %d %s after %v, with %v for WeChat", got.status, got.text, time.Since(start), left)
		}
		if last := r.store.steps[len(r.store.steps)-1]; last != "rollback" {
			t.Errorf("the transaction ends with %q", last)
		}
	})
}

func TestFlights_SeparateClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayServer(t)
		other := *r.client
		other.ID = "other"
		r.memory.Clients["other"] = &other
		released := make(chan struct{})
		r.wechat.hold = func(context.Context) { <-released }
		var requests sync.WaitGroup
		requests.Go(func() { r.post(t, t.Context(), exchange("good")) })
		requests.Go(func() {
			r.send(t, t.Context(), "other", exchange("good").Encode())
		})
		synctest.Wait()
		if calls := r.wechat.calls.Load(); calls != 2 {
			t.Errorf("WeChat was called %d times, want once for each client", calls)
		}
		close(released)
		requests.Wait()
	})
}

func TestStore_IsWrittenLastInOneTransaction(t *testing.T) {
	r := newReplayServer(t)
	wantGranted(t, r.server, exchange("good", offline()...))
	if want := []string{"begin", "access token", "refresh token", "commit"}; !slices.Equal(r.store.steps, want) {
		t.Errorf("steps are %q, want %q", r.store.steps, want)
	}
}

func TestStore_UnchangedWhenTokenFails(t *testing.T) {
	r := newReplayServer(t, func(s *server) {
		s.config.IDTokenLifespan = -time.Hour // fosite's strategy rejects an expiry in the past
	})
	if got := r.post(t, t.Context(), exchange("good")); got.status != 500 || len(r.store.steps) != 0 {
		t.Errorf("response is %d %s after steps %q", got.status, got.text, r.store.steps)
	}
}

func TestStore_FailureIsRolledBack(t *testing.T) {
	down := fosite.ErrTemporarilyUnavailable.WithDebug("no primary")
	tests := []struct {
		step   string
		err    error
		status int
		reason string
		undone bool
	}{
		{"begin", errors.New("disk full"), 500, "", false},
		{"access token", errors.New("disk full"), 500, "", true},
		{"refresh token", fosite.ErrNotFound, 500, "", true},
		{"commit", errors.New("disk full"), 500, "", true},
		{"commit", down, 503, "", true},
		{"commit", grants.Retry(nil), 503, grants.ReasonRetry, true},
		{"commit", fosite.ErrSerializationFailure, 503, grants.ReasonRetry, true},
		{"commit", fmt.Errorf("lost: %w", grants.RepeatDiffers()), 400, grants.ReasonRepeatDiffers, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s: %v", tt.step, tt.err), func(t *testing.T) {
			r := newReplayServer(t)
			r.store.fail = map[string]error{tt.step: tt.err}
			got := r.post(t, t.Context(), exchange("good", offline()...))
			if got.status != tt.status || got.member("reason") != tt.reason {
				t.Errorf("response is %d %s, want %d %s", got.status, got.text, tt.status, tt.reason)
			}
			if undone := slices.Contains(r.store.steps, "rollback"); undone != tt.undone {
				t.Errorf("steps are %q", r.store.steps)
			}
			if len(got.body) > 3 || got.member("access_token") != "" {
				t.Errorf("a failed request is released with %s", got.text)
			}
		})
	}
}
