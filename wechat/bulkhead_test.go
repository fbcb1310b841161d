package wechat_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// newBreakerHarness returns a harness whose breaker opens after three failures for a minute, with its own clock.
func newBreakerHarness(t *testing.T, configure func(*wechat.Config)) (*clientHarness, *clock) {
	t.Helper()
	c := new(clock)
	h := newClientHarness(t, func(config *wechat.Config) {
		config.Now, config.BreakerFailures, config.BreakerOpen = c.Now, 3, time.Minute
		if configure != nil {
			configure(config)
		}
	})
	return h, c
}

// openBreaker runs three failing logins, which opens the breaker.
func (h *clientHarness) openBreaker(t *testing.T) {
	t.Helper()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Status: http.StatusBadGateway, Times: 3})
	for range 3 {
		if _, _, err := h.login(t, "alice"); err == nil {
			t.Fatal("the fault is not there")
		}
	}
}

func TestBreaker_OpensAndCloses(t *testing.T) {
	log := new(bytes.Buffer)
	h, c := newBreakerHarness(t, func(config *wechat.Config) { config.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	h.openBreaker(t)

	_, code, err := h.login(t, "alice")
	if failure := wantClass(t, err, wechat.ClassUnsent); failure.RetryAfter != time.Minute {
		t.Errorf("open: RetryAfter = %v", failure.RetryAfter)
	}
	wantSent(t, h.sim, code, 0)

	c.Advance(20 * time.Second)
	_, _, err = h.login(t, "alice")
	if failure := wantClass(t, err, wechat.ClassUnsent); failure.RetryAfter != 40*time.Second {
		t.Errorf("after 20 s: RetryAfter = %v", failure.RetryAfter)
	}

	c.Advance(40 * time.Second)
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Status: http.StatusBadGateway})
	_, code, err = h.login(t, "alice")
	wantClass(t, err, wechat.ClassAmbiguous)
	wantSent(t, h.sim, code, 1)
	_, _, err = h.login(t, "alice")
	if failure := wantClass(t, err, wechat.ClassUnsent); failure.RetryAfter != time.Minute {
		t.Errorf("after a failed probe: RetryAfter = %v", failure.RetryAfter)
	}

	c.Advance(time.Minute)
	for range 2 {
		if _, _, err := h.login(t, "alice"); err != nil {
			t.Fatalf("after WeChat recovered: %v", err)
		}
	}
	text := log.String()
	if strings.Count(text, "breaker opened") != 2 || strings.Count(text, "breaker closed") != 1 || !strings.Contains(text, "appid=wxsim0000000000000001 api=code2Session") {
		t.Errorf("log:\n%s", text)
	}
}

func TestBreaker_CountsFromZeroAfterClosing(t *testing.T) {
	h, c := newBreakerHarness(t, nil)
	h.openBreaker(t)
	c.Advance(time.Minute)
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Fatal(err)
	}
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Status: http.StatusBadGateway, Times: 2})
	for range 2 {
		_, _, err := h.login(t, "alice")
		wantClass(t, err, wechat.ClassAmbiguous)
	}
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Errorf("two failures opened it: %v", err)
	}
}

func TestBreaker_OpensOnlyOnOutage(t *testing.T) {
	for name, row := range map[string]struct {
		fault wechattest.Fault
		opens bool
	}{
		"a dropped connection": {wechattest.Fault{Drop: wechattest.FIN}, true},
		"a gateway error":      {wechattest.Fault{Status: 503}, true},
		"half a response":      {wechattest.Fault{Truncate: true}, true},
		"-1":                   {wechattest.Fault{Errcode: -1}, true},
		"an invalid code":      {wechattest.Fault{Errcode: 40029}, false},
		"a used code":          {wechattest.Fault{Errcode: 40163}, false},
		"a blocked user":       {wechattest.Fault{Errcode: 40226}, false},
		"a wrong secret":       {wechattest.Fault{Errcode: 40125}, false},
		"a quota":              {wechattest.Fault{Errcode: 45011}, false},
		"an unknown errcode":   {wechattest.Fault{Errcode: 99999}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := newBreakerHarness(t, nil)
			row.fault.Times = -1
			h.app.Fail(wechattest.Code2Session, row.fault)
			for range 10 {
				if _, _, err := h.login(t, "alice"); err == nil {
					t.Fatal("the fault is not there")
				}
			}
			h.app.Heal()
			if _, _, err := h.login(t, "alice"); (err != nil) != row.opens {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestBreaker_IgnoresCanceledCalls(t *testing.T) {
	h, _ := newBreakerHarness(t, nil)
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate, Times: -1})
	for range 5 {
		ctx, hangUp := context.WithCancel(t.Context())
		go func() {
			<-gate.Arrived()
			hangUp()
		}()
		_, err := h.client.Code2Session(ctx, h.app.Credential(), h.app.Login("alice"))
		wantClass(t, err, wechat.ClassAmbiguous)
	}
	gate.Open()
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Error(err)
	}
}

func TestBreaker_HalfOpenAllowsOneCall(t *testing.T) {
	h, c := newBreakerHarness(t, nil)
	h.openBreaker(t)
	c.Advance(time.Minute)
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
	probe := make(chan error, 1)
	go func() {
		_, err := h.client.Code2Session(context.WithoutCancel(t.Context()), h.app.Credential(), h.app.Login("alice"))
		probe <- err
	}()
	<-gate.Arrived()
	for range 3 {
		_, _, err := h.login(t, "alice")
		if failure := wantClass(t, err, wechat.ClassUnsent); failure.RetryAfter <= 0 {
			t.Error("no RetryAfter while another call tries")
		}
	}
	gate.Open()
	if err := <-probe; err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Errorf("after the probe: %v", err)
	}
}

func TestBreaker_CanceledProbeAllowsNext(t *testing.T) {
	h, c := newBreakerHarness(t, nil)
	h.openBreaker(t)
	c.Advance(time.Minute)
	gate := wechattest.NewGate()
	defer gate.Open()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-gate.Arrived()
		hangUp()
	}()
	_, err := h.client.Code2Session(ctx, h.app.Credential(), h.app.Login("alice"))
	wantClass(t, err, wechat.ClassAmbiguous)
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestBreaker_IgnoresLateResponse(t *testing.T) {
	h, c := newBreakerHarness(t, nil)
	held := func(user string) (*wechattest.Gate, <-chan error) {
		gate, done := wechattest.NewGate(), make(chan error, 1)
		h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate, User: user})
		go func() {
			_, err := h.client.Code2Session(context.WithoutCancel(t.Context()), h.app.Credential(), h.app.Login(user))
			done <- err
		}()
		<-gate.Arrived()
		return gate, done
	}
	slowGate, slow := held("slow")
	h.openBreaker(t)
	c.Advance(time.Minute)
	probeGate, probe := held("probe")

	slowGate.Open()
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	_, _, err := h.login(t, "alice")
	wantClass(t, err, wechat.ClassUnsent)

	probeGate.Open()
	if err := <-probe; err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Errorf("after the probe: %v", err)
	}
}

func TestBreaker_IsPerAppAndAPI(t *testing.T) {
	h, _ := newBreakerHarness(t, nil)
	other := h.addApp(t, "wxsim0000000000000002")
	h.openBreaker(t)
	if _, err := h.client.Code2Session(t.Context(), other.Credential(), other.Login("alice")); err != nil {
		t.Errorf("another app: %v", err)
	}
	if _, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), h.app.TapPhone("alice")); err != nil {
		t.Errorf("another API: %v", err)
	}
}

func TestBulkhead_HangingAppBlocksNoOther(t *testing.T) {
	t.Parallel()
	h := newClientHarness(t, func(c *wechat.Config) { c.MaxConcurrent, c.ConnectTimeout = 4, 500*time.Millisecond })
	other := h.addApp(t, "wxsim0000000000000002")
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate, Times: -1})
	held := make(chan error, 4)
	for range 4 {
		go func() {
			_, err := h.client.Code2Session(context.WithoutCancel(t.Context()), h.app.Credential(), h.app.Login("alice"))
			held <- err
		}()
	}
	for range 4 {
		<-gate.Arrived()
	}

	_, code, err := h.login(t, "alice")
	if failure := wantClass(t, err, wechat.ClassUnsent); failure.RetryAfter <= 0 {
		t.Error("a call over the limit gets no retry delay")
	}
	wantSent(t, h.sim, code, 0)
	for range 100 {
		if _, err := h.client.Code2Session(t.Context(), other.Credential(), other.Login("bob")); err != nil {
			t.Fatalf("the other app: %v", err)
		}
	}
	if _, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), h.app.TapPhone("alice")); err != nil {
		t.Errorf("another API of the app that hangs: %v", err)
	}

	gate.Open()
	for range 4 {
		if err := <-held; err != nil {
			t.Errorf("a held call: %v", err)
		}
	}
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Errorf("after it hung: %v", err)
	}
}

func TestBulkhead_CallWaitsForSlot(t *testing.T) {
	h := newClientHarness(t, func(c *wechat.Config) { c.MaxConcurrent, c.ConnectTimeout = 1, time.Hour })
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := h.client.Code2Session(context.WithoutCancel(t.Context()), h.app.Credential(), h.app.Login("alice"))
			done <- err
		}()
	}
	<-gate.Arrived()
	gate.Open()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestBulkhead_WaitEndsWithContext(t *testing.T) {
	h := newClientHarness(t, func(c *wechat.Config) { c.MaxConcurrent, c.ConnectTimeout = 1, time.Hour })
	gate := wechattest.NewGate()
	defer gate.Open()
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
	go func() {
		_, _ = h.client.Code2Session(context.WithoutCancel(t.Context()), h.app.Credential(), h.app.Login("alice"))
	}()
	<-gate.Arrived()
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	code := h.app.Login("bob")
	_, err := h.client.Code2Session(ctx, h.app.Credential(), code)
	wantClass(t, err, wechat.ClassUnsent)
	wantSent(t, h.sim, code, 0)
}

func TestClockSetBack_OpenBreakerStaysOpenNoLonger(t *testing.T) {
	for _, jump := range []time.Duration{2 * time.Minute, 8 * time.Hour, 365 * 24 * time.Hour} {
		h, c := newBreakerHarness(t, nil)
		c.Advance(jump)
		h.openBreaker(t)
		c.Advance(-jump)
		if _, _, err := h.login(t, "alice"); err != nil {
			t.Errorf("%v: %v", jump, err)
		}
	}
}
