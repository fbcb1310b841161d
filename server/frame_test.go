package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/html"

	"github.com/minifed/minifed/server"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// withConfig replaces the server by one whose configuration was edited.
func (ts *testServer) withConfig(edit func(*server.Config)) *testServer {
	ts.Helper()
	other := *ts
	edit(&other.config)
	other.server = must(server.New(other.config))(ts.T)
	listener := httptest.NewServer(other.leakChecker.wrap(other.server))
	ts.Cleanup(listener.Close)
	other.url = listener.URL
	return &other
}

// panickingWeChat is a WeChat client with a bug. Its panic value has what must not be shown.
type panickingWeChat struct{ server.WeChat }

func (panickingWeChat) Code2Session(_ context.Context, _ wechat.App, code string) (wechat.Session, error) {
	panic("bug with code " + code)
}

func TestRecoverPanic_HidesTextAndServesNextRequest(t *testing.T) {
	ts := newTestServer(t)
	broken := ts.withConfig(func(c *server.Config) { c.WeChat = panickingWeChat{c.WeChat} })
	code := ts.app("mini").Login("alice")
	a := broken.exchange("mini", code)
	if a.status != http.StatusInternalServerError || a.member("error") != "server_error" || a.member("request_id") == "" {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	if strings.Contains(a.raw, "bug") || strings.Contains(ts.log.String(), code) {
		t.Errorf("the panic's text got out: %s", a.raw)
	}
	if !strings.Contains(ts.log.String(), `"msg":"panic"`) {
		t.Error("the log has no line for the operator")
	}
	if got := broken.exchange("mini", code); got.status != http.StatusInternalServerError {
		t.Errorf("the repeat hangs or worse: %d", got.status)
	}
	if got := broken.get(broken.url + "/oauth2/jwks"); got.status != http.StatusOK {
		t.Errorf("got %d", got.status)
	}
}

func TestRecoverPanic_ShowsErrorPage(t *testing.T) {
	ts := newPageTestServer(t)
	ts.addDirectory(teaDirectory())
	b := ts.newFormBrowser()
	b.get(ts.url + "/d/tea/login")
	ts.engine.Before = func(context.Context, storagetest.Operation) error { panic("bug with " + goodPassword) }
	b.signInAs("wanda")
	b.wantAt(t, "/d/tea/login", http.StatusInternalServerError, "Something went wrong")
	id := b.page.header.Get("X-Request-Id")
	if kind := b.page.header.Get("Content-Type"); kind != "text/html; charset=utf-8" || id == "" || !strings.Contains(textOf(b.document()), id) {
		t.Errorf("%s of request %q", kind, id)
	}
	if link := findElements(b.document(), func(n *html.Node) bool { return attribute(n, "hreflang") == "zh-CN" }); len(link) != 1 || !strings.HasPrefix(attribute(link[0], "href"), "/d/tea/login?") {
		t.Error("the page has no request ID")
	}
	if log := ts.log.String(); strings.Count(log, `"msg":"panic"`) != 1 || strings.Contains(log, goodPassword) {
		t.Errorf("the operator reads %s", log)
	}
}

func TestTrustedProxy_OnlyItSetsRequestIDAndClientIP(t *testing.T) {
	ts := newTestServer(t)
	ask := func(ts *testServer, headers ...string) (response, string) {
		a := ts.get(ts.url+"/nothing", headers...)
		return a, ts.logLine(a.member("request_id"))
	}
	given := []string{"X-Request-Id", "from-outside", "X-Forwarded-For", "203.0.113.9, 198.51.100.7, 127.0.0.2"}
	if a, line := ask(ts, given...); a.member("request_id") == "from-outside" || !strings.Contains(line, `"remote":"127.0.0.1"`) {
		t.Errorf("an untrusted caller was believed: %s", line)
	}
	proxied := ts.withConfig(func(c *server.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	if a, line := ask(proxied, given...); a.member("request_id") != "from-outside" || a.header.Get("X-Request-Id") != "from-outside" || !strings.Contains(line, `"remote":"198.51.100.7"`) {
		t.Errorf("the proxy was not believed: %s", line)
	}
	for forwarded, want := range map[string]string{
		"2001:db8::1, 127.0.0.2": "2001:db8::1", "203.0.113.9:4711": "203.0.113.9", "[2001:db8::1]:4711": "2001:db8::1", "[2001:db8::1]": "2001:db8::1",
		"::ffff:203.0.113.9": "203.0.113.9", "203.0.113.9, unknown": "127.0.0.1", "127.0.0.3, 127.0.0.2": "127.0.0.3", "": "127.0.0.1",
	} {
		if _, line := ask(proxied, "X-Forwarded-For", forwarded); !strings.Contains(line, `"remote":"`+want+`"`) {
			t.Errorf("X-Forwarded-For %q: %s", forwarded, line)
		}
	}
	for _, bad := range []string{"", "a b", strings.Repeat("x", 65), "é"} {
		if a, _ := ask(proxied, "X-Request-Id", bad); a.member("request_id") == bad || len(a.member("request_id")) != 22 {
			t.Errorf("%q became %q", bad, a.member("request_id"))
		}
	}
}

func TestResponses_HaveSecurityHeaders(t *testing.T) {
	ts := newTestServer(t)
	for _, path := range []string{"/oauth2/jwks", "/oauth2/userinfo", "/nothing"} {
		a := ts.get(ts.url + path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": "",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
	secure := ts.withConfig(func(c *server.Config) { c.PublicURL = "https://id.example" })
	if got := secure.get(secure.url + "/oauth2/jwks").header.Get("Strict-Transport-Security"); got == "" {
		t.Error("no HSTS under https")
	}
}

func TestNew_ReportsEveryConfigurationProblem(t *testing.T) {
	_, err := server.New(server.Config{PublicURL: "http://id.example", WeChatTimeout: -1})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"Engine", "Keys", "Secrets", "Master", "WeChat", "Now", "Rand", "Logger", "DefaultDirectory", "PublicURL must be https", "RequestTimeout"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not named: %v", part, err)
		}
	}
}

func TestMetrics_CountRequests(t *testing.T) {
	ts := newTestServer(t)
	registry := prometheus.NewRegistry()
	counted := ts.withConfig(func(c *server.Config) { c.Metrics = registry })
	counted.login("mini", "alice")
	counted.exchange("mini", "unknown")
	counted.post("mini", "/oauth2/token", url.Values{"grant_type": {"urn:something:new"}})
	counted.get(counted.url + "/nothing")
	must(http.Head(counted.url + "/oauth2/authorize"))(t).Body.Close()
	got := map[string]float64{}
	for _, family := range must(registry.Gather())(t) {
		for _, metric := range family.GetMetric() {
			labels := []string{}
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			got[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = metric.GetCounter().GetValue()
		}
	}
	const grant = "urn:ietf:params:oauth:grant-type:token-exchange"
	for _, want := range []string{
		"minifed_requests_total{endpoint=token,error=,grant=" + grant + ",status=200}",
		"minifed_requests_total{endpoint=token,error=invalid_request,grant=" + grant + ",status=400}",
		"minifed_requests_total{endpoint=token,error=unsupported_grant_type,grant=,status=400}",
		"minifed_requests_total{endpoint=none,error=invalid_request,grant=,status=404}",
		"minifed_requests_total{endpoint=authorize,error=,grant=,status=200}",
	} {
		if got[want] != 1 {
			t.Errorf("%s is %v; there are %v", want, got[want], got)
		}
	}
	if _, err := server.New(counted.config); err == nil {
		t.Error("the same collectors were registered twice")
	}
}

func TestLog_HasNoSecretsOrPersonalData(t *testing.T) {
	ts := newTestServer(t)
	app := ts.addBinder()
	secrets := map[string]string{"client secret": secretOfMini, "AppSecret": string(app.Credential().Secret), "AppSecret of mini": string(ts.app("mini").Credential().Secret)}
	number := ts.sim.Phone("alice")
	secrets["phone number"] = number.PureNumber
	for _, user := range []string{"alice", "bob"} {
		secrets["OpenID of "+user] = string(app.OpenID(user))
		secrets["OpenID of "+user+" at mini"] = string(ts.app("mini").OpenID(user))
	}
	keep := func(name string, a response) response {
		for _, member := range []string{"access_token", "id_token", "refresh_token", "bind_ticket"} {
			if value := a.member(member); value != "" {
				secrets[name+" "+member] = value
			}
		}
		return a
	}
	code := func(user string) string {
		c := ts.app("mini").Login(user)
		secrets["code "+c] = c
		return c
	}
	// 1. Requests that succeed.
	a := keep("login", ts.exchange("mini", code("alice"), "phone_code", ts.app("mini").TapPhone("alice")))
	keep("refresh", ts.refresh("mini", a.member("refresh_token")))
	ts.userinfo(a.member("access_token"))
	binderCode := app.Login("bob")
	secrets["binder code"] = binderCode
	ticket := keep("pending", ts.exchange("binder", binderCode)).member("bind_ticket")
	keep("bound", ts.bindUser("binder", map[string]any{"method": "register", "bind_ticket": ticket, "user": map[string]any{"nickname": "Bobby Secretname"}}))
	secrets["nickname"] = "Secretname"
	// 2. Requests that fail, for every reason.
	ts.exchange("mini", code("alice"), "scope", "everything")
	ts.refresh("mini", a.member("access_token"))
	ts.userinfo(a.member("refresh_token"))
	ts.exchange("nobody", code("alice"))
	ts.send("/oauth2/token?subject_token="+code("alice"), "x=%zz")
	ts.send("/oauth2/token", "subject_token=%zz"+code("alice"))
	ts.postJSON("mini", profilePath, `{"code":`+code("alice"))
	for _, fault := range []wechattest.Fault{{Errcode: -1, Times: 2}, {Errcode: 40013}, {Drop: wechattest.FIN, Spend: true}, {Status: 502}, {Truncate: true}} {
		ts.app("mini").Fail(wechattest.Code2Session, fault)
		ts.exchange("mini", code("bob"))
	}
	for _, misplaced := range []string{a.member("access_token"), a.member("refresh_token"), secretOfMini, code("alice"), "+86" + number.PureNumber, string(app.OpenID("alice"))} {
		for _, name := range []string{"grant_type", "client_id", "scope", "audience", "resource", "subject_token_type", "token_type_hint", "method", "response_type"} {
			form := exchangeForm("0123456789abcdef0123456789abcdef", name, misplaced)
			form[name] = []string{misplaced}
			for _, path := range []string{"/oauth2/token", "/oauth2/revoke", profilePath} {
				ts.post("mini", path, form)
			}
		}
	}
	ts.withConfig(func(c *server.Config) { c.WeChat = panickingWeChat{c.WeChat} }).exchange("mini", code("bob"))
	for _, failure := range []error{storage.ErrUnavailable, storage.ErrNewerVersion, errors.New("some driver's error")} {
		ts.engine.Before = func(_ context.Context, o storagetest.Operation) error {
			if o.Kind == storage.KindGrant || o.Kind == storage.KindIdentity {
				return failure
			}
			return nil
		}
		ts.exchange("mini", code("alice"))
		ts.refresh("mini", a.member("refresh_token"))
		ts.userinfo(a.member("access_token"))
	}
	ts.engine.Before = nil
	ts.get(ts.url + "/oauth2/userinfo?access_token=" + a.member("access_token"))
	// 3. None of it is in the log, in any encoding.
	log := ts.log.String()
	for name, secret := range secrets {
		for spelling, text := range map[string]string{
			"plain": secret, "URL-encoded": url.QueryEscape(secret), "base64": base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			if strings.Contains(log, text) {
				t.Errorf("%s, %s, is in the log", name, spelling)
			}
		}
	}
	if !strings.Contains(log, `"grant_type"`) || !strings.Contains(log, `"client":"mini"`) {
		t.Error("the log has nothing useful")
	}
}

func TestLog_DistinguishesRejectionsFromFailures(t *testing.T) {
	ts := newTestServer(t)
	for _, row := range []struct {
		answer response
		level  slog.Level
	}{
		{ts.exchange("mini", "unknown"), slog.LevelInfo},
		{ts.loginWithFault(wechattest.Fault{Errcode: -1, Times: 2}), slog.LevelWarn},
		{ts.loginWithFault(wechattest.Fault{Errcode: 40013}), slog.LevelError},
	} {
		if line := ts.logLine(row.answer.member("request_id")); !strings.Contains(line, `"level":"`+row.level.String()+`"`) {
			t.Errorf("%d: %s", row.answer.status, line)
		}
	}
}

func (ts *testServer) loginWithFault(fault wechattest.Fault) response {
	ts.Helper()
	ts.app("mini").Fail(wechattest.Code2Session, fault)
	return ts.exchange("mini", ts.app("mini").Login("alice"))
}
