package server_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/storagetest"
	"github.com/minifed/minifed/wechat/wechattest"
)

// doors are the three ways to sign a mini-program user in. Every failure looks alike at each.
func doors() map[string]func(w *world, code string, further ...string) answer {
	return map[string]func(w *world, code string, further ...string) answer{
		"token exchange": func(w *world, code string, further ...string) answer {
			return w.exchange("mini", code, further...)
		},
		"profile": func(w *world, code string, further ...string) answer {
			return w.postJSON("mini", "/federation/wechat/miniapp/profile", jsonOf("code", code, further))
		},
		"bindUser": func(w *world, code string, further ...string) answer {
			return w.postJSON("mini", "/federation/wechat/miniapp/bindUser", jsonOf("method", "register", append([]string{"code", code}, further...)))
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

func TestEveryCauseOfFailureIsAnsweredAlikeAtEveryDoor(t *testing.T) {
	for _, row := range []struct {
		cause      string
		arrange    func(w *world, app *wechattest.App) (code string)
		further    []string
		status     int
		code       string
		reason     string
		retryAfter bool
		logged     []string
	}{
		{
			cause:   "the code is malformed",
			arrange: func(*world, *wechattest.App) string { return strings.Repeat("x", 600) },
			status:  400, code: "invalid_request", reason: "new_code",
		},
		{
			cause:   "the code is the developer tools' mock",
			arrange: func(*world, *wechattest.App) string { return "the code is a mock one" },
			status:  400, code: "invalid_request", reason: "new_code",
		},
		{
			cause:   "the code is unknown",
			arrange: func(*world, *wechattest.App) string { return "0123456789abcdef0123456789abcdef" },
			status:  400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "the code has expired",
			arrange: func(w *world, app *wechattest.App) string {
				code := app.Login("alice")
				w.sim.Advance(6 * time.Minute)
				return code
			},
			status: 400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "the code was used too long ago",
			arrange: func(w *world, app *wechattest.App) string {
				code := app.Login("alice")
				for _, door := range doors() {
					door(w, code)
				}
				w.clock.Advance(61 * time.Second)
				return code
			},
			status: 400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "the code was used by somebody else",
			arrange: func(w *world, app *wechattest.App) string {
				code := app.Login("alice")
				must(w.wechat.Code2Session(w.Context(), app.Credential(), code))(w.T)
				return code
			},
			status: 400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "WeChat's answer was lost",
			arrange: func(_ *world, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Drop: wechattest.FIN, Spend: true})
				return app.Login("alice")
			},
			status: 400, code: "invalid_request", reason: "new_code",
		},
		{
			cause: "the repeat asks for something else",
			arrange: func(w *world, app *wechattest.App) string {
				code := app.Login("alice")
				w.exchange("mini", code, "scope", "openid")
				return code
			},
			further: []string{"scope", "openid profile"},
			status:  400, code: "invalid_request", reason: "repeat_differs",
		},
		{
			cause: "the user is disabled",
			arrange: func(w *world, app *wechattest.App) string {
				w.disable(w.sub(w.exchange("mini", app.Login("alice"))))
				return app.Login("alice")
			},
			status: 403, code: "access_denied", reason: "user_disabled",
		},
		{
			cause: "WeChat blocked the user",
			arrange: func(_ *world, app *wechattest.App) string {
				app.Block("alice", true)
				return app.Login("alice")
			},
			status: 403, code: "access_denied", reason: "blocked",
		},
		{
			cause: "WeChat is busy twice",
			arrange: func(_ *world, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: -1, Times: 2})
				return app.Login("alice")
			},
			status: 503, code: "temporarily_unavailable", reason: "retry", retryAfter: true,
		},
		{
			cause: "the quota is used up",
			arrange: func(_ *world, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 45011})
				return app.Login("alice")
			},
			status: 429, code: "temporarily_unavailable", reason: "rate_limited", retryAfter: true,
		},
		{
			cause: "the AppID is wrong",
			arrange: func(_ *world, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 40013})
				return app.Login("alice")
			},
			status: 500, code: "server_error", reason: "misconfigured", logged: []string{"40013", "rid", "AppID"},
		},
		{
			cause: "the AppSecret is wrong",
			arrange: func(_ *world, app *wechattest.App) string {
				app.SetSecret("another")
				return app.Login("alice")
			},
			status: 500, code: "server_error", reason: "misconfigured", logged: []string{"40125", "rid", "AppSecret"},
		},
		{
			cause: "the IP list does not name this server",
			arrange: func(_ *world, app *wechattest.App) string {
				app.Fail(wechattest.Code2Session, wechattest.Fault{Errcode: 40164})
				return app.Login("alice")
			},
			status: 500, code: "server_error", reason: "misconfigured", logged: []string{"40164", "rid", "IP list"},
		},
		{
			cause: "the database is down",
			arrange: func(w *world, app *wechattest.App) string {
				w.exchange("mini", "warm")
				w.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrUnavailable }
				return app.Login("alice")
			},
			status: 503, code: "temporarily_unavailable", reason: "retry", retryAfter: true,
		},
		{
			cause: "a record is of a newer version",
			arrange: func(w *world, app *wechattest.App) string {
				w.exchange("mini", "warm")
				w.engine.Before = func(context.Context, storagetest.Operation) error { return storage.ErrNewerVersion }
				return app.Login("alice")
			},
			status: 503, code: "temporarily_unavailable", reason: "retry", retryAfter: true,
		},
	} {
		for name, door := range doors() {
			t.Run(row.cause+" at "+name, func(t *testing.T) {
				w := newWorld(t)
				code := row.arrange(w, w.app("mini"))
				a := door(w, code, row.further...)
				if a.status != row.status || a.text("error") != row.code || a.text("reason") != row.reason {
					t.Fatalf("got %d %s, want %d %s %s", a.status, a.raw, row.status, row.code, row.reason)
				}
				if got := a.header.Get("Retry-After") != ""; got != row.retryAfter {
					t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
				}
				if a.text("request_id") == "" || a.text("error_description") == "" || a.header.Get("Cache-Control") != "no-store" {
					t.Errorf("the answer does not help: %v %s", a.header, a.raw)
				}
				line := w.logLine(a.text("request_id"))
				for _, part := range row.logged {
					if !strings.Contains(line, part) {
						t.Errorf("the log line lacks %q: %s", part, line)
					}
				}
			})
		}
	}
}

func TestWithoutWeChatEveryDoorAsksToComeAgain(t *testing.T) {
	for name, door := range doors() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			code := w.app("mini").Login("alice")
			w.api.Close()
			a := door(w, code)
			if a.status != 503 || a.text("error") != "temporarily_unavailable" || a.text("reason") != "retry" || a.header.Get("Retry-After") == "" {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
		})
	}
}

func TestUnderPolicyBindAnUnknownPersonHasToRegister(t *testing.T) {
	w := newWorld(t)
	w.addMiniProgram("binder", func(c *storage.Client) { c.Federation.Provisioning = storage.ProvisionBind })
	for name, ask := range map[string]func(code string) answer{
		"token exchange": func(code string) answer { return w.exchange("binder", code) },
		"profile": func(code string) answer {
			return w.postJSON("binder", "/federation/wechat/miniapp/profile", map[string]any{"code": code})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(w.app("binder").Login(name))
			if a.status != 400 || a.text("error") != "registration_required" || a.text("bind_ticket") == "" || a.body["expires_in"] != 300.0 {
				t.Fatalf("got %d %s", a.status, a.raw)
			}
			if _, has := a.body["reason"]; has {
				t.Errorf("error says it all, but reason is there: %s", a.raw)
			}
		})
	}
	if users := list[storage.User](w); len(users) != 0 {
		t.Errorf("users were made: %v", users)
	}
}

// disable does what an operator does.
func (w *world) disable(user string) {
	w.Helper()
	check(w.T, w.people().Disable(w.Context(), "default", user, identity.System))
}

func (w *world) people() *identity.Service {
	w.Helper()
	return must(identity.New(identity.Config{Engine: w.engine.Engine, Now: w.clock.Now, Rand: w.config.Rand, Logger: w.config.Logger}))(w.T)
}

// logLine is the line of a request in the access log.
func (w *world) logLine(requestID string) string {
	lines := strings.Split(w.log.String(), "\n")
	found := slices.DeleteFunc(lines, func(line string) bool {
		return !strings.Contains(line, `"msg":"request"`) || !strings.Contains(line, requestID)
	})
	if len(found) != 1 {
		w.Fatalf("%d lines for request %q", len(found), requestID)
	}
	return found[0]
}

func TestTokensThatCannotBeSignedDoNotCostTheCode(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(*storage.Client){
		"ID token":     func(c *storage.Client) { c.IDTokenAlgorithm = "ES384" },
		"access token": func(c *storage.Client) { c.AccessTokenAlgorithm = "ES384" },
	} {
		t.Run(name, func(t *testing.T) {
			client := "mini" + strings.ReplaceAll(strings.ToLower(name), " ", "")
			app := w.addMiniProgram(client, edit)
			code := app.Login("alice")
			a := w.exchange(client, code)
			if a.status != 500 || a.text("error") != "server_error" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if !strings.Contains(w.log.String(), client+": keys: no signing key: ES384") {
				t.Error("the log does not say which key is missing")
			}
			if len(w.sim.Requests()) > 0 {
				t.Error("the code was sent to WeChat")
			}
		})
	}
}
