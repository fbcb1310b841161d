package ferretdb

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// goSilent lets a fault befall the first write of a kind, and drops every command of this instance after it.
func (i *instance) goSilent(fault Fault, kind storage.Kind) {
	var silent atomic.Bool
	i.proxy.Decide(func(command Command) Fault {
		switch {
		case IsWrite(command) && command.Collection == string(kind) && !silent.Swap(true):
			return fault
		case silent.Load() && (IsWrite(command) || IsRead(command)):
			return DropCommand
		default:
			return Pass
		}
	})
}

// doubtful is a request that succeeds only once.
type doubtful struct {
	kind storage.Kind
	// prepare returns a function that sends the request through an instance, and one that asserts that its response is valid
	// there.
	prepare func(*instance) (send func(*instance) apiResponse, good func(*instance, apiResponse))
	// repeatStatus is the status of a repeat.
	repeatStatus int
}

func doubtfuls() map[string]doubtful {
	return map[string]doubtful{
		"code": {storage.KindGrant, func(i *instance) (func(*instance) apiResponse, func(*instance, apiResponse)) {
			i.addWeb()
			code := i.authorize()
			return func(i *instance) apiResponse { return i.redeem(code) }, func(i *instance, a apiResponse) { i.alive("web", a) }
		}, http.StatusBadRequest},
		"refresh token": {storage.KindGrant, func(i *instance) (func(*instance) apiResponse, func(*instance, apiResponse)) {
			app := i.addMiniProgram("mini", func(*storage.Client) {})
			first := i.exchange("mini", app.Login("alice")).wantOK(i.T)
			return func(i *instance) apiResponse { return i.refresh("mini", first.text("refresh_token")) }, func(i *instance, a apiResponse) {
				if a.sub(i.T) != first.sub(i.T) {
					i.Error("this is another user")
				}
				i.alive("mini", a)
				i.oneUser(1, 1)
			}
		}, http.StatusBadRequest},
		"jti": {storage.KindAssertion, func(i *instance) (func(*instance) apiResponse, func(*instance, apiResponse)) {
			i.addKeyed()
			assertion := i.assertion()
			return func(i *instance) apiResponse { return i.asserted(assertion) }, func(*instance, apiResponse) {}
		}, http.StatusBadRequest},
	}
}

// doubt starts a deployment with two instances. The first was asked something while it could not reach the database, and has settled
// what came of it.
func doubt(t *testing.T, proxied func(*Server, testing.TB) *Proxy, d doubtful, fault Fault) (a, b *instance, send func(*instance) apiResponse, good func(*instance, apiResponse)) {
	t.Helper()
	database := ferret.Database(t)
	w, a := newTownOn(t, func(i *instance) storage.Engine {
		i.proxy, i.commands = proxied(ferret, i.T), newCommandLog()
		return opened(i.T, mongodb.Options{
			URI: i.proxy.URI(database, patient), Now: i.now, Monitor: i.commands.monitor(), Timeout: 10 * time.Second, // in which the driver tries again
		})
	})
	b = w.start(func(i *instance) { i.skew = 20 * time.Second })
	send, good = d.prepare(a)
	a.run()
	a.goSilent(fault, d.kind)
	if first := send(a); first.status != http.StatusServiceUnavailable || first.text("error") != "temporarily_unavailable" {
		t.Fatalf("got %d %s", first.status, first.raw)
	}
	updates := a.commands.done("update")
	a.proxy.Decide(nil)
	a.commands.await("update", updates+1)
	return a, b, send, good
}

// The client's repeat goes to another instance, which knows nothing of the first attempt but what the store says.
func TestUnknownOutcome_OtherInstanceServesRepeat(t *testing.T) {
	faults := map[string]Fault{"executed": DropReply, "not executed": DropCommand}
	for name, d := range doubtfuls() {
		for world, proxied := range worlds() {
			for executed, fault := range faults {
				if fault == DropCommand && (d.kind == storage.KindAssertion || world != "alone") {
					continue // A jti that was not inserted leaves nothing to settle, and the rest is the same in either world.
				}
				t.Run(name+", "+executed+", "+world, func(t *testing.T) {
					t.Parallel()
					a, b, send, good := doubt(t, proxied, d, fault)
					if d.kind == storage.KindGrant {
						a.clock.Advance(31 * time.Second) // Late copies of a refresh token are late by now.
					}
					good(b, send(b).wantOK(t))
					a.clock.Advance(31 * time.Second)
					for _, i := range []*instance{b, a} {
						if again := send(i); again.status != d.repeatStatus {
							t.Errorf("a repeat: got %d %s", again.status, again.raw)
						}
					}
					if d.kind == storage.KindGrant {
						if grants := list[storage.Grant](b); len(grants) != 1 || grants[0].RevokedBecause != "reuse" {
							t.Errorf("a single-use response is returned again, and the grants are %+v", grants)
						}
					}
				})
			}
		}
	}
}

func TestSettle_OneOfManyRepeatsAtTwoInstancesSucceeds(t *testing.T) {
	for _, name := range []string{"code", "jti"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, send, _ := doubt(t, (*Server).ReplicaSet, doubtfuls()[name], DropReply)
			var responses [16]apiResponse
			var calls sync.WaitGroup
			for n := range responses {
				calls.Go(func() { responses[n] = send([]*instance{a, b}[n%2]) })
			}
			calls.Wait()
			served := 0
			for _, response := range responses {
				switch {
				case response.status == http.StatusOK:
					served++
				case response.status != doubtfuls()[name].repeatStatus && response.status != http.StatusServiceUnavailable:
					t.Errorf("got %d %s", response.status, response.raw)
				}
			}
			if served != 1 {
				t.Errorf("%d of %d were served", served, len(responses))
			}
		})
	}
}
