package wechat_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// phone sends one getuserphonenumber call.
func (h *clientHarness) phone(t testing.TB, user string) error {
	t.Helper()
	_, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), h.app.TapPhone(user))
	return err
}

// count counts the recorded calls of an API.
func (h *clientHarness) count(api wechattest.API) int {
	n := 0
	for _, request := range h.sim.Requests() {
		if request.API == api {
			n++
		}
	}
	return n
}

func (h *clientHarness) wantCounts(t *testing.T, tokens, phones int) {
	t.Helper()
	if n := h.count(wechattest.StableToken); n != tokens {
		t.Errorf("%d calls for an access token, want %d", n, tokens)
	}
	if n := h.count(wechattest.PhoneNumber); n != phones {
		t.Errorf("%d calls of getuserphonenumber, want %d", n, phones)
	}
}

func TestToken_IsShared(t *testing.T) {
	h := newClientHarness(t, nil)
	for range 5 {
		if err := h.phone(t, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	h.wantCounts(t, 1, 5)
	if h.count(wechattest.Token) != 0 {
		t.Error("/cgi-bin/token was called, which invalidates the token of every other instance")
	}
}

func TestToken_ConcurrentCallsShareOneRequest(t *testing.T) {
	h := newClientHarness(t, nil)
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.StableToken, wechattest.Fault{Gate: gate})
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if err := h.phone(t, "alice"); err != nil {
				t.Error(err)
			}
		})
	}
	<-gate.Arrived()
	gate.Open()
	group.Wait()
	h.wantCounts(t, 1, 16)
}

func TestToken_FlightSurvivesCancel(t *testing.T) {
	h := newClientHarness(t, nil)
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.StableToken, wechattest.Fault{Gate: gate})
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	code := h.app.TapPhone("alice")
	go func() {
		_, err := h.client.PhoneNumber(ctx, h.app.Credential(), code)
		gone <- err
	}()
	<-gate.Arrived()
	hangUp()
	wantClass(t, <-gone, wechat.ClassUnsent)
	wantSent(t, h.sim, code, 0)
	gate.Open()
	if err := h.phone(t, "bob"); err != nil {
		t.Fatal(err)
	}
	h.wantCounts(t, 1, 1)
}

func TestToken_IsRenewedFiveMinutesBeforeExpiry(t *testing.T) {
	c := new(clock)
	h := newClientHarness(t, func(config *wechat.Config) { config.Now = c.Now })
	h.sim.Now = c.Now
	for _, step := range []struct {
		advance time.Duration
		tokens  int
	}{{0, 1}, {6899 * time.Second, 1}, {2 * time.Second, 2}, {time.Second, 2}} {
		c.Advance(step.advance)
		if err := h.phone(t, "alice"); err != nil {
			t.Fatal(err)
		}
		if n := h.count(wechattest.StableToken); n != step.tokens {
			t.Errorf("%v later: %d calls for a token, want %d", step.advance, n, step.tokens)
		}
	}
}

func TestToken_IsNotRequestedAtEachCallBeforeExpiry(t *testing.T) {
	asked := 0
	client := newClient(t, wechat.Config{BaseURL: newHandler(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cgi-bin/stable_token" {
			asked++
			_, _ = w.Write([]byte(`{"access_token":"token","expires_in":200}`))
			return
		}
		_, _ = w.Write([]byte(`{"errcode":0,"errmsg":"ok"}`))
	})})
	for range 5 {
		if err := client.CheckSession(t.Context(), fixedApp(), "oAlice", "key"); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("the token was requested %d times", asked)
	}
}

func TestToken_InvalidIsRenewedOnce(t *testing.T) {
	h := newClientHarness(t, nil)
	if err := h.phone(t, "alice"); err != nil {
		t.Fatal(err)
	}
	h.app.ExpireTokens()
	if err := h.phone(t, "alice"); err != nil {
		t.Fatal(err)
	}
	h.wantCounts(t, 2, 3)
}

func TestToken_InvalidAgainIsNotRenewedAgain(t *testing.T) {
	for _, errcode := range []int{40001, 40014, 42001} {
		h := newClientHarness(t, nil)
		h.app.Fail(wechattest.PhoneNumber, wechattest.Fault{Errcode: errcode, Times: -1})
		failure := wantClass(t, h.phone(t, "alice"), wechat.ClassToken)
		if failure.Code != errcode {
			t.Errorf("errcode = %d, want %d", failure.Code, errcode)
		}
		h.wantCounts(t, 2, 2)
	}
}

func TestToken_ConcurrentInvalidIsRenewedOnce(t *testing.T) {
	h := newClientHarness(t, nil)
	if err := h.phone(t, "alice"); err != nil {
		t.Fatal(err)
	}
	// All sixteen requests are in progress with a token that becomes invalid. After the first renewal the others must not
	// discard the new token.
	gate := wechattest.NewGate()
	h.app.Fail(wechattest.PhoneNumber, wechattest.Fault{Gate: gate, Times: 16})
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if err := h.phone(t, "alice"); err != nil {
				t.Error(err)
			}
		})
	}
	for range 16 {
		<-gate.Arrived()
	}
	h.app.ExpireTokens()
	gate.Open()
	group.Wait()
	h.wantCounts(t, 2, 1+16+16)
}

func TestToken_FailureSendsNoCall(t *testing.T) {
	for name, row := range map[string]struct {
		fault wechattest.Fault
		class wechat.Class
	}{
		"the response is lost": {wechattest.Fault{Drop: wechattest.FIN}, wechat.ClassUnsent},
		"a gateway error":      {wechattest.Fault{Status: 502}, wechat.ClassUnsent},
		"the IP list is wrong": {wechattest.Fault{Errcode: 40164}, wechat.ClassConfig},
		"the secret is wrong":  {wechattest.Fault{Errcode: 40001}, wechat.ClassConfig},
		"-1":                   {wechattest.Fault{Errcode: -1}, wechat.ClassBusy},
		"a quota":              {wechattest.Fault{Errcode: 45009}, wechat.ClassRate},
		"an unknown errcode":   {wechattest.Fault{Errcode: 99999}, wechat.ClassUnsent},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClientHarness(t, nil)
			row.fault.Times = -1
			h.app.Fail(wechattest.StableToken, row.fault)
			code := h.app.TapPhone("alice")
			_, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), code)
			wantClass(t, err, row.class)
			wantSent(t, h.sim, code, 0)
			h.app.Heal()
			if _, err := h.client.PhoneNumber(t.Context(), h.app.Credential(), code); err != nil {
				t.Errorf("the code was spent: %v", err)
			}
		})
	}
}

func TestToken_InvalidResponseIsRejected(t *testing.T) {
	for name, body := range map[string]string{
		"no token":         `{"expires_in":7200}`,
		"no end":           `{"access_token":"t"}`,
		"an end long ago":  `{"access_token":"t","expires_in":-1}`,
		"an end far away":  `{"access_token":"t","expires_in":9223372036854775807}`,
		"an endless token": `{"access_token":"` + strings.Repeat("t", 513) + `","expires_in":7200}`,
		"no JSON":          `<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, wechat.Config{BaseURL: newHandler(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })})
			err := client.CheckSession(t.Context(), fixedApp(), "oAlice", "key")
			wantClass(t, err, wechat.ClassUnsent)
		})
	}
}

func TestCheckCredential_CallsEachTime(t *testing.T) {
	h := newClientHarness(t, nil)
	for range 2 {
		if err := h.client.CheckCredential(t.Context(), h.app.Credential()); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.count(wechattest.StableToken); n != 2 {
		t.Errorf("%d calls", n)
	}
	wrong := h.app.Credential()
	wrong.Secret = "wrong"
	if failure := wantClass(t, h.client.CheckCredential(t.Context(), wrong), wechat.ClassConfig); failure.Code != 40125 {
		t.Errorf("errcode = %d", failure.Code)
	}
	wrong.ID = "wxsimUnknown"
	if failure := wantClass(t, h.client.CheckCredential(t.Context(), wrong), wechat.ClassConfig); failure.Code != 40013 {
		t.Errorf("errcode = %d", failure.Code)
	}
}

func TestClockSetBack_FetchesAccessTokenAgain(t *testing.T) {
	for _, jump := range []time.Duration{8 * time.Hour, 365 * 24 * time.Hour} {
		c := new(clock)
		h := newClientHarness(t, func(config *wechat.Config) { config.Now = c.Now })
		c.Advance(jump)
		check := func(when string, tokens int) {
			t.Helper()
			if err := h.phone(t, "alice"); err != nil {
				t.Fatalf("%v, %s: %v", jump, when, err)
			}
			if n := h.count(wechattest.StableToken); n != tokens {
				t.Errorf("%v, %s: %d calls for a token, want %d", jump, when, n, tokens)
			}
		}
		check("ahead", 1)
		c.Advance(-jump)
		check("set back", 2)
		c.Advance(6899 * time.Second)
		check("before it is renewed", 2)
		c.Advance(2 * time.Second)
		check("renewed", 3)
	}
}
