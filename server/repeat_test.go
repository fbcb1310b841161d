package server_test

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat/wechattest"
)

func TestARepeatGetsTheSameRefreshTokenAndFreshTokensBesides(t *testing.T) {
	for name, door := range doors() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			code := w.app("mini").Login("alice")
			first := door(w, code)
			w.clock.Advance(30 * time.Second)
			again := door(w, code)
			if again.status != http.StatusOK || again.text("refresh_token") == "" || again.text("refresh_token") != first.text("refresh_token") {
				t.Fatalf("got %d %s", again.status, again.raw)
			}
			if again.text("access_token") == first.text("access_token") || again.text("id_token") == first.text("id_token") {
				t.Error("access and ID token are not fresh")
			}
			if a, b := claims(t, first.text("id_token")), claims(t, again.text("id_token")); a["sub"] != b["sub"] || a["sid"] != b["sid"] || a["auth_time"] != b["auth_time"] {
				t.Errorf("the ID tokens speak of two logins: %v, %v", a, b)
			}
			if n := w.sim.TimesSent(code); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
}

func TestTheRepeatOfRegistrationRequiredGetsTheSameTicket(t *testing.T) {
	w := newWorld(t)
	w.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	code := w.app("binder").Login("alice")
	first := w.exchange("binder", code)
	w.clock.Advance(10 * time.Second)
	again := w.exchange("binder", code)
	if again.text("error") != "registration_required" || again.text("bind_ticket") != first.text("bind_ticket") {
		t.Fatalf("got %s after %s", again.raw, first.raw)
	}
	if again.body["expires_in"] != 290.0 {
		t.Errorf("expires_in is %v", again.body["expires_in"])
	}
}

func TestARepeatIsRefusedWhen(t *testing.T) {
	for _, row := range []struct {
		name    string
		between func(w *world, first answer)
		further []string
		reason  string
	}{
		{"it asks for more scopes", nil, []string{"scope", "openid profile email"}, "repeat_differs"},
		{"it asks for fewer scopes", nil, []string{"scope", "openid"}, "repeat_differs"},
		{"it asks for another audience", nil, []string{"audience", "https://orders.example"}, "repeat_differs"},
		{"it has another nonce", nil, []string{"nonce", "another"}, "repeat_differs"},
		{"it brings a phone_code", nil, []string{"phone_code", "0123456789"}, "repeat_differs"},
		{"a minute has passed", func(w *world, _ answer) { w.clock.Advance(61 * time.Second) }, nil, "new_code"},
		{"the grant was refreshed", func(w *world, first answer) { w.refresh("mini", first.text("refresh_token")) }, nil, "new_code"},
		{"the user was disabled", func(w *world, first answer) { w.disable(w.sub(first)) }, nil, "user_disabled"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.change("mini", func(c *storage.Client) { c.Audiences = []string{"https://orders.example"} })
			code := w.app("mini").Login("alice")
			first := w.exchange("mini", code)
			if first.status != http.StatusOK {
				t.Fatal(first.raw)
			}
			if row.between != nil {
				row.between(w, first)
			}
			if a := w.exchange("mini", code, row.further...); a.status == http.StatusOK || a.text("reason") != row.reason {
				t.Errorf("got %d %s, want %s", a.status, a.raw, row.reason)
			}
			if n := w.sim.TimesSent(code); n > 2 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
}

func TestTheSameCodeAtAnotherDoorIsNoRepeat(t *testing.T) {
	w := newWorld(t)
	code := w.app("mini").Login("alice")
	w.exchange("mini", code)
	a := w.postJSON("mini", "/federation/wechat/miniapp/profile", map[string]any{"code": code})
	if a.status != 400 || a.text("reason") != "repeat_differs" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestACallerThatHangsUpWhileWeChatIsSlowFindsItsGrant(t *testing.T) {
	for name, door := range doors() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			gate := wechattest.NewGate()
			w.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
			stored := w.watch(storage.KindGrant, "Insert")
			code := w.app("mini").Login("alice")

			// 1. The caller hangs up while WeChat has not answered.
			hangUp := w.hangUp(func(caller *world) { door(caller, code) })
			<-gate.Arrived()
			hangUp()
			// 2. WeChat answers; the grant is made although nobody listens.
			gate.Open()
			<-stored
			// 3. The repeat finds it.
			a := door(w, code)
			if a.status != http.StatusOK || w.sim.TimesSent(code) != 1 {
				t.Fatalf("got %d %s, code sent %d times", a.status, a.raw, w.sim.TimesSent(code))
			}
			if grants := list[storage.Grant](w); len(grants) != 1 {
				t.Errorf("%d grants", len(grants))
			}
		})
	}
}

func TestSixteenCallsWithOneCodeShareOneWeChatCallAndOneGrant(t *testing.T) {
	for name, door := range doors() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			gate := wechattest.NewGate()
			w.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
			code := w.app("mini").Login("alice")
			answers := make([]answer, 16)
			var calls sync.WaitGroup
			for i := range answers {
				calls.Go(func() { answers[i] = door(w, code) })
			}
			<-gate.Arrived()
			gate.Open()
			calls.Wait()
			for _, a := range answers {
				if a.status != http.StatusOK || a.text("refresh_token") != answers[0].text("refresh_token") {
					t.Errorf("got %d %s", a.status, a.raw)
				}
			}
			if n := w.sim.TimesSent(code); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
			if grants, users := list[storage.Grant](w), list[storage.User](w); len(grants) != 1 || len(users) != 1 {
				t.Errorf("%d grants, %d users", len(grants), len(users))
			}
		})
	}
}

// Another instance has spent the code and is about to store the grant: this one waits for it.
func TestAnInstanceThatIsToldTheCodeWasUsedWaitsForTheOtherOnesGrant(t *testing.T) {
	w := newWorld(t)
	other := w.secondInstance()
	code := w.app("mini").Login("alice")
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindGrant && o.Method == "Insert" {
			once.Do(func() { close(held) })
			<-release
		}
		return nil
	}
	gate := wechattest.NewGate()
	w.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{}, wechattest.Fault{Gate: gate}) // The second call is held.
	var first, second answer
	var calls sync.WaitGroup
	calls.Go(func() { first = w.exchange("mini", code) })
	<-held
	calls.Go(func() { second = other.exchange("mini", code) })
	<-gate.Arrived() // The other instance found no grant, and is about to be told that the code is used.
	gate.Open()
	close(release)
	calls.Wait()
	if first.status != 200 || second.status != 200 || first.text("refresh_token") != second.text("refresh_token") {
		t.Fatalf("got %s and %s", first.raw, second.raw)
	}
}

func TestAResponseLostAfterTheCodeWasSpentNeverMakesTheServerSendItAgain(t *testing.T) {
	for _, drop := range []wechattest.Drop{wechattest.FIN, wechattest.RST} {
		w := newWorld(t)
		w.login("mini", "warm") // A connection is kept alive, which Go's transport would resend on.
		w.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Drop: drop, Spend: true})
		code := w.app("mini").Login("alice")
		a := w.exchange("mini", code)
		if a.status != 400 || a.text("reason") != "new_code" || w.sim.TimesSent(code) != 1 {
			t.Errorf("%s: got %d %s, code sent %d times", drop, a.status, a.raw, w.sim.TimesSent(code))
		}
	}
}

func TestABindRequestIsRepeatedToo(t *testing.T) {
	w := newWorld(t)
	w.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	ticket := w.exchange("binder", w.app("binder").Login("alice")).text("bind_ticket")
	bind := func(further ...string) answer {
		return w.postJSON("binder", "/federation/wechat/miniapp/bindUser", jsonOf("method", "register", append([]string{"bind_ticket", ticket}, further...)))
	}
	first := bind()
	if first.status != http.StatusOK {
		t.Fatal(first.raw)
	}
	w.clock.Advance(20 * time.Second)
	if again := bind(); again.status != http.StatusOK || again.text("refresh_token") != first.text("refresh_token") {
		t.Errorf("got %d %s", again.status, again.raw)
	}
	if more := bind("scope", "openid email"); more.status != 400 || more.text("reason") != "repeat_differs" {
		t.Errorf("got %d %s", more.status, more.raw)
	}
	w.clock.Advance(time.Minute)
	if late := bind(); late.status != 400 || late.text("reason") != "new_code" {
		t.Errorf("got %d %s", late.status, late.raw)
	}
}

func TestTheRepeatOfABindRequestMustProveTheSame(t *testing.T) {
	w := newWorld(t)
	app := w.addBinder()
	bind := map[string]any{"method": "phone", "bind_ticket": w.ticket("binder", "alice"), "code": app.Login("alice"), "phone_code": app.TapPhone("alice")}
	first := w.bindUser("binder", bind)
	if again := w.bindUser("binder", bind); again.status != http.StatusOK || again.text("refresh_token") != first.text("refresh_token") {
		t.Errorf("the same request: got %d %s", again.status, again.raw)
	}
	for member, value := range map[string]string{"code": app.Login("mallory"), "phone_code": app.TapPhone("mallory")} {
		other := maps.Clone(bind)
		other[member] = value
		if got := w.bindUser("binder", other); got.status != 400 || got.text("reason") != "repeat_differs" {
			t.Errorf("another %s: got %d %s", member, got.status, got.raw)
		}
	}
}

func TestAPhoneCodeThatWasLostOnTheWayAsksForAnother(t *testing.T) {
	w := newWorld(t)
	app := w.addBinder()
	app.Fail(wechattest.PhoneNumber, wechattest.Fault{Drop: wechattest.FIN, Spend: true})
	a := w.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("alice"), "phone_code": app.TapPhone("alice")})
	if a.status != 400 || a.text("error") != "invalid_request" || a.text("reason") != "new_phone_code" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestSixteenBindRequestsWithOneTicketMakeOneUserAndOneGrant(t *testing.T) {
	w := newWorld(t)
	w.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	ticket := w.exchange("binder", w.app("binder").Login("alice")).text("bind_ticket")
	answers := make([]answer, 16)
	var calls sync.WaitGroup
	for i := range answers {
		calls.Go(func() {
			answers[i] = w.postJSON("binder", "/federation/wechat/miniapp/bindUser", map[string]any{"method": "register", "bind_ticket": ticket})
		})
	}
	calls.Wait()
	for _, a := range answers {
		if a.status != http.StatusOK || a.text("refresh_token") != answers[0].text("refresh_token") {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	}
	if grants, users := list[storage.Grant](w), list[storage.User](w); len(grants) != 1 || len(users) != 1 {
		t.Errorf("%d grants, %d users", len(grants), len(users))
	}
}
