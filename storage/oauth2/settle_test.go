package oauth2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/oauth2"
	"github.com/minifed/minifed/storage/storagetest"
)

// twin is another process on the same store, with a connection of its own.
func (k *kit) twin() *kit {
	k.t.Helper()
	other := *k
	other.hooks = &storagetest.Hooks{Engine: k.memory}
	other.elsewhere()
	return &other
}

// only returns the one grant there is, as it is stored.
func (k *kit) only() *storage.Entry[storage.Grant] {
	k.t.Helper()
	entries, _, err := storage.List[storage.Grant](k.t.Context(), k.memory, storage.Query{Order: storage.ByID})
	if err != nil || len(entries) != 1 {
		k.t.Fatalf("%d grants, %v", len(entries), err)
	}
	return entries[0]
}

// spend sends an assertion's jti, which is the same every time.
func (k *kit) spend() tokenResponse {
	k.t.Helper()
	switch err := k.store.UseAssertion(k.begin(), "client", "jti", time.Now().Add(5*time.Minute)); {
	case err == nil:
		return tokenResponse{status: http.StatusOK, access: "-"}
	case errors.Is(err, fosite.ErrJTIKnown):
		return tokenResponse{status: http.StatusBadRequest, error: "known"}
	default:
		return errorResponse(err)
	}
}

// once is a kind of request that succeeds once: the response to a repeat depends on whether the first response was sent.
type once struct {
	kind storage.Kind
	// prepare returns a function that sends the request through a process.
	prepare func(*kit) func(*kit) tokenResponse
	// rejected is the error code of a repeat after the response, and after the time for late copies.
	rejected string
}

func onces() map[string]once {
	return map[string]once{
		"code": {storage.KindGrant, func(k *kit) func(*kit) tokenResponse {
			spa := k.client("spa").Record()
			spa.Lifetimes.Code = 600
			k.register(spa)
			code := k.mustAuthorize(nil, nil)
			return func(k *kit) tokenResponse { return k.redeem(code) }
		}, "invalid_grant"},
		"refresh token": {storage.KindGrant, func(k *kit) func(*kit) tokenResponse {
			token := k.signIn().refresh
			return func(k *kit) tokenResponse { return k.refresh(token) }
		}, "invalid_grant"},
		"jti": {storage.KindAssertion, func(*kit) func(*kit) tokenResponse { return (*kit).spend }, "known"},
	}
}

// lateCopies is longer than late copies of a refresh token are accepted.
const lateCopies = oauth2.RefreshGrace + time.Second

func unavailable() error { return fmt.Errorf("%w: the response is lost", storage.ErrUnavailable) }

// faults are failures of a write with an unknown outcome.
func faults() map[string]func(*kit, storage.Kind) {
	return map[string]func(*kit, storage.Kind){
		"executed": func(k *kit, kind storage.Kind) { k.loseAnswers(kind, 1) },
		"stopped": func(k *kit, kind storage.Kind) {
			var seen atomic.Bool
			k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
				if operation.Write() && operation.Kind == kind && seen.CompareAndSwap(false, true) {
					return unavailable()
				}
				return nil
			}
		},
	}
}

func wantSettlement(t *testing.T, got, want oauth2.Settlement) {
	t.Helper()
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// A request gets 503, its outcome is settled, and its repeat arrives at another process at any later time.
func TestSettle_RepeatSucceedsOnceAtAnyProcess(t *testing.T) {
	for name, o := range onces() {
		for fault, inject := range faults() {
			t.Run(name+", "+fault, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					here := newKit(t)
					there := here.twin()
					send := o.prepare(here)
					inject(here, o.kind)
					wantError(t, send(here), http.StatusServiceUnavailable, "temporarily_unavailable")
					done := here.store.Settle(t.Context())
					if done.GivenUp != 0 || done.Left != 0 {
						t.Errorf("got %+v", done)
					}
					time.Sleep(lateCopies)
					wantOK(t, send(there))
					time.Sleep(lateCopies)
					for _, k := range []*kit{there, here} {
						wantError(t, send(k), http.StatusBadRequest, o.rejected)
					}
					if o.kind == storage.KindGrant {
						if g := there.only().Record; g.State != storage.GrantRevoked || g.RevokedBecause != "reuse" {
							t.Errorf("what was answered is shown again: the grant is %s", g.State)
						}
					}
				})
			})
		}
	}
}

// The outcome of the settler's own write may be unknown, too.
func TestSettle_RepeatsAWriteOfUnknownOutcome(t *testing.T) {
	for name, o := range onces() {
		for fault, inject := range faults() {
			for _, repeatsHere := range []bool{true, false} {
				t.Run(fmt.Sprint(name, ", ", fault, ", repeated here: ", repeatsHere), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						here := newKit(t)
						there := here.twin()
						send := o.prepare(here)
						here.loseAnswers(o.kind, 1)
						wantError(t, send(here), http.StatusServiceUnavailable, "temporarily_unavailable")
						here.hooks.After = nil
						inject(here, o.kind)
						wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Left: 1})
						if repeatsHere {
							time.Sleep(lateCopies)
							wantOK(t, send(here))
							here.store.Settle(t.Context())
						} else {
							here.store.Settle(t.Context())
							time.Sleep(lateCopies)
							wantOK(t, send(there))
						}
						time.Sleep(lateCopies)
						wantError(t, send(there), http.StatusBadRequest, o.rejected)
						wantError(t, send(here), http.StatusBadRequest, o.rejected)
					})
				})
			}
		}
	}
}

// holdWrite holds the first write of a kind until proceed is closed.
func (k *kit) holdWrite(kind storage.Kind) (arrived, proceed chan struct{}) {
	arrived, proceed = make(chan struct{}), make(chan struct{})
	var seen atomic.Bool
	k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
		if operation.Method == "Replace" && operation.Kind == kind && seen.CompareAndSwap(false, true) {
			close(arrived)
			<-proceed
		}
		return nil
	}
	return arrived, proceed
}

// The settler has read and is about to write when a repeat at its own process is served, and the other way round.
func TestSettle_ConcurrentRepeatSucceedsOnce(t *testing.T) {
	for name, o := range onces() {
		for order, race := range map[string]func(t *testing.T, k *kit, send func() tokenResponse) tokenResponse{
			"the repeat overtakes": func(t *testing.T, k *kit, send func() tokenResponse) (a tokenResponse) {
				arrived, proceed := k.holdWrite(o.kind)
				var settling sync.WaitGroup
				settling.Go(func() { k.store.Settle(t.Context()) })
				<-arrived
				a = send()
				close(proceed)
				settling.Wait()
				k.hooks.Before = nil
				k.store.Settle(t.Context())
				return a
			},
			"the settler overtakes": func(t *testing.T, k *kit, send func() tokenResponse) (a tokenResponse) {
				arrived, proceed := k.holdWrite(o.kind)
				var calls sync.WaitGroup
				calls.Go(func() { a = send() })
				<-arrived
				wantSettlement(t, k.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
				close(proceed)
				calls.Wait()
				return a
			},
		} {
			t.Run(name+", "+order, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := newKit(t)
					send := o.prepare(k)
					k.loseAnswers(o.kind, 1)
					wantError(t, send(k), http.StatusServiceUnavailable, "temporarily_unavailable")
					time.Sleep(lateCopies)
					a := race(t, k, func() tokenResponse { return send(k) })
					wantOK(t, a)
					if o.kind == storage.KindGrant {
						wantOK(t, k.refresh(a.refresh))
					}
					time.Sleep(lateCopies)
					wantError(t, send(k.twin()), http.StatusBadRequest, o.rejected)
					wantError(t, send(k), http.StatusBadRequest, o.rejected)
				})
			})
		}
	}
}

// The write was not executed. While the settler verifies this, another process is about to write on the same revision.
func TestSettle_ConcurrentFirstRequestSucceeds(t *testing.T) {
	for _, name := range []string{"code", "refresh token"} {
		t.Run(name, func(t *testing.T) {
			o := onces()[name]
			here := newKit(t)
			there := here.twin()
			send := o.prepare(here)
			faults()["stopped"](here, o.kind)
			wantError(t, send(here), http.StatusServiceUnavailable, "temporarily_unavailable")
			arrived, proceed := there.holdWrite(o.kind)
			var a tokenResponse
			var calls sync.WaitGroup
			calls.Go(func() { a = send(there) })
			<-arrived
			wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
			close(proceed)
			calls.Wait()
			wantOK(t, a)
			wantOK(t, there.refresh(a.refresh))
		})
	}
}

// Another process takes a repeat for a reuse, and is about to revoke the grant when the settler records that no response was sent.
func TestSettle_ConcurrentReuseDetectionRevokesNothing(t *testing.T) {
	for _, name := range []string{"code", "refresh token"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := onces()[name]
				here := newKit(t)
				there := here.twin()
				send := o.prepare(here)
				here.loseAnswers(o.kind, 1)
				wantError(t, send(here), http.StatusServiceUnavailable, "temporarily_unavailable")
				time.Sleep(lateCopies)
				arrived, proceed := there.holdWrite(o.kind)
				var a tokenResponse
				var calls sync.WaitGroup
				calls.Go(func() { a = send(there) })
				<-arrived
				wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
				close(proceed)
				calls.Wait()
				wantError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
				wantOK(t, send(there))
			})
		})
	}
}

// Without the settler, a write that is executed late would be a redemption, a rotation or a used jti without a response.
func TestSettle_WriteExecutedAfterwardsChangesNothing(t *testing.T) {
	for _, name := range []string{"code", "refresh token"} {
		t.Run(name, func(t *testing.T) {
			o := onces()[name]
			k := newKit(t)
			send := o.prepare(k)
			var late func() error
			k.hooks.Before = func(_ context.Context, operation storagetest.Operation) error {
				if !operation.Write() || late != nil {
					return nil
				}
				doc, err := k.memory.Get(t.Context(), operation.Kind, operation.ID)
				if err != nil {
					t.Error(err)
				}
				late = func() error {
					_, err := k.memory.Replace(t.Context(), doc)
					return err
				}
				return unavailable()
			}
			wantError(t, send(k), http.StatusServiceUnavailable, "temporarily_unavailable")
			k.store.Settle(t.Context())
			if err := late(); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("the late command: %v", err)
			}
			wantOK(t, send(k.twin()))
		})
	}
}

// inbox is an engine that stores the document of an insert, and returns no outcome.
type inbox struct {
	storage.Engine
	doc storage.Document
}

func (i *inbox) Insert(_ context.Context, doc storage.Document) (string, error) {
	i.doc = doc
	return "", unavailable()
}

func TestSettle_ReleasesAJTIInsertedLate(t *testing.T) {
	k := newKit(t)
	slow := &inbox{Engine: k.memory}
	k.store.Engine = slow
	wantError(t, k.spend(), http.StatusServiceUnavailable, "temporarily_unavailable")
	wantSettlement(t, k.store.Settle(t.Context()), oauth2.Settlement{})
	k.store.Engine = k.memory
	if _, err := k.memory.Insert(t.Context(), slow.doc); err != nil {
		t.Fatal(err)
	}
	settled := 0
	for range 8 {
		settled += k.store.Settle(t.Context()).Settled
	}
	if settled != 1 {
		t.Errorf("%d are settled", settled)
	}
	wantOK(t, k.twin().spend())
	wantError(t, k.spend(), http.StatusBadRequest, "known")
}

// Later writes of other instances stay unchanged.
func TestSettle_LeavesWritesOfOtherInstances(t *testing.T) {
	tests := map[string]struct {
		name  string
		write func(there *kit, send func(*kit) tokenResponse)
		state storage.GrantState
	}{
		"a code that another process took for replayed": {"code", func(there *kit, send func(*kit) tokenResponse) {
			wantError(there.t, send(there), http.StatusBadRequest, "invalid_grant")
		}, storage.GrantRevoked},
		"a code whose grant is revoked": {"code", func(there *kit, _ func(*kit) tokenResponse) {
			if err := there.store.Revoke(there.begin(), there.only().Record.ID, "logout"); err != nil {
				there.t.Error(err)
			}
		}, storage.GrantRevoked},
		"a refresh token whose grant is revoked": {"refresh token", func(there *kit, _ func(*kit) tokenResponse) {
			if err := there.store.Revoke(there.begin(), there.only().Record.ID, "logout"); err != nil {
				there.t.Error(err)
			}
		}, storage.GrantRevoked},
		"a refresh token whose successor was given away and used": {"refresh token", func(there *kit, send func(*kit) tokenResponse) {
			a := send(there)
			wantOK(there.t, a)
			wantOK(there.t, there.refresh(a.refresh))
		}, storage.GrantActive},
	}
	for name, tt := range tests {
		for _, when := range []string{"before the settler reads", "before the settler writes"} {
			t.Run(name+", "+when, func(t *testing.T) {
				o := onces()[tt.name]
				here := newKit(t)
				there := here.twin()
				send := o.prepare(here)
				here.loseAnswers(o.kind, 1)
				wantError(t, send(here), http.StatusServiceUnavailable, "temporarily_unavailable")
				if when == "before the settler reads" {
					tt.write(there, send)
				} else {
					arrived, proceed := here.holdWrite(o.kind)
					var settling sync.WaitGroup
					settling.Go(func() { here.store.Settle(t.Context()) })
					<-arrived
					tt.write(there, send)
					close(proceed)
					settling.Wait()
				}
				want := there.only()
				wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
				if got := there.only(); got.Revision() != want.Revision() || got.Record.State != tt.state {
					t.Errorf("the grant is %s", got.Record.State)
				}
			})
		}
	}
}

// A token whose rotation sent no response is valid to the same extent at every process. Its successor is returned once, and once
// more as a late copy. It is not returned after its use, and not after ten minutes.
func TestSettle_TokenOfASettledRotationIsBounded(t *testing.T) {
	tests := map[string]struct {
		meanwhile func(t *testing.T, there *kit, first tokenResponse)
		good      bool
	}{
		"nothing":     {func(*testing.T, *kit, tokenResponse) {}, true},
		"ten minutes": {func(*testing.T, *kit, tokenResponse) { time.Sleep(10 * time.Minute) }, false},
		"it was answered, a while ago": {func(t *testing.T, there *kit, first tokenResponse) {
			wantOK(t, there.refresh(first.refresh))
			time.Sleep(lateCopies)
		}, false},
		"it was answered just now": {func(t *testing.T, there *kit, first tokenResponse) {
			wantOK(t, there.refresh(first.refresh))
			time.Sleep(oauth2.RefreshGrace)
		}, true},
	}
	for name, tt := range tests {
		for _, settles := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", settled: ", settles), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					here := newKit(t)
					there := here
					first := here.signIn()
					here.loseRefresh(first.refresh)
					if settles {
						wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
						there = here.twin()
					}
					time.Sleep(lateCopies)
					tt.meanwhile(t, there, first)
					if tt.good {
						wantOK(t, there.refresh(first.refresh))
						return
					}
					wantError(t, there.refresh(first.refresh), http.StatusBadRequest, "invalid_grant")
					if g := there.only().Record; g.RevokedBecause != "reuse" {
						t.Errorf("the grant is %s because of %q", g.State, g.RevokedBecause)
					}
				})
			})
		}
	}
}

// The response to a late copy had the successor before the settler ran. After its use, it is like any other token.
func TestSettle_RotationEndsWithTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here := newKit(t)
		there := here.twin()
		first := here.signIn()
		here.loseRefresh(first.refresh)
		second := there.refresh(first.refresh)
		wantOK(t, second)
		wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
		wantOK(t, there.refresh(second.refresh))
		time.Sleep(lateCopies)
		wantError(t, there.refresh(second.refresh), http.StatusBadRequest, "invalid_grant")
		if g := there.only().Record; g.State != storage.GrantRevoked {
			t.Errorf("the grant is %s", g.State)
		}
	})
}

// The outcome of the rotation after one without a response is unknown as well.
func TestSettle_SecondUnknownRotationIsRepeated(t *testing.T) {
	for _, settles := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			k := newKit(t)
			first := k.signIn()
			k.loseRefresh(first.refresh)
			second := k.refresh(first.refresh) // a late copy, which writes nothing
			wantOK(t, second)
			k.loseRefresh(second.refresh)
			if settles {
				wantSettlement(t, k.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
				k = k.twin()
			}
			time.Sleep(lateCopies)
			third := k.refresh(second.refresh)
			wantOK(t, third)
			wantOK(t, k.refresh(third.refresh))
		})
	}
}

func TestSettle_TwoUnknownOutcomesOfOneGrant(t *testing.T) {
	for name, o := range onces() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here := newKit(t)
				there := here.twin()
				send := o.prepare(here)
				here.loseAnswers(o.kind, 2)
				wantError(t, send(here), http.StatusServiceUnavailable, "temporarily_unavailable")
				time.Sleep(lateCopies)
				wantError(t, send(here), http.StatusServiceUnavailable, "temporarily_unavailable")
				wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
				time.Sleep(lateCopies)
				wantOK(t, send(there))
				time.Sleep(lateCopies)
				wantError(t, send(here), http.StatusBadRequest, o.rejected)
			})
		})
	}
}

// Two processes rotate a token, and neither knows the outcome.
func TestSettle_UnknownOutcomesOfTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here := newKit(t)
		there := here.twin()
		first := here.signIn()
		here.loseRefresh(first.refresh)
		wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
		time.Sleep(lateCopies)
		there.loseRefresh(first.refresh)
		wantSettlement(t, there.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
		time.Sleep(lateCopies)
		wantOK(t, here.refresh(first.refresh))
		if g := here.only().Record; g.Refresh.Generation != 2 {
			t.Errorf("generation %d, want 2", g.Refresh.Generation)
		}
	})
}

func TestSettle_OneOfManyRequestsAfterwardsSucceeds(t *testing.T) {
	for _, name := range []string{"code", "jti"} {
		t.Run(name, func(t *testing.T) {
			o := onces()[name]
			here := newKit(t)
			there := here.twin()
			send := o.prepare(here)
			here.loseAnswers(o.kind, 1)
			wantError(t, send(here), http.StatusServiceUnavailable, "temporarily_unavailable")
			var answered atomic.Int32
			var calls sync.WaitGroup
			calls.Go(func() { here.store.Settle(t.Context()) })
			for n := range 16 {
				calls.Go(func() {
					a := send([]*kit{here, there}[n%2])
					if a.status == http.StatusOK {
						answered.Add(1)
					}
				})
			}
			calls.Wait()
			if answered.Load() > 1 {
				t.Errorf("%d of 16 were answered", answered.Load())
			}
		})
	}
}

func TestSettle_CodeOfADisabledUserStaysInvalid(t *testing.T) {
	here := newKit(t)
	code := here.unansweredCode()
	update(t, here, "alice", func(u *storage.User) { u.Epoch++ })
	wantSettlement(t, here.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
	wantError(t, here.twin().redeem(code), http.StatusBadRequest, "invalid_grant")
}

// The store is unreachable for half a minute. Run sends it no request before and after, and writes one log line.
func TestSettle_RunWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		there := k.twin()
		var asked atomic.Int32
		var away, loses atomic.Bool
		k.hooks.Before = func(context.Context, storagetest.Operation) error {
			asked.Add(1)
			if away.Load() {
				return unavailable()
			}
			return nil
		}
		k.hooks.After = func(_ context.Context, operation storagetest.Operation, err error) error {
			if operation.Write() && loses.Load() {
				return unavailable()
			}
			return err
		}
		var log bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { k.store.Run(ctx, slog.New(slog.NewTextHandler(&log, nil))) })
		during := func(d time.Duration) int32 {
			asked.Store(0)
			time.Sleep(d)
			synctest.Wait()
			return asked.Load()
		}
		if n := during(time.Hour); n != 0 {
			t.Errorf("the store was asked %d times in an hour without doubts", n)
		}
		// 1. The responses are lost, and the store is unreachable.
		first, code := k.signIn(), k.mustAuthorize(nil, nil)
		loses.Store(true)
		wantError(t, k.redeem(code), http.StatusServiceUnavailable, "temporarily_unavailable")
		wantError(t, k.refresh(first.refresh), http.StatusServiceUnavailable, "temporarily_unavailable")
		loses.Store(false)
		away.Store(true)
		if n := during(30 * time.Second); n < 2*30 || n > 2*70 {
			t.Errorf("the store was asked %d times in half a minute about two grants", n)
		}
		if log.Len() > 0 {
			t.Errorf("the log says %s", log.String())
		}
		// 2. The store is reachable again.
		away.Store(false)
		during(time.Second)
		wantOK(t, there.redeem(code))
		wantOK(t, there.refresh(first.refresh))
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "settled=2") {
			t.Errorf("the log says %s", log.String())
		}
		if n := during(time.Hour); n != 0 {
			t.Errorf("the store was asked %d times in an hour after the doubts", n)
		}
		stop()
		running.Wait()
	})
}

// Outcomes that are unknown after ten minutes, or at the end of the process, are abandoned.
func TestSettle_RunLogsAbandonedOutcomes(t *testing.T) {
	for name, life := range map[string]time.Duration{"after ten minutes": 11 * time.Minute, "at the end of the process": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(t)
				k.unansweredCode()
				k.hooks.Before = failOn("Get", storage.KindGrant)
				var log bytes.Buffer
				ctx, stop := context.WithTimeout(t.Context(), life)
				defer stop()
				k.store.Run(ctx, slog.New(slog.NewTextHandler(&log, nil)))
				if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "given_up=1") {
					t.Errorf("the log says %s", log.String())
				}
			})
		})
	}
}

func TestSettle_RunSettlesAtTheEndOfItsContext(t *testing.T) {
	k := newKit(t)
	code := k.unansweredCode()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	k.store.Run(ctx, slog.New(slog.DiscardHandler))
	wantOK(t, k.twin().redeem(code))
}

// The settler confirms the reads of an engine that may return stale data.
func TestSettle_ConfirmsItsReads(t *testing.T) {
	k, l := newLaggingKit(t)
	code := k.unansweredCode()
	l.lag = map[string]storage.Document{}
	wantSettlement(t, k.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
	wantOK(t, k.twin().redeem(code))
}

// A token that is older than the one whose rotation sent no response stays used.
func TestSettle_OlderTokenStaysReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		first := k.signIn()
		second := k.refresh(first.refresh)
		wantOK(t, second)
		k.loseRefresh(second.refresh)
		wantSettlement(t, k.store.Settle(t.Context()), oauth2.Settlement{Settled: 1})
		time.Sleep(lateCopies)
		wantError(t, k.twin().refresh(first.refresh), http.StatusBadRequest, "invalid_grant")
		if g := k.only().Record; g.RevokedBecause != "reuse" {
			t.Errorf("the grant is %s because of %q", g.State, g.RevokedBecause)
		}
	})
}

func TestSettle_SuccessfulRepeatEndsTheUnknownOutcome(t *testing.T) {
	for name, o := range onces() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKit(t)
				send := o.prepare(k)
				k.loseAnswers(o.kind, 1)
				wantError(t, send(k), http.StatusServiceUnavailable, "temporarily_unavailable")
				time.Sleep(lateCopies)
				wantOK(t, send(k))
				reads, writes := k.operations(func() { wantSettlement(t, k.store.Settle(t.Context()), oauth2.Settlement{}) })
				if reads+writes != 0 {
					t.Errorf("%d reads and %d writes to settle nothing", reads, writes)
				}
			})
		})
	}
}

// The client repeats a revocation of unknown outcome: there is nothing to settle.
func TestSettle_IgnoresAnUnknownRevocation(t *testing.T) {
	k := newKit(t)
	id := k.grantOf(k.signIn().access).ID
	k.loseAnswers(storage.KindGrant, 1)
	if err := k.store.Revoke(k.begin(), id, "logout"); !errors.Is(err, storage.ErrUnavailable) {
		t.Fatal(err)
	}
	wantSettlement(t, k.store.Settle(t.Context()), oauth2.Settlement{})
	if g := k.stored(id); g.State != storage.GrantRevoked {
		t.Errorf("the grant is %s", g.State)
	}
}
