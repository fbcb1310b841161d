package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

const (
	// skewWarning is how far a clock may be off before it is worth a word.
	skewWarning = 5 * time.Second
	// skewFailure is how far it may be off before instances disagree about keys and tokens.
	skewFailure = time.Minute
)

// checkConnection sends a request to WeChat, to check that it can be reached and what time it is there.
func (e *examination) checkConnection(ctx context.Context) {
	check := locale.Text("doctor.wechat")
	ctx, cancel := context.WithTimeout(ctx, e.config.WeChat.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, e.config.WeChat.BaseURL, nil)
	if err != nil {
		e.failBy(check, err, locale.Text("doctor.wechat.url.remedy"))
		return
	}
	to := e.proxyOf(request)
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	started := e.Now()
	response, err := transport.RoundTrip(request)
	took := e.Now().Sub(started)
	if err != nil {
		e.fail(check, locale.Text("doctor.unreachable", to, err), locale.Text("doctor.wechat.remedy"))
		return
	}
	_ = response.Body.Close() // of HEAD
	e.ok(check, locale.Text("doctor.wechat.ok", to, took.Round(time.Millisecond)))
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		e.warn(locale.Text("doctor.clock"), locale.Text("doctor.clock.undated"), locale.Text("doctor.clock.undated.remedy"))
		return
	}
	const cut = 500 * time.Millisecond // A Date has whole seconds.
	e.checkClock(locale.Text("doctor.wechat"), date.Add(cut).Sub(started), took)
}

// proxyOf reports the egress proxy of a request to WeChat, without its password. It returns how WeChat is reached.
func (e *examination) proxyOf(request *http.Request) (to locale.Message) {
	check, direct := locale.Text("doctor.proxy"), locale.Text("doctor.direct", e.config.WeChat.BaseURL)
	proxy, err := http.ProxyFromEnvironment(request)
	switch {
	case err != nil:
		e.fail(check, locale.Text("doctor.proxy.url"), locale.Text("doctor.proxy.url.remedy"))
		return direct
	case proxy == nil:
		e.ok(check, locale.Text("doctor.proxy.none", request.URL.Host))
		return direct
	default:
		e.ok(check, locale.Text("doctor.proxy.ok", proxy.Redacted(), request.URL.Host))
		return locale.Text("doctor.by_proxy", e.config.WeChat.BaseURL, proxy.Host)
	}
}

// checkClock compares this clock with the one of another machine. That one was read at some moment of took, and was ahead of the
// beginning of took by ahead.
func (e *examination) checkClock(whose locale.Message, ahead, took time.Duration) {
	off := ahead - took/2
	check := locale.Text("doctor.clock")
	detail := locale.Text("doctor.clock.off", off.Round(time.Millisecond), whose, (took/2 + time.Second).Round(time.Second))
	switch {
	case off.Abs() > skewFailure:
		e.fail(check, detail, locale.Text("doctor.clock.remedy"))
	case off.Abs() > skewWarning:
		e.warn(check, detail, locale.Text("doctor.clock.remedy"))
	default:
		e.ok(check, detail)
	}
}

// credentials asks WeChat whether AppIDs and AppSecrets are right.
type credentials struct {
	*examination
	master *keys.Master
	calls  *wechat.Client
}

func (e *examination) newCredentials(master *keys.Master) *credentials {
	calls, err := wechat.New(wechat.Config{
		BaseURL: e.config.WeChat.BaseURL, ConnectTimeout: e.config.WeChat.ConnectTimeout, Timeout: e.config.WeChat.Timeout, Now: e.Now,
	})
	if err != nil {
		e.failBy(locale.Text("doctor.wechat"), err, locale.Text("doctor.wechat.url.remedy"))
	}
	return &credentials{e, master, calls}
}

func (c *credentials) check(ctx context.Context, client storage.Client) {
	if c.calls == nil {
		return
	}
	check := locale.Text("doctor.miniprogram", client.ID, client.Directory)
	secret, err := c.master.Open(client.Federation.AppSecret, keys.AppSecretBinding(client.Directory, client.ID))
	if err != nil {
		c.fail(check, locale.Text("error", err), locale.Text("doctor.miniprogram.secret.remedy", client.ID, client.Directory))
		return
	}
	app := wechat.App{ID: wechat.AppID(client.Federation.AppID), Secret: wechat.AppSecret(secret)}
	err = c.calls.CheckCredential(ctx, app)
	failure := (*wechat.Error)(nil)
	switch {
	case err == nil:
		c.ok(check, locale.Text("doctor.miniprogram.ok", app.ID))
	case errors.As(err, &failure):
		c.judge(check, failure)
	default:
		c.failBy(check, err, locale.Text("doctor.wechat.remedy"))
	}
}

// judge adds the finding for a call that WeChat rejected.
func (c *credentials) judge(check locale.Message, failure *wechat.Error) {
	detail := locale.Text("doctor.miniprogram.rejected", failure)
	switch failure.Class {
	case wechat.ClassConfig:
		c.fail(check, detail, settingRemedy(failure.Code))
	case wechat.ClassRate, wechat.ClassBusy:
		c.warn(check, detail, locale.Text("doctor.wechat.busy.remedy"))
	default:
		c.fail(check, detail, locale.Text("doctor.wechat.remedy"))
	}
}

// settingRemedy returns what to do about a setting that WeChat rejects.
func settingRemedy(errcode int) locale.Message {
	switch wechat.RejectedSetting(errcode) {
	case wechat.AppIDSetting:
		return locale.Text("doctor.setting.app_id")
	case wechat.AppSecretSetting:
		return locale.Text("doctor.setting.app_secret")
	case wechat.IPListSetting:
		return locale.Text("doctor.setting.ip_list")
	default:
		return locale.Text("doctor.setting.other")
	}
}
