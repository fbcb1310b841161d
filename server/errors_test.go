package server_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/audit/audittest"
	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat/wechattest"
)

// loginEndpoints returns the three ways to sign a mini-program user in. Every failure looks the same at each.
func loginEndpoints() map[string]func(ts *testServer, code string, further ...string) response {
	return map[string]func(ts *testServer, code string, further ...string) response{
		"token exchange": func(ts *testServer, code string, further ...string) response {
			return ts.exchange("mini", code, further...)
		},
		"profile": func(ts *testServer, code string, further ...string) response {
			return ts.postJSON("mini", "/federation/wechat/miniapp/profile", jsonOf("code", code, further))
		},
		"bindUser": func(ts *testServer, code string, further ...string) response {
			return ts.postJSON("mini", "/federation/wechat/miniapp/bindUser", jsonOf("method", "register", append([]string{"code", code}, further...)))
		},
	}
}

func jsonOf(name, value string, further []string) map[string]any {
	body := map[string]any{name: value}
	for i := 0; i < len(further); i += 2 {
		body[further[i]] = further[i+1]
	}
	return body
}

func TestLoginEndpoints_ReturnTheSameErrors(t *testing.T) {
	for _, row := range []struct {
		cause      string
		arrange    func(ts *testServer, app *wechattest.App) (code string)
		further    []string
		status     int
		code       string
		reason     string
		retryAfter bool
		logged     []string
	}{
		{
			cause:   "the code is malformed",
			arrange: func(*testServer, *wechattest.App) string { return strings.Repeat("x", 600) },
			status:  400, code: "invalid_request", reason: "new_code",
		},
		{
			cause:   "the code is the developer tools' mock",
			arrange: func(*testServer, *wechattest.App) string { return "the code is a mock one" },
			status:  400, code: "invalid_request", reason: "new_code",
		},
		{
			cause:   "the code is unknown",
			arrange: func(*testServer, *wechattest.App) string { return "0123456789abcdef0123456789abcdef" },
			status:  400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "the code has expired",
			arrange: func(ts *testServer, app *wechattest.App) string {
				code := app.Login("alice")
				ts.sim.Advance(6 * time.Minute)
				return code
			},
			status: 400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "the code was used too long ago",
			arrange: func(ts *testServer, app *wechattest.App) string {
				code := app.Login("alice")
				for _, door := range loginEndpoints() {
					door(ts, code)
				}
				ts.clock.Advance(61 * time.Second)
				return code
			},
			status: 400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "the code was used by somebody else",
			arrange: func(ts *testServer, app *wechattest.App) string {
				code := app.Login("alice")
				must(ts.wechat.Code2Session(ts.Context(), app.Credential(), code))(ts.T)
				return code
			},
			status: 400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "WeChat's answer was lost",
			arrange: func(_ *testServer, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Drop: wechattest.FIN, Spend: true})
				return app.Login("alice")
			},
			status: 400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "the repeat asks for something else",
			arrange: func(ts *testServer, app *wechattest.App) string {
				code := app.Login("alice")
				ts.exchange("mini", code, "scope", "openid")
				return code
			},
			further: []string{"scope", "openid profile"},
			status:  400, code: "invalid_request", reason: "repeat_differs",
		},
		{
			cause: "the user is disabled",
			arrange: func(ts *testServer, app *wechattest.App) string {
				ts.disable(ts.sub(ts.exchange("mini", app.Login("alice"))))
				return app.Login("alice")
			},
			status: 403, code: "access_denied", reason: "user_disabled",
		},
		{
			cause: "WeChat blocked the user",
			arrange: func(_ *testServer, app *wechattest.App) string {
				app.Block("alice", true)
				return app.Login("alice")
			},
			status: 403, code: "access_denied", reason: "blocked",
		},
		{
			cause: "WeChat is busy twice",
			arrange: func(_ *testServer, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: -1, Times: 2})
				return app.Login("alice")
			},
			status: 503, code: "temporarily_unavailable", reason: "retry", retryAfter: true,
		},
		{
			cause: "the quota is used up",
			arrange: func(_ *testServer, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 45011})
				return app.Login("alice")
			},
			status: 429, code: "temporarily_unavailable", reason: "rate_limited", retryAfter: true,
		},
		{
			cause: "the AppID is wrong",
			arrange: func(_ *testServer, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 40013})
				return app.Login("alice")
			},
			status: 500, code: "server_error", reason: "misconfigured", logged: []string{"40013", "rid", "AppID"},
		},
		{
			cause: "the AppSecret is wrong",
			arrange: func(_ *testServer, app *wechattest.App) string {
				app.SetSecret("another")
				return app.Login("alice")
			},
			status: 500, code: "server_error", reason: "misconfigured", logged: []string{"40125", "rid", "AppSecret"},
		},
		{
			cause: "the IP list does not name this server",
			arrange: func(_ *testServer, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 40164})
				return app.Login("alice")
			},
			status: 500, code: "server_error", reason: "misconfigured", logged: []string{"40164", "rid", "IP list"},
		},
		{
			cause: "the database is down",
			arrange: func(ts *testServer, app *wechattest.App) string {
				ts.exchange("mini", "warm")
				ts.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
				return app.Login("alice")
			},
			status: 503, code: "temporarily_unavailable", reason: "retry", retryAfter: true,
		},
		{
			cause: "a record is of a newer version",
			arrange: func(ts *testServer, app *wechattest.App) string {
				ts.exchange("mini", "warm")
				ts.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrNewerVersion }
				return app.Login("alice")
			},
			status: 503, code: "temporarily_unavailable", reason: "retry", retryAfter: true,
		},
	} {
		for name, door := range loginEndpoints() {
			t.Run(row.cause+" at "+name, func(t *testing.T) {
				ts := newTestServer(t)
				code := row.arrange(ts, ts.app("mini"))
				a := door(ts, code, row.further...)
				if a.status != row.status || a.member("error") != row.code || a.member("reason") != row.reason {
					t.Fatalf("got %d %s, want %d %s %s", a.status, a.raw, row.status, row.code, row.reason)
				}
				if got := a.header.Get("Retry-After") != ""; got != row.retryAfter {
					t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
				}
				if a.member("request_id") == "" || a.member("error_description") == "" || a.header.Get("Cache-Control") != "no-store" {
					t.Errorf("the response does not help: %v %s", a.header, a.raw)
				}
				line := ts.logLine(a.member("request_id"))
				for _, part := range row.logged {
					if !strings.Contains(line, part) {
						t.Errorf("the log line lacks %q: %s", part, line)
					}
				}
			})
		}
	}
}

func TestLoginEndpoints_WithoutWeChatAskForRetry(t *testing.T) {
	for name, door := range loginEndpoints() {
		t.Run(name, func(t *testing.T) {
			ts := newTestServer(t)
			code := ts.app("mini").Login("alice")
			ts.api.Close()
			a := door(ts, code)
			if a.status != 503 || a.member("error") != "temporarily_unavailable" || a.member("reason") != "retry" || a.header.Get("Retry-After") == "" {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
		})
	}
}

func TestPolicyBind_UnknownUserMustRegister(t *testing.T) {
	ts := newTestServer(t)
	ts.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	for name, ask := range map[string]func(code string) response{
		"token exchange": func(code string) response { return ts.exchange("binder", code) },
		"profile": func(code string) response {
			return ts.postJSON("binder", "/federation/wechat/miniapp/profile", map[string]any{"code": code})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(ts.app("binder").Login(name))
			if a.status != 400 || a.member("error") != "registration_required" || a.member("bind_ticket") == "" || a.body["expires_in"] != 300.0 {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			if _, has := a.body["reason"]; has {
				t.Errorf("error is sufficient, but there is a reason: %s", a.raw)
			}
		})
	}
	if users := list[storage.User](ts); len(users) != 0 {
		t.Errorf("users were created: %v", users)
	}
}

// disable disables a user as an operator does.
func (ts *testServer) disable(user string) {
	ts.Helper()
	check(ts.T, ts.identityService().Disable(ts.Context(), "default", user, identity.System))
}

func (ts *testServer) identityService() *identity.Service {
	ts.Helper()
	return must(identity.New(identity.Config{Engine: ts.engine.Engine, Audit: audittest.New(ts.T, ts.engine.Engine, ts.clock.Now), Now: ts.clock.Now, Rand: ts.config.Rand, Logger: ts.config.Logger}))(ts.T)
}

// logLine returns the line of a request in the access log.
func (ts *testServer) logLine(requestID string) string {
	lines := strings.Split(ts.log.String(), "\n")
	found := slices.DeleteFunc(lines, func(line string) bool {
		return !strings.Contains(line, `"msg":"request"`) || !strings.Contains(line, requestID)
	})
	if len(found) != 1 {
		ts.Fatalf("%d lines for request %q", len(found), requestID)
	}
	return found[0]
}

func TestTokenExchange_FailedSigningLeavesCodeUsable(t *testing.T) {
	ts := newTestServer(t)
	for name, edit := range map[string]func(*storage.Client){
		"ID token":     func(c *storage.Client) { c.IDTokenAlgorithm = "ES384" },
		"access token": func(c *storage.Client) { c.AccessTokenAlgorithm = "ES384" },
	} {
		t.Run(name, func(t *testing.T) {
			client := "mini" + strings.ReplaceAll(strings.ToLower(name), " ", "")
			app := ts.addMiniProgram(client, edit)
			code := app.Login("alice")
			a := ts.exchange(client, code)
			if a.status != 500 || a.member("error") != "server_error" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if !strings.Contains(ts.log.String(), client+": keys: no signing key: ES384") {
				t.Error("the log does not name the missing key")
			}
			if len(ts.sim.Requests()) > 0 {
				t.Error("the code was sent to WeChat")
			}
		})
	}
}
