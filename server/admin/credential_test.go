package admin

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat"
)

// checker rejects credentials with an error, and records the last app.
type checker struct {
	err error
	app wechat.App
	// web is the app of the last check as an app of the Open Platform.
	web wechat.App
}

func (c *checker) CheckWebCredential(_ context.Context, app wechat.App) error {
	c.web = app
	return c.err
}

func (c *checker) CheckCredential(_ context.Context, app wechat.App) error {
	c.app = app
	return c.err
}

func TestTestMiniProgram_NamesRejectedSetting(t *testing.T) {
	h := newServiceHarness(t)
	_, _, err := h.CreateClient(t.Context(), miniapp())
	must(t, err)
	if _, err := h.TestMiniProgram(t.Context(), "default", "mini"); !errors.Is(err, ErrRefused) {
		t.Errorf("without WeChat: error %v", err)
	}
	weChat := &checker{}
	h.config.WeChat = weChat
	for name, test := range map[string]struct {
		err  error
		want Credential
	}{
		"valid":       {nil, Credential{Valid: true}},
		"AppSecret":   {&wechat.Error{Code: 40125, Class: wechat.ClassConfig, RID: "r1"}, Credential{Rejected: wechat.AppSecretSetting, Errcode: 40125, RID: "r1"}},
		"AppID":       {&wechat.Error{Code: 40013, Class: wechat.ClassConfig}, Credential{Rejected: wechat.AppIDSetting, Errcode: 40013}},
		"IP list":     {&wechat.Error{Code: 40164, Class: wechat.ClassConfig}, Credential{Rejected: wechat.IPListSetting, Errcode: 40164}},
		"busy":        {&wechat.Error{Code: -1, Class: wechat.ClassBusy}, Credential{Errcode: -1}},
		"unreachable": {&wechat.Error{Cause: errors.New("no route"), Class: wechat.ClassUnsent}, Credential{}},
	} {
		weChat.err = test.err
		got, err := h.TestMiniProgram(t.Context(), "default", "mini")
		must(t, err)
		if !got.Valid && (got.Problem == "" || got.Remedy == "") {
			t.Errorf("%s: no words: %+v", name, got)
		}
		if got.Problem, got.Remedy = "", ""; got != test.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if weChat.app.ID != "wx0123456789abcdef" || string(weChat.app.Secret) != strings.Repeat("a", 32) {
		t.Errorf("checked %v", weChat.app.ID)
	}
}

func TestTestCredential_ChecksForms(t *testing.T) {
	h := newServiceHarness(t)
	h.config.WeChat = &checker{}
	_, err := h.TestCredential(t.Context(), "default", "wx", "short")
	wantInvalid(t, err, "app_id", "app_secret")
	got, err := h.TestCredential(t.Context(), "default", "wxsim1", "s")
	must(t, err)
	if !got.Valid {
		t.Errorf("got %+v", got)
	}
	_, _, err = h.CreateClient(t.Context(), spa())
	must(t, err)
	if _, err := h.TestMiniProgram(t.Context(), "default", "shop"); !errors.Is(err, ErrRefused) {
		t.Errorf("a client without AppSecret: error %v", err)
	}
}
