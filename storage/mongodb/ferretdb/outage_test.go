package ferretdb

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
)

// impatient is a URI option, so that tests do not wait as long for a primary as people do.
const impatient = "serverSelectionTimeoutMS=2000"

func TestOutage_Returns503AndRecovers(t *testing.T) {
	t.Parallel()
	_, i := newDeployment(t, (*Server).ReplicaSet, impatient)
	app := i.addMiniProgram("mini", func(*storage.Client) {})
	i.addWeb()
	code := i.authorize()
	session := i.exchange("mini", app.Login("alice")).wantOK(t)
	login := app.Login("alice")
	i.get("/.well-known/openid-configuration", "").wantOK(t)
	i.get("/oauth2/jwks", "").wantOK(t)

	i.proxy.Down()
	i.clock.Advance(10 * time.Second) // Copies of clients and directories are old now.
	var waiting sync.WaitGroup
	for name, do := range map[string]func() apiResponse{
		"login":    func() apiResponse { return i.exchange("mini", login) },
		"profile":  func() apiResponse { return i.profile("mini", "code", login) },
		"refresh":  func() apiResponse { return i.refresh("mini", session.text("refresh_token")) },
		"code":     func() apiResponse { return i.redeem(code) },
		"UserInfo": func() apiResponse { return i.get("/oauth2/userinfo", session.text("access_token")) },
		"revoke":   func() apiResponse { return i.revoke("mini", session.text("refresh_token")) },
	} {
		waiting.Go(func() {
			a := do()
			if a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" || a.header.Get("Retry-After") == "" {
				t.Errorf("%s: got %d %s, Retry-After %q", name, a.status, a.raw, a.header.Get("Retry-After"))
			}
		})
	}
	waiting.Wait()
	i.get("/.well-known/openid-configuration", "").wantOK(t)
	i.get("/oauth2/jwks", "").wantOK(t)
	i.refresh("mini", session.text("refresh_token")) // The connections are broken, so no primary is known.
	if log := i.log.String(); !strings.Contains(log, "no primary can be reached") {
		t.Error("the log does not say what is wrong")
	}
	if n := i.sim.TimesSent(login); n != 0 {
		t.Errorf("the code of a login that could not be stored was spent, %d times", n)
	}

	i.proxy.Up()
	available(func() apiResponse { return i.exchange("mini", login) }).wantOK(t)
	i.refresh("mini", session.text("refresh_token")).wantOK(t)
	i.redeem(code).wantOK(t)
	i.get("/oauth2/userinfo", session.text("access_token")).wantOK(t)
}

// available repeats a request until the status is not 503, for a limited time.
func available(do func() apiResponse) apiResponse {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if a := do(); a.status != http.StatusServiceUnavailable {
			return a
		}
	}
	return do()
}

// Users sign in and refresh while the database stops and starts several times. Every acknowledged result stays valid.
func TestOutage_LosesNoAcknowledgedResult(t *testing.T) {
	t.Parallel()
	_, i := newDeployment(t, (*Server).ReplicaSet, impatient)
	app := i.addMiniProgram("mini", func(*storage.Client) {})
	var stopped atomic.Bool
	var calls sync.WaitGroup
	done := make(chan struct{}, 1<<16)
	type acknowledged struct{ sub, token string }
	people := make([]acknowledged, 6)
	for n := range people {
		calls.Go(func() {
			for !stopped.Load() {
				var a apiResponse
				if people[n].token == "" {
					a = i.exchange("mini", app.Login(user(n)))
				} else {
					a = i.refresh("mini", people[n].token)
				}
				switch {
				case a.status == http.StatusOK && people[n].sub != "" && a.sub(t) != people[n].sub:
					t.Errorf("person %d was %s and is %s", n, people[n].sub, a.sub(t))
				case a.status == http.StatusOK:
					people[n] = acknowledged{a.sub(t), a.text("refresh_token")}
				case a.status != http.StatusServiceUnavailable:
					t.Errorf("got %d %s", a.status, a.raw)
				}
				done <- struct{}{}
			}
		})
	}
	wait := func(n int) {
		for range n {
			<-done
		}
	}
	for range 3 {
		wait(20)
		i.proxy.Down()
		wait(6)
		i.proxy.Up()
	}
	wait(20)
	stopped.Store(true)
	calls.Wait()
	for n, person := range people {
		if person.token == "" { // A busy machine may acknowledge no sign-in of one of them.
			available(func() apiResponse { return i.exchange("mini", app.Login(user(n))) }).wantOK(t)
			continue
		}
		if a := available(func() apiResponse { return i.refresh("mini", person.token) }); a.status != http.StatusOK || a.sub(t) != person.sub {
			t.Errorf("person %d: an acknowledged session is lost: %d %s", n, a.status, a.raw)
		}
		if a := i.exchange("mini", app.Login(user(n))).wantOK(t); a.sub(t) != person.sub {
			t.Errorf("person %d: an acknowledged user is lost", n)
		}
	}
	if users := list[storage.User](i); len(users) != len(people) {
		t.Error(fmt.Sprint(len(users), " users, want ", len(people)))
	}
}

// A former primary may lack the newest grants. A genuine token was issued, so its grant is read once more, linearizable, before
// the session counts as ended.
func TestOutage_GrantMissedByAStaleReadIsReadAgain(t *testing.T) {
	t.Parallel()
	_, i := newDeployment(t, (*Server).ReplicaSet)
	app := i.addMiniProgram("mini", func(*storage.Client) {})
	session := i.exchange("mini", app.Login("alice")).wantOK(t) // the exchange looks for the grant before it creates it
	i.commands.forget()
	i.proxy.Decide(Once(Stale, func(c Command) bool { return IsRead(c) && c.Collection == string(storage.KindGrant) }))
	i.refresh("mini", session.text("refresh_token")).wantOK(t)
	if names := i.commands.names(); fmt.Sprint(names) != "[find find find update]" {
		t.Errorf("commands %v, want one read more than without", names)
	}
	level, _ := i.commands.sentTo("find", storage.KindGrant, 1).Lookup("readConcern", "level").StringValueOK()
	if level != "linearizable" {
		t.Errorf("the second read of the grant is %q", level)
	}
}
