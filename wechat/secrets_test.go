package wechat_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// Every call fails in every way, and the texts of all errors, log lines and observations are searched for all secrets and
// personal data of the run.
func TestSecrets_AreNotInErrorsLogsOrObservations(t *testing.T) {
	var mu sync.Mutex
	text := new(bytes.Buffer)
	write := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(text, "%v\n%+v\n%#v\n%s\n", v, v, v, v)
		slog.New(slog.NewJSONHandler(text, nil)).Error("failed", "err", v)
	}
	h := newClientHarness(t, func(c *wechat.Config) {
		c.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, text}, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Observe = func(o wechat.Observation) { write(o) }
		c.BreakerFailures, c.BreakerOpen = 2, time.Nanosecond
	})
	h.app.SetSecret("app secret/with+signs&more")
	app := h.app.Credential()
	session, _, err := h.login(t, "alice")
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{string(app.Secret), string(session.Key), string(session.OpenID), h.sim.Phone("alice").PureNumber}

	calls := map[wechattest.API]func() error{
		wechattest.Code2Session: func() error {
			code := h.app.Login("alice")
			secrets = append(secrets, code)
			_, err := h.client.Code2Session(t.Context(), app, code)
			return err
		},
		wechattest.PhoneNumber: func() error {
			code := h.app.TapPhone("alice")
			secrets = append(secrets, code)
			_, err := h.client.PhoneNumber(t.Context(), app, code)
			return err
		},
		wechattest.StableToken:  func() error { return h.client.CheckCredential(t.Context(), app) },
		wechattest.CheckSession: func() error { return h.client.CheckSession(t.Context(), app, session.OpenID, session.Key) },
		wechattest.ResetSession: func() error {
			_, err := h.client.ResetSession(t.Context(), app, session.OpenID, session.Key)
			return err
		},
		wechattest.URLLink: func() error {
			_, err := h.client.GenerateURLLink(t.Context(), app, wechat.URLLinkRequest{Query: "scene=scene", Expires: time.Now().Add(time.Hour)})
			return err
		},
		wechattest.MiniProgramCode: func() error {
			_, err := h.client.MiniProgramCode(t.Context(), app, wechat.MiniProgramCodeRequest{Scene: "scene"})
			return err
		},
	}
	for api, call := range calls {
		for _, fault := range []wechattest.Fault{
			{Drop: wechattest.FIN},
			{Drop: wechattest.RST},
			{Truncate: true},
			{Truncate: true, Drop: wechattest.FIN},
			{Status: 502},
			{Errcode: -1},
			{Errcode: 40029},
			{Errcode: 40001},
			{Errcode: 45011},
			{Errcode: 40125},
			{Errcode: 99999},
		} {
			fault.Times = -1
			h.app.Fail(api, fault)
			err := call()
			if err == nil && !fault.Truncate {
				t.Errorf("%s works with %+v", api, fault)
			}
			write(err)
			h.app.Heal()
		}
	}

	impatient := h.newClient(t, func(c *wechat.Config) { c.Timeout = time.Millisecond })
	h.app.Fail(wechattest.Code2Session, wechattest.Fault{Delay: time.Hour})
	_, err = impatient.Code2Session(t.Context(), app, "the-code-of-nobody")
	write(err)
	h.app.Heal()
	unreachable := h.newClient(t, func(c *wechat.Config) {
		c.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &url.Error{Op: "Get", URL: "http://x/?secret=" + url.QueryEscape(string(app.Secret)), Err: net.ErrClosed}
		}
	})
	_, err = unreachable.Code2Session(t.Context(), app, "the-code-of-nobody")
	write(err)
	talkative := newClient(t, wechat.Config{BaseURL: newHandler(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"errcode":40029,"errmsg":"%s rid: %s"}`, r.URL.RawQuery, r.URL.RawQuery)
	})})
	_, err = talkative.Code2Session(t.Context(), app, "the-code-of-nobody")
	write(err)

	secrets = append(secrets, "the-code-of-nobody", "access_token=", "wxsim_")
	for _, request := range h.sim.Requests() {
		if token := request.Query.Get("access_token"); token != "" && !slices.Contains(secrets, token) {
			secrets = append(secrets, token)
		}
	}
	for _, secret := range secrets {
		for name, form := range map[string]string{
			"plain": secret, "URL-encoded": url.QueryEscape(secret), "base64": base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)), "hexadecimal": hex.EncodeToString([]byte(secret)),
		} {
			if strings.Contains(text.String(), form) {
				t.Errorf("%q is there, %s", secret, name)
			}
		}
	}
	if !strings.Contains(text.String(), "breaker opened") || !strings.Contains(text.String(), "errcode 40029") {
		t.Error("nothing was logged: this proves nothing")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestSecrets_PrintRedacted(t *testing.T) {
	app := wechat.App{ID: "wxsim", Secret: "geheim"}
	session := wechat.Session{OpenID: "oAlice", UnionID: "uAlice", Key: "geheim"}
	for _, text := range []string{fmt.Sprint(app), fmt.Sprintf("%#v", app), fmt.Sprintf("%q", app.Secret), fmt.Sprint(session.Key), fmt.Sprintf("%+v", session)} {
		if strings.Contains(text, "geheim") {
			t.Errorf("printed %q", text)
		}
	}
	log := new(bytes.Buffer)
	slog.New(slog.NewJSONHandler(log, nil)).Info("x", "secret", app.Secret, "openid", session.OpenID, "unionid", session.UnionID, "key", session.Key,
		"phone", wechat.PhoneNumber{CountryCode: "86", PureNumber: "13000000000"})
	for _, secret := range []string{"geheim", "oAlice", "uAlice", "13000000000"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("logged %s", log)
		}
	}
}
