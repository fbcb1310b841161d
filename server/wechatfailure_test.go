package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// replaceableWeChat is a replacement of WeChat: the simulator unless another handler is set.
type replaceableWeChat struct {
	*testServer
	answer atomic.Pointer[http.HandlerFunc]
	calls  atomic.Int64
}

// newReplaceableWeChat returns a test server whose WeChat can be replaced, with short timeouts.
func newReplaceableWeChat(t *testing.T, edit func(*wechat.Config)) *replaceableWeChat {
	t.Helper()
	ts := newTestServer(t)
	u := &replaceableWeChat{testServer: ts}
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		u.calls.Add(1)
		if answer := u.answer.Load(); answer != nil {
			(*answer)(rw, r)
			return
		}
		ts.sim.ServeHTTP(rw, r)
	}))
	t.Cleanup(api.Close)
	config := wechat.Config{
		BaseURL: api.URL, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }, Now: ts.clock.Now,
		RetryDelay: func() time.Duration { return 0 }, Timeout: 3 * time.Second, ConnectTimeout: 3 * time.Second,
	}
	if edit != nil {
		edit(&config)
	}
	client := must(wechat.New(config))(t)
	t.Cleanup(client.CloseIdleConnections)
	ts.config.WeChat, ts.config.WeChatTimeout = client, config.Timeout
	listener := httptest.NewUnstartedServer(nil)
	ts.url = "http://" + listener.Listener.Addr().String()
	ts.config.PublicURL = ts.url
	ts.server = must(server.New(ts.config))(t)
	listener.Config.Handler = ts.server
	listener.Start()
	t.Cleanup(listener.Close)
	return u
}

// respondWith sets the handler from now on; nil is the simulator.
func (u *replaceableWeChat) respondWith(answer http.HandlerFunc) {
	if answer == nil {
		u.answer.Store(nil)
		return
	}
	u.answer.Store(&answer)
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// respondPartially begins a response and continues with then.
func respondPartially(then func(*http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"session_key":"nzo`)
		_ = http.NewResponseController(w).Flush()
		then(r)
	}
}

func hang(r *http.Request) { <-r.Context().Done() }

func abort(*http.Request) { panic(http.ErrAbortHandler) }

// An unusable response leaves the code in doubt. The mini-program has to get a new one: at once where WeChat responds, and
// within the timeout where it does not.
func TestWeChatFailure_AsksForNewCode(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"HTML with status 200":      respond(200, "<html>sign in to the hotel's network</html>"),
		"an error page":             respond(502, "<html>502 Bad Gateway</html>"),
		"numbers for texts":         respond(200, `{"openid":12,"session_key":true}`),
		"a list":                    respond(200, `["openid"]`),
		"nothing":                   respond(200, ""),
		"an empty OpenID":           respond(200, `{"openid":"","session_key":"k"}`),
		"a megabyte":                respond(200, `{"openid":"o","x":"`+strings.Repeat("x", 1<<20)+`"}`),
		"silence":                   func(_ http.ResponseWriter, r *http.Request) { hang(r) },
		"half a body, then silence": respondPartially(hang),
		"half a body, then a reset": respondPartially(abort),
		"a reset":                   func(_ http.ResponseWriter, r *http.Request) { abort(r) },
	} {
		for door, open := range loginEndpoints() {
			t.Run(name+" at "+door, func(t *testing.T) {
				t.Parallel()
				u := newReplaceableWeChat(t, nil)
				u.respondWith(answer)
				a := open(u.testServer, u.app("mini").Login("alice"))
				if a.status != http.StatusBadRequest || a.member("error") != "invalid_request" || a.member("reason") != "new_code" {
					t.Errorf("got %d %s", a.status, a.raw)
				}
				if users, made := list[storage.User](u.testServer), list[storage.Grant](u.testServer); len(users)+len(made) != 0 {
					t.Errorf("it created %d users and %d grants", len(users), len(made))
				}
				u.respondWith(nil)
				if a := open(u.testServer, u.app("mini").Login("alice")); a.status != http.StatusOK {
					t.Errorf("afterwards: got %d %s", a.status, a.raw)
				}
			})
		}
	}
}

// The breaker opens at every endpoint, returns Retry-After without a call to WeChat, and closes again.
func TestBreaker_OpensAndCloses(t *testing.T) {
	for door, open := range loginEndpoints() {
		t.Run(door, func(t *testing.T) {
			u := newReplaceableWeChat(t, func(c *wechat.Config) { c.BreakerFailures, c.BreakerOpen = 3, 10*time.Second })
			login := func() response { return open(u.testServer, u.app("mini").Login("alice")) }
			known := u.login("mini", "bob")
			u.respondWith(respond(502, "<html></html>"))
			for range 3 {
				login()
			}
			asked := u.calls.Load()
			a := login()
			if a.status != http.StatusServiceUnavailable || a.member("error") != "temporarily_unavailable" || a.member("reason") != "retry" || a.header.Get("Retry-After") == "" {
				t.Errorf("open: got %d %s, Retry-After %s", a.status, a.raw, a.header.Get("Retry-After"))
			}
			if u.calls.Load() != asked {
				t.Error("an open breaker called WeChat")
			}
			if a := u.refresh("mini", known.member("refresh_token")); a.status != http.StatusOK {
				t.Errorf("a refresh meanwhile: got %d %s", a.status, a.raw)
			}
			// A failed probe opens it again, and a successful one closes it.
			u.clock.Advance(10 * time.Second)
			if a := login(); a.member("reason") != "new_code" {
				t.Errorf("the probe: got %d %s", a.status, a.raw)
			}
			if a := login(); a.status != http.StatusServiceUnavailable {
				t.Errorf("after a failed probe: got %d %s", a.status, a.raw)
			}
			u.respondWith(nil)
			u.clock.Advance(10 * time.Second)
			for range 3 {
				if a := login(); a.status != http.StatusOK {
					t.Errorf("after WeChat is back: got %d %s", a.status, a.raw)
				}
			}
		})
	}
}

// A code that was rejected because the breaker was open was never sent, and is valid when it closes.
func TestBreaker_LeavesCodeUnspent(t *testing.T) {
	u := newReplaceableWeChat(t, func(c *wechat.Config) { c.BreakerFailures, c.BreakerOpen = 1, time.Second })
	u.respondWith(respond(502, ""))
	u.exchange("mini", u.app("mini").Login("alice"))
	u.respondWith(nil)
	code := u.app("mini").Login("alice")
	if a := u.exchange("mini", code); a.status != http.StatusServiceUnavailable {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	u.clock.Advance(time.Second)
	if a := u.exchange("mini", code); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

// The operator changes the AppSecret at WeChat, and then here: logins of the running server fail and work again.
func TestAppSecret_ChangeTakesEffectWithoutRestart(t *testing.T) {
	for door, open := range loginEndpoints() {
		t.Run(door, func(t *testing.T) {
			ts := newTestServer(t)
			ts.login("mini", "alice")
			ts.app("mini").SetSecret("another-secret")
			if a := open(ts, ts.app("mini").Login("alice")); a.status != http.StatusInternalServerError || a.member("reason") != "misconfigured" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			ts.change("mini", func(c *storage.Client) { c.Federation.AppSecret = ts.sealSecret("default", "mini", "another-secret") })
			if a := open(ts, ts.app("mini").Login("alice")); a.status != http.StatusOK {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
}

// One AppID that hangs uses up its own share of calls and nothing else. The logins of other apps, its own other calls and
// everything without WeChat succeed while all its calls are in progress.
func TestBulkhead_HangingAppBlocksNoOther(t *testing.T) {
	const share = 4
	u := newReplaceableWeChat(t, func(c *wechat.Config) {
		c.MaxConcurrent, c.Timeout, c.ConnectTimeout = share, 5*time.Second, 500*time.Millisecond
	})
	u.addMiniProgram("other", func(*storage.Client) {})
	known := u.login("mini", "known")
	gate := wechattest.NewGate()
	u.app("mini").Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate, Times: -1})
	held := make(chan response, share)
	for range share {
		go func() { held <- u.exchange("mini", u.app("mini").Login("alice")) }()
	}
	for range share {
		<-gate.Arrived()
	}
	if a := u.exchange("mini", u.app("mini").Login("bob")); a.status != http.StatusServiceUnavailable || a.member("reason") != "retry" || a.header.Get("Retry-After") == "" {
		t.Errorf("one more than its share: got %d %s", a.status, a.raw)
	}
	for range 50 {
		if a := u.exchange("other", u.app("other").Login("carol")); a.status != http.StatusOK {
			t.Fatalf("the other AppID: got %d %s", a.status, a.raw)
		}
	}
	if a := u.refresh("mini", known.member("refresh_token")); a.status != http.StatusOK {
		t.Errorf("a refresh of its own: got %d %s", a.status, a.raw)
	}
	select {
	case a := <-held:
		t.Fatalf("a held login got a response: %d %s", a.status, a.raw)
	default:
	}
	gate.Open()
	for range share {
		if a := <-held; a.status != http.StatusOK {
			t.Errorf("a held login: got %d %s", a.status, a.raw)
		}
	}
}

func TestUnknownErrcode_IsNamedToTheClientAndLogged(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addMiniProgram("unknown", func(*storage.Client) {})
	app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 99999})
	a := ts.exchange("unknown", app.Login("alice"))
	description, _ := a.body["error_description"].(string)
	if a.status != http.StatusBadRequest || a.body["reason"] != "new_code" || !strings.Contains(description, "errcode 99999") || strings.Contains(description, "lost") {
		t.Errorf("got %d %v", a.status, a.body)
	}
	found := false
	for line := range strings.Lines(ts.log.String()) {
		found = found || strings.Contains(line, `"level":"WARN"`) && strings.Contains(line, `"errcode":99999,"class":"unknown","rid":"`) && strings.Contains(line, `"remedy":`)
	}
	if !found {
		t.Errorf("log: %s", ts.log.String())
	}
}
