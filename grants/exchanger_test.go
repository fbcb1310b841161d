package grants_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/minifed/minifed/grants"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// simulated is a server whose exchanger calls the simulator of WeChat over HTTP.
type simulated struct {
	*server
	app    *wechattest.App
	api    *httptest.Server
	secret wechat.AppSecret // the configured AppSecret
}

func newSimulated(t *testing.T) *simulated {
	t.Helper()
	simulator := new(wechattest.Server)
	app, err := simulator.AddApp(wechat.App{ID: "wxsim0000000000000001", Secret: "right"})
	if err != nil {
		t.Fatal(err)
	}
	s := &simulated{app: app, api: httptest.NewServer(simulator), secret: "right"}
	t.Cleanup(s.api.Close)
	client, err := wechat.New(wechat.Config{BaseURL: s.api.URL, RetryDelay: func() time.Duration { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	s.server = newServer(t, func(server *server) {
		server.grant.Exchanger = grants.WeChatExchanger{Client: client, App: func(context.Context, fosite.Client) (wechat.App, error) {
			return wechat.App{ID: app.Credential().ID, Secret: s.secret}, nil
		}}
	})
	return s
}

func TestWeChatExchanger_SignsInWithSimulator(t *testing.T) {
	tests := []struct {
		name    string
		trouble func(*simulated)
		status  int
		reason  string
	}{
		{"all is well", func(*simulated) {}, 200, ""},
		{"busy once", func(s *simulated) { s.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: -1}) }, 200, ""},
		{"busy twice", func(s *simulated) { s.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: -1, Times: 2}) }, 503, "retry"},
		{"response lost after the code was spent", func(s *simulated) {
			s.app.Fail(wechattest.Code2Session, wechattest.Fault{Spend: true, Drop: wechattest.RST})
		}, 400, "new_code"},
		{"gateway in between fails", func(s *simulated) { s.app.Fail(wechattest.Code2Session, wechattest.Fault{Status: 502}) }, 400, "new_code"},
		{"over quota", func(s *simulated) { s.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 45011}) }, 429, "rate_limited"},
		{"user blocked", func(s *simulated) { s.app.Block("alice", true) }, 403, "blocked"},
		{"AppSecret changed at WeChat", func(s *simulated) { s.secret = "wrong" }, 500, "misconfigured"},
		{"nobody listens", func(s *simulated) { s.api.Close() }, 503, "retry"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSimulated(t)
			code := s.app.Login("alice")
			tt.trouble(s)
			got := s.post(t, t.Context(), exchange(code))
			if got.status != tt.status || got.member("reason") != tt.reason {
				t.Errorf("response is %d %s, want %d %s", got.status, got.text, tt.status, tt.reason)
			}
		})
	}
}

func TestWeChatExchanger_ClientWithoutMiniProgram(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		reason string
	}{
		"says so":                  {grants.Misconfigured(errors.New("no mini-program")), grants.ReasonMisconfigured},
		"fails with another error": {errors.New("no such table"), ""},
		"store is down":            {grants.Retry(errors.New("no primary")), grants.ReasonRetry},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(s *server) {
				s.grant.Exchanger = grants.WeChatExchanger{App: func(context.Context, fosite.Client) (wechat.App, error) {
					return wechat.App{}, tt.err
				}}
			})
			got := s.post(t, t.Context(), exchange("good"))
			if got.status == 200 || got.member("reason") != tt.reason {
				t.Errorf("response is %d %s, want reason %q", got.status, got.text, tt.reason)
			}
		})
	}
}
