package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat/wechattest"
)

// set sets the clock of a station ahead of the right time.
func (s *station) set(ahead time.Duration) {
	s.now = func() time.Time { return time.Now().Add(ahead) }
}

// tokenStatus asks for an access token of a service and returns the status of the answer.
func tokenStatus(t *testing.T, issuer string, client map[string]any) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/oauth2/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	id, _ := client["client_id"].(string)
	secret, _ := client["client_secret"].(string)
	request.SetBasicAuth(id, secret)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestServe_SignsAfterFirstStartWithClockAhead(t *testing.T) {
	for _, ahead := range []time.Duration{2 * time.Hour, 365 * 24 * time.Hour} {
		api := httptest.NewServer(new(wechattest.Server))
		t.Cleanup(api.Close)
		s := newStation(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
		s.set(ahead)
		s.serve(t).stop(t)
		client := s.json(t, "client", "create", "--kind", "service")
		s.set(0)
		// doctor says what is wrong, and its advice is to start a server.
		said := diagnose(t, s, true)["keys of default"]
		if !strings.HasPrefix(said, "warn ") || !strings.Contains(said, "start a server of this store") {
			t.Errorf("%v ahead: doctor says %q", ahead, said)
		}
		running := s.serve(t)
		if status := tokenStatus(t, running.url, client); status != http.StatusOK {
			t.Errorf("%v ahead: token request: %d\n%s", ahead, status, running.err)
		}
		if code, body := get(t, running.adminURL+"/readyz"); code != http.StatusOK {
			t.Errorf("%v ahead: /readyz: %d %s", ahead, code, body)
		}
		for _, algorithm := range []string{"RS256", "ES256"} {
			if err := running.err.await(t.Context(), `"keys: step of rotation" directory=default algorithm=`+algorithm); err != nil {
				t.Fatal(err)
			}
		}
		running.stop(t)
		if said := diagnose(t, s, true)["keys of default"]; !strings.HasPrefix(said, "ok ") {
			t.Errorf("%v ahead: after the advice doctor says %q", ahead, said)
		}
	}
}

func TestReadyz_SaysThatTheServerCannotSign(t *testing.T) {
	var engine storage.Engine = &storagetest.Hooks{Engine: storagetest.NewMemory(time.Now)}
	serving := newHealth()
	serving.engine.Store(&engine)
	serving.phase.Store(phaseReady)
	canSign := func(context.Context) error { return errors.New("keys: no signing key: RS256") }
	serving.canSign.Store(&canSign)
	server := httptest.NewServer(serving.handler(prometheus.NewRegistry()))
	t.Cleanup(server.Close)
	code, body := get(t, server.URL+"/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, `"status":"cannot sign"`) || !strings.Contains(body, `"store":"ok"`) || !strings.Contains(body, "RS256") {
		t.Errorf("%d %s", code, body)
	}
	// While the store is down nothing can be said, and the instance stays.
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if code, body := get(t, server.URL+"/readyz"); code != http.StatusOK {
		t.Errorf("the store is down: %d %s", code, body)
	}
}

func TestKeysRevoke_ReplacesTheKeyBesideARunningServer(t *testing.T) {
	s := made(t)
	running := s.serve(t)
	leaked := signingKID(t, s, "RS256")
	active := s.json(t, "keys", "revoke", "--kid="+leaked)
	if active["state"] != "active" || active["algorithm"] != "RS256" || active["kid"] == leaked {
		t.Errorf("%v", active)
	}
	s.fails(t, exitFailed, []string{leaked, "does not exist"}, "keys", "revoke", "--kid="+leaked)
	s.fails(t, exitUsage, []string{"--kid is missing"}, "keys", "revoke")
	next := s.json(t, "keys", "rotate", "--alg", "RS256", "--now")
	if next["state"] != "active" || next["kid"] != signingKID(t, s, "RS256") || next["kid"] == active["kid"] {
		t.Errorf("%v", next)
	}
	running.stop(t)
}

// signingKID is the ID of the key of an algorithm that signs.
func signingKID(t *testing.T, s *station, algorithm string) string {
	t.Helper()
	listed, _ := s.json(t, "keys", "list")["items"].([]any)
	for _, item := range listed {
		key, _ := item.(map[string]any)
		if key["algorithm"] == algorithm && key["state"] == "active" {
			kid, _ := key["kid"].(string)
			return kid
		}
	}
	t.Fatalf("no %s key signs: %v", algorithm, listed)
	return ""
}

// storeClock is the clock of a store.
type storeClock func() time.Time

func (c storeClock) Time(context.Context) (time.Time, error) { return c(), nil }

func TestClockWatch_WarnsWhenTheStoresClockIsFarAway(t *testing.T) {
	local, ahead, logs := time.Now(), time.Duration(0), newOutput()
	now := func() time.Time { return local }
	registry := prometheus.NewRegistry()
	watch, err := newClockWatch(&deployment{clock: storage.NewClock(now)}, now, slog.New(slog.NewTextHandler(logs, nil)), registry)
	if err != nil {
		t.Fatal(err)
	}
	watch.source = storeClock(func() time.Time { return local.Add(ahead) })
	for _, row := range []struct {
		ahead time.Duration
		says  string
	}{
		{time.Second, ""},
		{90 * time.Second, `level=WARN msg="clocks differ: synchronize the time of this machine and of the store (NTP)" store_ahead=1m30s corrected=true`},
		{90 * time.Second, ""},
		{0, `msg="clocks agree again"`},
		{-time.Hour, "store_ahead=-1h0m0s corrected=false"},
	} {
		logs.Reset()
		ahead = row.ahead
		watch.look(t.Context())
		if said := logs.String(); (row.says == "") != (said == "") || !strings.Contains(said, row.says) {
			t.Errorf("%v ahead: logged %q, want %q", row.ahead, said, row.says)
		}
	}
	if got := metricValue(t, registry, "minifed_clock_offset_seconds"); got != -3600 {
		t.Errorf("minifed_clock_offset_seconds is %v", got)
	}
}

func TestClockWatch_WarnsWhenTheClockIsSet(t *testing.T) {
	logs, local := newOutput(), time.Now().Round(0)
	now := func() time.Time { return local }
	registry := prometheus.NewRegistry()
	watch, err := newClockWatch(&deployment{clock: storage.NewClock(now)}, now, slog.New(slog.NewTextHandler(logs, nil)), registry)
	if err != nil {
		t.Fatal(err)
	}
	watch.steady = func() time.Duration { return 0 } // No time passes: every move of the clock is a jump.
	for _, by := range []time.Duration{10 * time.Second, -time.Minute, 8 * time.Hour} {
		local = local.Add(by)
		watch.look(t.Context())
	}
	if got := metricValue(t, registry, "minifed_clock_jumps_total"); got != 2 {
		t.Errorf("%v jumps\n%s", got, logs)
	}
	if !strings.Contains(logs.String(), "by=-1m0s") || !strings.Contains(logs.String(), "by=8h0m0s") {
		t.Errorf("logged\n%s", logs)
	}
}

func TestServe_WarnsOfAStoreWrittenInTheFuture(t *testing.T) {
	s := made(t)
	s.set(-8 * time.Hour)
	if said := diagnoseAny(t, s)["store times"]; !strings.HasPrefix(said, "warn ") || !strings.Contains(said, "in the future") {
		t.Errorf("doctor says %q", said)
	}
	running := s.serve(t)
	if !strings.Contains(running.err.String(), "the store was last written in the future") {
		t.Errorf("logged\n%s", running.err)
	}
	running.stop(t)
}

// metricValue is the value of a gauge or counter without labels.
func metricValue(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			metric := family.GetMetric()[0]
			return metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
