package ferretdb

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// jumpWorld is two instances on one store, with a client and WeChat, each of which has a clock of its own.
type jumpWorld struct {
	*testing.T
	app           *wechattest.App
	first, second *instance
	store, client time.Duration
}

// newJumpWorld starts the instances with one of the clocks ahead.
func newJumpWorld(t *testing.T, party string, ahead time.Duration) *jumpWorld {
	t.Helper()
	deployment, founder := newDeployment(t, (*Server).ReplicaSet)
	w := &jumpWorld{T: t}
	w.app = founder.addMiniProgram("mini", func(c *storage.Client) { c.AccessTokenAlgorithm = "ES256" })
	founder.addKeyed()
	compared := func(i *instance) { i.compared = storage.NewClock(i.local) }
	w.first, w.second = deployment.start(compared), deployment.start(compared)
	w.jump(party, ahead)
	return w
}

// jump sets one clock by that much, and lets both instances compare theirs with the store's.
func (w *jumpWorld) jump(party string, by time.Duration) {
	w.Helper()
	switch party {
	case "server":
		w.first.skew += by
	case "second instance":
		w.second.skew += by
	case "store":
		w.store += by
	case "client":
		w.client += by
	case "WeChat":
		w.first.sim.Advance(by)
	}
	for _, i := range []*instance{w.first, w.second} {
		i.measure(w.store)
		i.load()
	}
}

// wantTold requires success, or an error with the next step: repeat the request, or sign in again.
func (w *jumpWorld) wantTold(what string, a apiResponse) {
	w.Helper()
	problem := a.text("error")
	told := problem == "temporarily_unavailable" || problem == "invalid_grant" || problem == "invalid_client"
	if a.status != http.StatusOK && (!told || a.text("error_description") == "") {
		w.Errorf("%s: got %d %s", what, a.status, a.raw)
	}
}

// wantSession signs in at an instance. It requires refreshes there, and the detection of a refresh token used a minute ago.
func (w *jumpWorld) wantSession(what string, at *instance) {
	w.Helper()
	made := at.exchange("mini", w.app.Login("bob"))
	if made.status != http.StatusOK {
		w.Errorf("%s: sign-in: %d %s", what, made.status, made.raw)
		return
	}
	used := made.text("refresh_token")
	refreshed := at.refresh("mini", used)
	if refreshed.status != http.StatusOK {
		w.Errorf("%s: refresh: %d %s", what, refreshed.status, refreshed.raw)
	}
	at.clock.Advance(time.Minute)
	for name, token := range map[string]string{"reuse": used, "after reuse": refreshed.text("refresh_token")} {
		if name == "after reuse" {
			at.refresh("mini", used)
		}
		if a := at.refresh("mini", token); a.text("error") != "invalid_grant" {
			w.Errorf("%s: %s: %d %s", what, name, a.status, a.raw)
		}
	}
}

// wantRotation replaces the signing key at an instance, and revokes the one before. An instance whose clock is too far away may
// sign with the one before until it is revoked.
func (w *jumpWorld) wantRotation(what string, at *instance) {
	w.Helper()
	old, _ := tokenPart(w.T, at.exchange("mini", w.app.Login("carol")).wantOK(w.T).text("access_token"), 0)["kid"].(string)
	key, err := at.keys.RotateNow(w.Context(), "default", "ES256")
	if !at.clockTrusted() {
		if !errors.Is(err, keys.ErrClock) {
			w.Errorf("%s: rotated by a clock that is too far away: %v", what, err)
		}
		active := must(at.keys.Revoke(w.Context(), "default", old))(w.T)
		w.wantSigner(what+", revoked by a clock that is too far away", active.ID, func(*instance) bool { return true })
		return
	}
	check(w.T, err)
	w.wantSigner(what+", rotated", key.ID, (*instance).clockTrusted)
	must(at.keys.Revoke(w.Context(), "default", old))(w.T)
	w.wantSigner(what+", revoked", key.ID, func(*instance) bool { return true })
}

// wantSigner requires each instance, or those of mustSign, to sign with a key, and to accept its signatures.
func (w *jumpWorld) wantSigner(what, kid string, mustSign func(*instance) bool) {
	w.Helper()
	w.first.clock.Advance(time.Second)
	for _, i := range []*instance{w.first, w.second} {
		i.load()
		token := i.exchange("mini", w.app.Login("carol")).wantOK(w.T).text("access_token")
		if mustSign(i) && tokenPart(w.T, token, 0)["kid"] != kid {
			w.Errorf("%s: the new key does not sign", what)
		}
		if a := i.get("/oauth2/userinfo", token); a.status != http.StatusOK {
			w.Errorf("%s: UserInfo: %d %s", what, a.status, a.raw)
		}
	}
}

// Each clock in turn is ahead at the start and set right, or right and set back for a while.
func TestClockJump_OfEachPartyLeavesTheServiceWorking(t *testing.T) {
	t.Parallel()
	for _, party := range []string{"server", "second instance", "store", "client", "WeChat"} {
		for name, row := range map[string]struct{ before, after time.Duration }{
			"ahead at the start":  {8 * time.Hour, 0},
			"back by a minute":    {0, -time.Minute},
			"back by eight hours": {0, -8 * time.Hour},
			"back by a year":      {0, -365 * 24 * time.Hour},
		} {
			t.Run(party+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newJumpWorld(t, party, row.before)
				both := map[string]*instance{"first": w.first, "second": w.second}
				kept := map[string]string{} // refresh tokens
				for at, i := range both {
					kept[at] = i.exchange("mini", w.app.Login("alice-"+at)).text("refresh_token")
				}
				w.jump(party, row.after-row.before)
				for at, i := range both {
					w.wantTold(at+", refresh across the jump", i.refresh("mini", kept[at]))
					w.wantTold(at+", assertion", i.asserted(i.assertionAt(i.local().Add(w.client))))
					w.wantSession(at+", after the jump", i)
				}
				w.wantRotation("after the jump", w.second)
				w.jump(party, -row.after)
				for at, i := range both {
					w.wantSession(at+", set right", i)
					i.asserted(i.assertionAt(i.local())).wantOK(t)
				}
				w.wantRotation("set right", w.first)
			})
		}
	}
}

// An instance whose clock is far behind the store's must not set the sessions and grants of the others back.
func TestClockJump_InstanceThatIsFarBehindChangesNothingOfTheOthers(t *testing.T) {
	t.Parallel()
	w := newJumpWorld(t, "second instance", -365*24*time.Hour)
	w.first.addWeb()
	b := w.first.newBrowser()
	web := w.first.redeem(b.code("web", "scope", "openid offline_access", "prompt", "consent")).wantOK(t).text("refresh_token")
	mini := w.first.exchange("mini", w.app.Login("alice")).wantOK(t).text("refresh_token")
	grants, sessions := list[storage.Grant](w.first), list[storage.Session](w.first)
	for client, token := range map[string]string{"web": web, "mini": mini} {
		if a := w.second.refresh(client, token); a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" {
			t.Errorf("%s: refresh answers %d %s", client, a.status, a.raw)
		}
	}
	page := b.visit(strings.Replace(b.authorizeURL("web", "prompt", "none"), b.url, w.second.address, 1))
	if sent := page.header.Get("Location"); !strings.Contains(sent, "error=temporarily_unavailable") {
		t.Errorf("the session at the other instance: %d %s", page.status, sent)
	}
	if after := list[storage.Grant](w.first); !reflect.DeepEqual(after, grants) {
		t.Errorf("grants were %+v, they are %+v", grants, after)
	}
	if after := list[storage.Session](w.first); !reflect.DeepEqual(after, sessions) {
		t.Errorf("sessions were %+v, they are %+v", sessions, after)
	}
	if !strings.Contains(w.second.log.String(), "synchronize both (NTP)") {
		t.Errorf("the log does not name the cause: %s", w.second.log.errors())
	}
	w.first.refresh("web", web).wantOK(t)
	w.first.refresh("mini", mini).wantOK(t)
}
