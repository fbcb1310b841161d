package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat/wechattest"
)

// setClock sets the clock ahead of the right time.
func (s *cliHarness) setClock(ahead time.Duration) {
	s.Now = func() time.Time { return time.Now().Add(ahead) }
}

// tokenStatus requests an access token of a service and returns the status of the response.
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
		s := newCLI(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
		s.setClock(ahead)
		s.startServer(t).stop(t)
		client := s.runJSON(t, "client", "create", "--kind", "service")
		s.setClock(0)
		// doctor reports the fault, with the remedy to start a server.
		said := diagnose(t, s, true)["keys of default"]
		if !strings.HasPrefix(said, "warn ") || !strings.Contains(said, "Start a server of this store") {
			t.Errorf("%v ahead: doctor says %q", ahead, said)
		}
		running := s.startServer(t)
		if status := tokenStatus(t, running.url, client); status != http.StatusOK {
			t.Errorf("%v ahead: token request: %d\n%s", ahead, status, running.err)
		}
		if code, body := get(t, running.adminURL+"/readyz"); code != http.StatusOK {
			t.Errorf("%v ahead: /readyz: %d %s", ahead, code, body)
		}
		for _, algorithm := range []string{"RS256", "ES256"} {
			waitFor(t, running.err, `"keys: step of rotation" directory=default algorithm=`+algorithm)
		}
		running.stop(t)
		if said := diagnose(t, s, true)["keys of default"]; !strings.HasPrefix(said, "ok ") {
			t.Errorf("%v ahead: after the advice doctor says %q", ahead, said)
		}
	}
}

func TestKeysRevoke_ReplacesTheKeyOfARunningServer(t *testing.T) {
	s := newCLIWithStore(t)
	running := s.startServer(t)
	leaked := signingKID(t, s, "RS256")
	active := s.runJSON(t, "keys", "revoke", "--kid="+leaked)
	if active["state"] != "active" || active["algorithm"] != "RS256" || active["kid"] == leaked {
		t.Errorf("%v", active)
	}
	s.mustFail(t, exitFailed, []string{leaked, "does not exist"}, "keys", "revoke", "--kid="+leaked)
	s.mustFail(t, exitUsage, []string{"--kid is missing"}, "keys", "revoke")
	next := s.runJSON(t, "keys", "rotate", "--alg", "RS256", "--now")
	if next["state"] != "active" || next["kid"] != signingKID(t, s, "RS256") || next["kid"] == active["kid"] {
		t.Errorf("%v", next)
	}
	running.stop(t)
}

// signingKID returns the ID of the active key of an algorithm.
func signingKID(t *testing.T, s *cliHarness, algorithm string) string {
	t.Helper()
	listed, _ := s.runJSON(t, "keys", "list")["items"].([]any)
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

func TestServe_WarnsOfAStoreWrittenInTheFuture(t *testing.T) {
	s := newCLIWithStore(t)
	s.setClock(-8 * time.Hour)
	if said := diagnoseUnchecked(t, s)["store times"]; !strings.HasPrefix(said, "warn ") || !strings.Contains(said, "in the future") {
		t.Errorf("doctor says %q", said)
	}
	running := s.startServer(t)
	if !strings.Contains(running.err.String(), "the store was last written in the future") {
		t.Errorf("logged\n%s", running.err)
	}
	running.stop(t)
}
