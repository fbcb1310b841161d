package ferretdb

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat/wechattest"
)

// newSkewedPair returns two instances whose clocks are that far apart, and which compare them with the store's.
func newSkewedPair(t *testing.T, slow, fast time.Duration) (a, b *instance, app *wechattest.App) {
	t.Helper()
	w, first := newDeployment(t, (*Server).ReplicaSet)
	app = first.addMiniProgram("mini", func(*storage.Client) {})
	skewed := func(by time.Duration) func(*instance) {
		return func(i *instance) {
			i.skew = by
			i.compared = storage.NewClock(i.local)
		}
	}
	return w.start(skewed(slow)), w.start(skewed(fast)), app
}

func TestInstances_ClocksApart_RefreshesConverge(t *testing.T) {
	t.Parallel()
	for _, skews := range [][2]time.Duration{{0, 90 * time.Second}, {-2 * time.Minute, 2 * time.Minute}} {
		slow, fast, app := newSkewedPair(t, skews[0], skews[1])
		for _, order := range [][2]*instance{{slow, fast}, {fast, slow}} {
			first := slow.exchange("mini", app.Login("alice")).wantOK(t).text("refresh_token")
			next := order[0].refresh("mini", first).wantOK(t).text("refresh_token")
			if again := order[1].refresh("mini", first).wantOK(t).text("refresh_token"); again != next {
				t.Errorf("%v: the repeat got another refresh token", skews)
			}
			order[1].refresh("mini", next).wantOK(t)
			// Reuse is detected at both, as late as with one clock.
			slow.clock.Advance(time.Minute)
			if stolen := order[1].refresh("mini", first); stolen.status != http.StatusBadRequest || stolen.text("error") != "invalid_grant" {
				t.Errorf("%v: a token that was used a minute ago: %d %s", skews, stolen.status, stolen.raw)
			}
		}
	}
}

func TestInstances_ClocksApart_RepeatsOfACodeConverge(t *testing.T) {
	t.Parallel()
	slow, fast, app := newSkewedPair(t, -90*time.Second, 0)
	for _, order := range [][2]*instance{{slow, fast}, {fast, slow}} {
		code := app.Login("alice")
		first := order[0].exchange("mini", code).wantOK(t)
		if again := order[1].exchange("mini", code).wantOK(t); again.text("refresh_token") != first.text("refresh_token") {
			t.Error("the repeat made another session")
		}
	}
}

// Documents expire by the store's clock, which deletes them.
func TestInstances_ClocksApart_ExpiryGoesByTheStoresClock(t *testing.T) {
	t.Parallel()
	slow, fast, _ := newSkewedPair(t, -90*time.Second, 90*time.Second)
	doc := storage.Document{Kind: storage.KindMeta, ID: "short", CreatedAt: fast.now(), ExpiresAt: fast.now().Add(time.Minute), Body: []byte(`{"v":1}`)}
	must(fast.engine.Insert(t.Context(), doc))(t)
	for _, i := range []*instance{slow, fast} {
		must(i.engine.Get(t.Context(), doc.Kind, doc.ID))(t)
	}
	slow.clock.Advance(2 * time.Minute)
	for _, i := range []*instance{slow, fast} {
		if _, err := i.engine.Get(t.Context(), doc.Kind, doc.ID); err == nil {
			t.Error("the document outlives its time")
		}
	}
}

// An instance accepts assertions by the clock of its machine, and the store deletes their jti by its own.
func TestInstances_ClocksApart_AnAssertionIsGoodOnce(t *testing.T) {
	t.Parallel()
	slow, fast, _ := newSkewedPair(t, -storage.MaxCorrection+time.Minute, 0)
	slow.addKeyed()
	for name, order := range map[string][2]*instance{"at the slow one": {slow, slow}, "at both": {fast, slow}} {
		assertion := slow.assertion() // It expires in a minute by the slow clock.
		if order[0] == fast {
			assertion = fast.assertion()
		}
		order[0].asserted(assertion).wantOK(t)
		if order[0] == fast {
			fast.clock.Advance(4 * time.Minute)
		}
		if again := order[1].asserted(assertion); again.text("error") != "invalid_client" || !strings.Contains(again.raw, "used before") {
			t.Errorf("%s: %d %s", name, again.status, again.raw)
		}
	}
}

// Beyond the correction the store could delete a jti at once, so no assertion is accepted until the clocks agree.
func TestInstances_ClocksFarApart_NoAssertionIsAccepted(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-6 * time.Minute, -8 * time.Hour, 8 * time.Hour} {
		far, right, _ := newSkewedPair(t, skew, 0)
		far.addKeyed()
		assertion := far.assertion()
		a := far.asserted(assertion)
		if a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" {
			t.Errorf("%v: %d %s", skew, a.status, a.raw)
		}
		if !strings.Contains(far.log.String(), "clocks of this machine and of the store differ") {
			t.Errorf("%v: the operator is not told of the clock", skew)
		}
		right.asserted(right.assertion()).wantOK(t)
		// The clock is set, and measured again.
		far.skew = 0
		far.measure(0)
		far.asserted(far.assertion()).wantOK(t)
	}
}
