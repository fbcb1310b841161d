package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// clientHarness is a simulator with one app and a client of it.
type clientHarness struct {
	sim    *wechattest.Server
	app    *wechattest.App
	client *wechat.Client
	url    string
}

// newClientHarness starts a simulator; configure changes the client's configuration and may be nil.
func newClientHarness(t testing.TB, configure func(*wechat.Config)) *clientHarness {
	t.Helper()
	h := &clientHarness{sim: new(wechattest.Server)}
	h.app = h.addApp(t, "wxsim0000000000000001")
	server := httptest.NewServer(h.sim)
	t.Cleanup(server.Close)
	h.url = server.URL
	h.client = h.newClient(t, configure)
	return h
}

func (h *clientHarness) addApp(t testing.TB, id wechat.AppID) *wechattest.App {
	t.Helper()
	app, err := h.sim.AddApp(wechat.App{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func (h *clientHarness) newClient(t testing.TB, configure func(*wechat.Config)) *wechat.Client {
	t.Helper()
	config := wechat.Config{BaseURL: h.url, RetryDelay: func() time.Duration { return 0 }}
	if configure != nil {
		configure(&config)
	}
	return newClient(t, config)
}

func newClient(t testing.TB, config wechat.Config) *wechat.Client {
	t.Helper()
	client, err := wechat.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// login sends one code2Session call with a new code and also returns the code.
func (h *clientHarness) login(t testing.TB, user string) (wechat.Session, string, error) {
	t.Helper()
	code := h.app.Login(user)
	session, err := h.client.Code2Session(t.Context(), h.app.Credential(), code)
	return session, code, err
}

// respondingWith returns a client of a server with one fixed response.
func respondingWith(t *testing.T, status int, contentType, body string) *wechat.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/cgi-bin/stable_token" {
			_, _ = io.WriteString(w, `{"access_token":"28_2Bax","expires_in":7200}`)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return newClient(t, wechat.Config{BaseURL: server.URL, RetryDelay: func() time.Duration { return 0 }})
}

// fixedApp returns an app for servers that ignore it.
func fixedApp() wechat.App { return wechat.App{ID: "wxsimFixed", Secret: "some-app-secret"} }

// wantClass fails unless err is an *Error of the class.
func wantClass(t *testing.T, err error, class wechat.Class) *wechat.Error {
	t.Helper()
	var failure *wechat.Error
	if !errors.As(err, &failure) {
		t.Fatalf("err = %v, want a *wechat.Error of class %v", err, class)
	}
	if failure.Class != class {
		t.Fatalf("class = %v (%v), want %v", failure.Class, err, class)
	}
	return failure
}

func wantSent(t *testing.T, sim *wechattest.Server, code string, times int) {
	t.Helper()
	if n := sim.TimesSent(code); n != times {
		t.Errorf("the code was sent %d times, want %d", n, times)
	}
}

// clock is a clock that tests set forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time           { return time.Unix(1_700_000_000, c.ahead.Load()).UTC() }
func (c *clock) Advance(by time.Duration) { c.ahead.Add(int64(by)) }

// dialer dials, counts, and passes each connection to wrap, which may be nil.
type dialer struct {
	wrap func(nth int, conn net.Conn) (net.Conn, error)

	mu    sync.Mutex
	dials int
}

func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	d.dials++
	nth := d.dials
	d.mu.Unlock()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || d.wrap == nil {
		return conn, err
	}
	return d.wrap(nth, conn)
}

func (d *dialer) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials
}

func TestNew_RejectsInvalidConfig(t *testing.T) {
	for name, config := range map[string]wechat.Config{
		"another scheme":     {BaseURL: "ftp://api.weixin.qq.com"},
		"no host":            {BaseURL: "https://"},
		"a path":             {BaseURL: "https://api.weixin.qq.com/sns"},
		"a query":            {BaseURL: "https://api.weixin.qq.com?x=1"},
		"credentials":        {BaseURL: "https://user:password@api.weixin.qq.com"},
		"no URL":             {BaseURL: "://"},
		"a negative limit":   {MaxConcurrent: -1},
		"a negative timeout": {Timeout: -time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := wechat.New(config); err == nil {
				t.Error("New accepted it")
			}
		})
	}
}

func TestNew_ZeroConfigUsesWeChat(t *testing.T) {
	if _, err := wechat.New(wechat.Config{}); err != nil {
		t.Fatal(err)
	}
}

func TestObserve_ReceivesEveryAttempt(t *testing.T) {
	var seen []string
	h := newClientHarness(t, func(c *wechat.Config) {
		c.Observe = func(o wechat.Observation) { seen = append(seen, fmt.Sprintf("%s %s %d", o.API, o.Outcome, o.Code)) }
	})
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: -1})
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.Code2Session(t.Context(), h.app.Credential(), "unknown"); err == nil {
		t.Fatal("an unknown code logged in")
	}
	want := []string{"code2Session busy -1", "code2Session ok 0", "code2Session code 40029"}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("observed %q, want %q", seen, want)
	}
}
