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

func TestRepeat_GetsSameRefreshToken(t *testing.T) {
	for name, door := range loginEndpoints() {
		t.Run(name, func(t *testing.T) {
			ts := newTestServer(t)
			code := ts.app("mini").Login("alice")
			first := door(ts, code)
			ts.clock.Advance(30 * time.Second)
			again := door(ts, code)
			if again.status != http.StatusOK || again.member("refresh_token") == "" || again.member("refresh_token") != first.member("refresh_token") {
				t.Fatalf("got %d %s", again.status, again.raw)
			}
			if again.member("access_token") == first.member("access_token") || again.member("id_token") == first.member("id_token") {
				t.Error("access and ID token are not fresh")
			}
			if a, b := claims(t, first.member("id_token")), claims(t, again.member("id_token")); a["sub"] != b["sub"] || a["sid"] != b["sid"] || a["auth_time"] != b["auth_time"] {
				t.Errorf("the ID tokens have two logins: %v, %v", a, b)
			}
			if n := ts.sim.TimesSent(code); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
}

func TestRepeat_RegistrationRequiredGetsSameTicket(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	code := ts.app("binder").Login("alice")
	first := ts.exchange("binder", code)
	ts.clock.Advance(10 * time.Second)
	again := ts.exchange("binder", code)
	if again.member("error") != "registration_required" || again.member("bind_ticket") != first.member("bind_ticket") {
		t.Fatalf("got %s after %s", again.raw, first.raw)
	}
	if again.body["expires_in"] != 290.0 {
		t.Errorf("expires_in is %v", again.body["expires_in"])
	}
}

func TestRepeat_IsRejected(t *testing.T) {
	for _, row := range []struct {
		name    string
		between func(ts *testServer, first response)
		further []string
		reason  string
	}{
		{"it requests more scopes", nil, []string{"scope", "openid profile email"}, "repeat_differs"},
		{"it requests fewer scopes", nil, []string{"scope", "openid"}, "repeat_differs"},
		{"it requests another audience", nil, []string{"audience", "https://orders.example"}, "repeat_differs"},
		{"it has another nonce", nil, []string{"nonce", "another"}, "repeat_differs"},
		{"it brings a phone_code", nil, []string{"phone_code", "0123456789"}, "repeat_differs"},
		{"a minute has passed", func(ts *testServer, _ response) { ts.clock.Advance(61 * time.Second) }, nil, "new_code"},
		{"the grant was refreshed", func(ts *testServer, first response) { ts.refresh("mini", first.member("refresh_token")) }, nil, "new_code"},
		{"the user was disabled", func(ts *testServer, first response) { ts.disable(ts.sub(first)) }, nil, "user_disabled"},
	} {
		t.Run(row.name, func(t *testing.T) {
			ts := newTestServer(t)
			ts.change("mini", func(c *storage.Client) { c.Audiences = []string{"https://orders.example"} })
			code := ts.app("mini").Login("alice")
			first := ts.exchange("mini", code)
			if first.status != http.StatusOK {
				t.Fatal(first.raw)
			}
			if row.between != nil {
				row.between(ts, first)
			}
			if a := ts.exchange("mini", code, row.further...); a.status == http.StatusOK || a.member("reason") != row.reason {
				t.Errorf("got %d %s, want %s", a.status, a.raw, row.reason)
			}
			if n := ts.sim.TimesSent(code); n > 2 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
}

func TestRepeat_IsRejectedAtOtherEndpoint(t *testing.T) {
	ts := newTestServer(t)
	code := ts.app("mini").Login("alice")
	ts.exchange("mini", code)
	a := ts.postJSON("mini", "/federation/wechat/miniapp/profile", map[string]any{"code": code})
	if a.status != 400 || a.member("reason") != "repeat_differs" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestRepeat_AfterDisconnectFindsGrant(t *testing.T) {
	for name, door := range loginEndpoints() {
		t.Run(name, func(t *testing.T) {
			ts := newTestServer(t)
			gate := wechattest.NewGate()
			ts.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
			stored := ts.watch(storage.KindGrant, "Insert")
			code := ts.app("mini").Login("alice")

			// 1. The client disconnects before WeChat responds.
			hangUp := ts.hangUp(func(caller *testServer) { door(caller, code) })
			<-gate.Arrived()
			hangUp()
			// 2. WeChat responds; the grant is created although the client disconnected.
			gate.Open()
			<-stored
			// 3. The repeat finds it.
			a := door(ts, code)
			if a.status != http.StatusOK || ts.sim.TimesSent(code) != 1 {
				t.Fatalf("got %d %s, code sent %d times", a.status, a.raw, ts.sim.TimesSent(code))
			}
			if grants := list[storage.Grant](ts); len(grants) != 1 {
				t.Errorf("%d grants", len(grants))
			}
		})
	}
}

func TestRepeat_ConcurrentRequestsShareOneGrant(t *testing.T) {
	for name, door := range loginEndpoints() {
		t.Run(name, func(t *testing.T) {
			ts := newTestServer(t)
			gate := wechattest.NewGate()
			ts.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
			code := ts.app("mini").Login("alice")
			answers := make([]response, 16)
			var calls sync.WaitGroup
			for i := range answers {
				calls.Go(func() { answers[i] = door(ts, code) })
			}
			<-gate.Arrived()
			gate.Open()
			calls.Wait()
			for _, a := range answers {
				if a.status != http.StatusOK || a.member("refresh_token") != answers[0].member("refresh_token") {
					t.Errorf("got %d %s", a.status, a.raw)
				}
			}
			if n := ts.sim.TimesSent(code); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
			if grants, users := list[storage.Grant](ts), list[storage.User](ts); len(grants) != 1 || len(users) != 1 {
				t.Errorf("%d grants, %d users", len(grants), len(users))
			}
		})
	}
}

// Another instance has spent the code and is about to store the grant: this one waits for it.
func TestRepeat_UsedCodeWaitsForOtherInstance(t *testing.T) {
	ts := newTestServer(t)
	other := ts.secondInstance()
	code := ts.app("mini").Login("alice")
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
		if o.Kind == storage.KindGrant && o.Method == "Insert" {
			once.Do(func() { close(held) })
			<-release
		}
		return nil
	}
	gate := wechattest.NewGate()
	ts.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{}, wechattest.Fault{Gate: gate}) // The second call is held.
	var first, second response
	var calls sync.WaitGroup
	calls.Go(func() { first = ts.exchange("mini", code) })
	<-held
	calls.Go(func() { second = other.exchange("mini", code) })
	<-gate.Arrived() // The other instance found no grant, and is about to learn that the code is used.
	gate.Open()
	close(release)
	calls.Wait()
	if first.status != 200 || second.status != 200 || first.member("refresh_token") != second.member("refresh_token") {
		t.Fatalf("got %s and %s", first.raw, second.raw)
	}
}

func TestWeChatCall_IsNotResentAfterLostResponse(t *testing.T) {
	for _, drop := range []wechattest.Drop{wechattest.FIN, wechattest.RST} {
		ts := newTestServer(t)
		ts.login("mini", "warm") // On a reused connection, Go's transport would resend.
		ts.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Drop: drop, Spend: true})
		code := ts.app("mini").Login("alice")
		a := ts.exchange("mini", code)
		if a.status != 400 || a.member("reason") != "new_code" || ts.sim.TimesSent(code) != 1 {
			t.Errorf("%s: got %d %s, code sent %d times", drop, a.status, a.raw, ts.sim.TimesSent(code))
		}
	}
}

func TestBindUser_RepeatGetsSameGrant(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	ticket := ts.exchange("binder", ts.app("binder").Login("alice")).member("bind_ticket")
	bind := func(further ...string) response {
		return ts.postJSON("binder", "/federation/wechat/miniapp/bindUser", jsonOf("method", "register", append([]string{"bind_ticket", ticket}, further...)))
	}
	first := bind()
	if first.status != http.StatusOK {
		t.Fatal(first.raw)
	}
	ts.clock.Advance(20 * time.Second)
	if again := bind(); again.status != http.StatusOK || again.member("refresh_token") != first.member("refresh_token") {
		t.Errorf("got %d %s", again.status, again.raw)
	}
	if more := bind("scope", "openid email"); more.status != 400 || more.member("reason") != "repeat_differs" {
		t.Errorf("got %d %s", more.status, more.raw)
	}
	ts.clock.Advance(time.Minute)
	if late := bind(); late.status != 400 || late.member("reason") != "new_code" {
		t.Errorf("got %d %s", late.status, late.raw)
	}
}

func TestBindUser_RepeatRequiresSameProof(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addBinder()
	bind := map[string]any{"method": "phone", "bind_ticket": ts.ticket("binder", "alice"), "code": app.Login("alice"), "phone_code": app.TapPhone("alice")}
	first := ts.bindUser("binder", bind)
	if again := ts.bindUser("binder", bind); again.status != http.StatusOK || again.member("refresh_token") != first.member("refresh_token") {
		t.Errorf("the same request: got %d %s", again.status, again.raw)
	}
	for member, value := range map[string]string{"code": app.Login("mallory"), "phone_code": app.TapPhone("mallory")} {
		other := maps.Clone(bind)
		other[member] = value
		if got := ts.bindUser("binder", other); got.status != 400 || got.member("reason") != "repeat_differs" {
			t.Errorf("another %s: got %d %s", member, got.status, got.raw)
		}
	}
}

func TestPhoneCode_LostResponseNeedsNewCode(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addBinder()
	app.Fail(wechattest.PhoneNumber, wechattest.Fault{Drop: wechattest.FIN, Spend: true})
	a := ts.bindUser("binder", map[string]any{"method": "phone", "code": app.Login("alice"), "phone_code": app.TapPhone("alice")})
	if a.status != 400 || a.member("error") != "invalid_request" || a.member("reason") != "new_phone_code" {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestBindTicket_ConcurrentRequestsCreateOneUser(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	ticket := ts.exchange("binder", ts.app("binder").Login("alice")).member("bind_ticket")
	answers := make([]response, 16)
	var calls sync.WaitGroup
	for i := range answers {
		calls.Go(func() {
			answers[i] = ts.postJSON("binder", "/federation/wechat/miniapp/bindUser", map[string]any{"method": "register", "bind_ticket": ticket})
		})
	}
	calls.Wait()
	for _, a := range answers {
		if a.status != http.StatusOK || a.member("refresh_token") != answers[0].member("refresh_token") {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	}
	if grants, users := list[storage.Grant](ts), list[storage.User](ts); len(grants) != 1 || len(users) != 1 {
		t.Errorf("%d grants, %d users", len(grants), len(users))
	}
}
