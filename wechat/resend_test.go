package wechat_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

const rawSuccess = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\r\n{\"openid\":\"oAlice\"}"

// rawServer is an API host without an HTTP library: it counts the request heads, and respond handles the nth.
type rawServer struct {
	url  string
	mu   sync.Mutex
	seen []string
}

func newRawServer(t *testing.T, config *tls.Config, respond func(nth int, conn net.Conn) (goOn bool)) *rawServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{url: "http://" + listener.Addr().String()}
	if config != nil {
		listener = tls.NewListener(listener, config)
		s.url = "https://" + listener.Addr().String()
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn, respond)
		}
	}()
	return s
}

func (s *rawServer) serve(conn net.Conn, respond func(nth int, conn net.Conn) bool) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		head := new(strings.Builder)
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
		}
		s.mu.Lock()
		s.seen = append(s.seen, head.String())
		nth := len(s.seen)
		s.mu.Unlock()
		if !respond(nth, conn) {
			return
		}
	}
}

// times counts the requests that carried the code.
func (s *rawServer) times(code string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, head := range s.seen {
		if strings.Contains(head, "js_code="+code+"&") {
			n++
		}
	}
	return n
}

func reset(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// Go's own client would send the second code twice here: the connection is a reused one, it ends before the first byte of the
// response, and a GET counts as safe to repeat.
func TestResend_NotAfterKeepAliveConnectionDies(t *testing.T) {
	for name, kill := range map[string]func(net.Conn){
		"FIN": func(conn net.Conn) { conn.Close() },
		"RST": reset,
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(name+" over "+scheme, func(t *testing.T) {
				var server, client *tls.Config
				if scheme == "https" {
					server, client = certificates(t)
				}
				raw := newRawServer(t, server, func(nth int, conn net.Conn) bool {
					if nth == 2 {
						kill(conn)
						return false
					}
					_, err := io.WriteString(conn, rawSuccess)
					return err == nil
				})
				d := new(dialer)
				c := newClient(t, wechat.Config{BaseURL: raw.url, TLS: client, DialContext: d.DialContext})
				if _, err := c.Code2Session(t.Context(), fixedApp(), "first"); err != nil {
					t.Fatal(err)
				}
				_, err := c.Code2Session(t.Context(), fixedApp(), "second")
				wantClass(t, err, wechat.ClassAmbiguous)
				if n := raw.times("second"); n != 1 {
					t.Errorf("the code was sent %d times", n)
				}
				if d.count() != 1 {
					t.Errorf("%d connections: the second request did not use the kept-alive one, so this proves nothing", d.count())
				}
				if _, err := c.Code2Session(t.Context(), fixedApp(), "third"); err != nil {
					t.Errorf("the next login fails too: %v", err)
				}
			})
		}
	}
}

// certificates returns TLS configurations of a server and of a client that trusts it.
func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	helper := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(helper.Close)
	pool := x509.NewCertPool()
	pool.AddCert(helper.Certificate())
	return &tls.Config{Certificates: helper.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

func TestResend_NotAfterLostResponse(t *testing.T) {
	for name, fault := range map[string]wechattest.Fault{
		"connection closed after the code was spent": {Spend: true, Drop: wechattest.FIN},
		"connection reset after the code was spent":  {Spend: true, Drop: wechattest.RST},
		"connection closed before it was":            {Drop: wechattest.FIN},
		"connection closed in the response":          {Drop: wechattest.FIN, Truncate: true},
		"connection reset in the response":           {Drop: wechattest.RST, Truncate: true},
		"truncated JSON":                             {Truncate: true},
		"gateway error after the code was spent":     {Spend: true, Status: http.StatusBadGateway},
		"gateway error before it was":                {Status: http.StatusGatewayTimeout},
	} {
		for _, kept := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				h := newClientHarness(t, nil)
				if kept {
					if _, _, err := h.login(t, "bob"); err != nil {
						t.Fatal(err)
					}
				}
				h.app.Fail(wechattest.Code2Session, fault)
				_, code, err := h.login(t, "alice")
				wantClass(t, err, wechat.ClassAmbiguous)
				wantSent(t, h.sim, code, 1)
			})
		}
	}
}

func TestResend_NotAfterLateResponse(t *testing.T) {
	t.Parallel()
	h := newClientHarness(t, func(c *wechat.Config) { c.Timeout = time.Second })
	gate := wechattest.NewGate()
	t.Cleanup(gate.Open)
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Spend: true, Gate: gate})
	_, code, err := h.login(t, "alice")
	wantClass(t, err, wechat.ClassAmbiguous)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want a deadline", err)
	}
	wantSent(t, h.sim, code, 1)
}

func TestResend_NotAfterCancel(t *testing.T) {
	h := newClientHarness(t, nil)
	gate := wechattest.NewGate()
	t.Cleanup(gate.Open)
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
	ctx, hangUp := context.WithCancel(t.Context())
	code := h.app.Login("alice")
	go func() {
		<-gate.Arrived()
		hangUp()
	}()
	_, err := h.client.Code2Session(ctx, h.app.Credential(), code)
	wantClass(t, err, wechat.ClassAmbiguous)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want it to say that the caller canceled", err)
	}
	wantSent(t, h.sim, code, 1)
}

func TestConnections_AreReused(t *testing.T) {
	d := new(dialer)
	h := newClientHarness(t, func(c *wechat.Config) { c.DialContext = d.DialContext })
	for range 10 {
		if _, _, err := h.login(t, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	if d.count() != 1 {
		t.Errorf("10 logins took %d connections", d.count())
	}
}

func TestRequest_SendsOnlyNecessaryHeaders(t *testing.T) {
	raw := newRawServer(t, nil, func(_ int, conn net.Conn) bool {
		_, err := io.WriteString(conn, rawSuccess)
		return err == nil
	})
	c := newClient(t, wechat.Config{BaseURL: raw.url})
	if _, err := c.Code2Session(t.Context(), fixedApp(), "code"); err != nil {
		t.Fatal(err)
	}
	raw.mu.Lock()
	defer raw.mu.Unlock()
	head := raw.seen[0]
	if want := "GET /sns/jscode2session?appid=wxsimFixed&secret=some-app-secret&js_code=code&grant_type=authorization_code HTTP/1.1\r\n"; !strings.HasPrefix(head, want) {
		t.Errorf("request line %q", head)
	}
	for _, header := range []string{"Content-Length", "Transfer-Encoding", "Accept-Encoding", "Cookie"} {
		if strings.Contains(head, "\r\n"+header) {
			t.Errorf("a GET with %s: %q", header, head)
		}
	}
}

func TestResend_OnceAfterFailedConnect(t *testing.T) {
	t.Run("and works", func(t *testing.T) {
		d := &dialer{wrap: func(nth int, conn net.Conn) (net.Conn, error) {
			if nth == 1 {
				conn.Close()
				return nil, errors.New("no route to host")
			}
			return conn, nil
		}}
		h := newClientHarness(t, func(c *wechat.Config) { c.DialContext = d.DialContext })
		_, code, err := h.login(t, "alice")
		if err != nil {
			t.Fatal(err)
		}
		wantSent(t, h.sim, code, 1)
	})
	t.Run("and fails", func(t *testing.T) {
		d := &dialer{wrap: func(_ int, conn net.Conn) (net.Conn, error) {
			conn.Close()
			return nil, errors.New("no route to host")
		}}
		h := newClientHarness(t, func(c *wechat.Config) { c.DialContext = d.DialContext })
		_, code, err := h.login(t, "alice")
		wantClass(t, err, wechat.ClassUnsent)
		wantSent(t, h.sim, code, 0)
		if d.count() != 2 {
			t.Errorf("%d connections were tried, want 2", d.count())
		}
	})
}

func TestConnect_TimesOut(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c := newClient(t, wechat.Config{DialContext: hang, ConnectTimeout: 10 * time.Millisecond})
	_, err := c.Code2Session(t.Context(), fixedApp(), "code")
	wantClass(t, err, wechat.ClassUnsent)
}

// failingConn fails after so many writes: the next write accepts `takes` bytes and fails.
type failingConn struct {
	net.Conn
	writes atomic.Int32
	after  int32
	takes  int
}

func (c *failingConn) Write(p []byte) (int, error) {
	if c.writes.Add(1) <= c.after {
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.takes])
	return n, errors.New("write: broken pipe")
}

func TestResend_OnceAfterUnsentRequest(t *testing.T) {
	d := &dialer{wrap: func(nth int, conn net.Conn) (net.Conn, error) {
		if nth == 1 {
			return &failingConn{Conn: conn, after: 1}, nil
		}
		return conn, nil
	}}
	h := newClientHarness(t, func(c *wechat.Config) { c.DialContext = d.DialContext })
	if _, _, err := h.login(t, "alice"); err != nil {
		t.Fatal(err)
	}
	_, code, err := h.login(t, "alice")
	if err != nil {
		t.Fatal(err)
	}
	wantSent(t, h.sim, code, 1)
	if d.count() != 2 {
		t.Errorf("%d connections, want 2", d.count())
	}
}

func TestResend_NotAfterPartialWrite(t *testing.T) {
	d := &dialer{wrap: func(nth int, conn net.Conn) (net.Conn, error) {
		return &failingConn{Conn: conn, takes: 1}, nil
	}}
	h := newClientHarness(t, func(c *wechat.Config) { c.DialContext = d.DialContext })
	_, _, err := h.login(t, "alice")
	wantClass(t, err, wechat.ClassAmbiguous)
	if d.count() != 1 {
		t.Errorf("%d connections, want 1", d.count())
	}
}

// closeNoticed reports when the transport has noticed that the other side closed.
type closeNoticed struct {
	net.Conn
	noticed chan struct{}
	once    sync.Once
}

func (c *closeNoticed) Close() error {
	defer c.once.Do(func() { close(c.noticed) })
	return c.Conn.Close()
}

func TestConnections_ClosedIdleIsNotUsed(t *testing.T) {
	raw := newRawServer(t, nil, func(nth int, conn net.Conn) bool {
		_, err := io.WriteString(conn, rawSuccess)
		return err == nil && nth > 1
	})
	noticed := make(chan struct{})
	d := &dialer{wrap: func(nth int, conn net.Conn) (net.Conn, error) {
		if nth > 1 {
			return conn, nil
		}
		return &closeNoticed{Conn: conn, noticed: noticed}, nil
	}}
	c := newClient(t, wechat.Config{BaseURL: raw.url, DialContext: d.DialContext})
	if _, err := c.Code2Session(t.Context(), fixedApp(), "first"); err != nil {
		t.Fatal(err)
	}
	<-noticed
	if _, err := c.Code2Session(t.Context(), fixedApp(), "second"); err != nil {
		t.Fatal(err)
	}
	if n := raw.times("second"); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
}

func TestRetry_BusyIsRetriedOnce(t *testing.T) {
	busy := wechattest.Fault{Errcode: -1}
	spentBusy := wechattest.Fault{Errcode: -1, Spend: true}
	for name, row := range map[string]struct {
		faults []wechattest.Fault
		class  wechat.Class
		works  bool
	}{
		"and works":                              {faults: []wechattest.Fault{busy}, works: true},
		"and is -1 again":                        {faults: []wechattest.Fault{busy, busy, busy}, class: wechat.ClassBusy},
		"and the first call had spent the code":  {faults: []wechattest.Fault{spentBusy}, class: wechat.ClassAmbiguous},
		"and the code is unknown by then":        {faults: []wechattest.Fault{busy, {Errcode: 40029}}, class: wechat.ClassAmbiguous},
		"and the response is lost":               {faults: []wechattest.Fault{busy, {Spend: true, Drop: wechattest.FIN}}, class: wechat.ClassAmbiguous},
		"and another errcode counts as it does":  {faults: []wechattest.Fault{busy, {Errcode: 45011}}, class: wechat.ClassRate},
		"and so does a block":                    {faults: []wechattest.Fault{busy, {Errcode: 40226}}, class: wechat.ClassBlocked},
		"and -1 may be a string":                 {faults: []wechattest.Fault{{Errcode: -1, Quoted: true}}, works: true},
		"and a gateway error leaves it in doubt": {faults: []wechattest.Fault{busy, {Status: 502}}, class: wechat.ClassAmbiguous},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClientHarness(t, nil)
			h.app.Fail(wechattest.Code2Session, row.faults...)
			_, code, err := h.login(t, "alice")
			wantSent(t, h.sim, code, 2)
			if row.works {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantClass(t, err, row.class)
			if errors.Is(err, wechat.ErrCodeUsed) {
				t.Error("it looks as if another instance had used the code")
			}
		})
	}
}

func TestRetry_EndsWithContext(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	h := newClientHarness(t, func(c *wechat.Config) {
		c.RetryDelay = func() time.Duration {
			hangUp()
			return time.Hour
		}
	})
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: -1})
	code := h.app.Login("alice")
	_, err := h.client.Code2Session(ctx, h.app.Credential(), code)
	wantClass(t, err, wechat.ClassBusy)
	wantSent(t, h.sim, code, 1)
}

func TestRetry_UnsentReturnsFirstError(t *testing.T) {
	d := &dialer{wrap: func(nth int, conn net.Conn) (net.Conn, error) {
		if nth > 1 {
			conn.Close()
			return nil, errors.New("no route to host")
		}
		return &failingConn{Conn: conn, after: 1}, nil
	}}
	h := newClientHarness(t, func(c *wechat.Config) { c.DialContext = d.DialContext })
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: -1})
	_, code, err := h.login(t, "alice")
	wantClass(t, err, wechat.ClassBusy)
	wantSent(t, h.sim, code, 1)
}

func TestTLS_UntrustedCertificateGetsNoSecret(t *testing.T) {
	server, _ := certificates(t)
	raw := newRawServer(t, server, func(int, net.Conn) bool { return false })
	c := newClient(t, wechat.Config{BaseURL: raw.url})
	_, err := c.Code2Session(t.Context(), fixedApp(), "code")
	wantClass(t, err, wechat.ClassUnsent)
	if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("err = %v, want it to name the certificate", err)
	}
}

func TestProxy_ForwardsCalls(t *testing.T) {
	h := newClientHarness(t, nil)
	var through atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		h.sim.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, wechat.Config{BaseURL: "http://api.weixin.invalid", Proxy: http.ProxyURL(address)})
	if _, err := c.Code2Session(t.Context(), h.app.Credential(), h.app.Login("alice")); err != nil {
		t.Fatal(err)
	}
	if through.Load() != 1 {
		t.Errorf("%d requests went through the proxy", through.Load())
	}
}

func TestProxy_RejectingConnectGetsNoSecret(t *testing.T) {
	proxy := newRawServer(t, nil, func(_ int, conn net.Conn) bool {
		_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return false
	})
	address, err := url.Parse(proxy.url)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, wechat.Config{Proxy: http.ProxyURL(address)})
	_, err = c.Code2Session(t.Context(), fixedApp(), "code")
	wantClass(t, err, wechat.ClassUnsent)
	if proxy.times("code") != 0 {
		t.Error("the proxy saw the code")
	}
}
