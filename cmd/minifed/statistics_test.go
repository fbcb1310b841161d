package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat/wechattest"
)

func TestStatistics_SumSignInsCallsAndChecks(t *testing.T) {
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	s := newCLI(t)
	running := s.startServer(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
	mini := running.miniProgram(t, simulator)
	for _, name := range []string{"alice", "bob"} {
		if status, answer, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login(name)}}); err != nil || status != http.StatusOK {
			t.Fatalf("%d %v, error %v", status, answer, err)
		}
	}
	running.stop(t)
	has := func(want string, args ...string) {
		t.Helper()
		if got := strings.Join(strings.Fields(s.run(t, args...)), " "); !strings.Contains(got, want) {
			t.Errorf("%q does not have %q: %s", args, want, got)
		}
	}
	has("default mini-program success 2", "statistics")
	has("store success", "statistics", "--since", "1h")
	has("wechat success 2", "statistics", "--method", "wechat")
	has(`"count": 2`, "statistics", "--directory", "default", "--outcome", "success", "--output", "json")
	has(`"items": []`, "statistics", "--until", "2020-01-31", "--output", "json")
	s.mustFail(t, exitFailed, []string{"--since must be before --until"}, "statistics", "--until", "2h", "--since", "1h")
	has("store ok", "health")
	has(`"signers": []`, "health", "--output", "json")
}
