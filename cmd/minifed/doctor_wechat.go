package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/wechat"
)

const (
	// skewWarning is how far a clock may be off before it is worth a word.
	skewWarning = 5 * time.Second
	// skewFailure is how far it may be off before instances disagree about keys and tokens.
	skewFailure = time.Minute
)

// checkWay asks WeChat for anything, to see whether it can be reached and what time it is there.
func (e *examination) checkWay(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.config.WeChat.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, e.config.WeChat.BaseURL, nil)
	if err != nil {
		e.fail("WeChat", err.Error(), "correct wechat.base_url")
		return
	}
	by := e.proxyOf(request)
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	started := e.Now()
	answer, err := transport.RoundTrip(request)
	took := e.Now().Sub(started)
	if err != nil {
		e.fail("WeChat", e.config.WeChat.BaseURL+" cannot be reached"+by+": "+err.Error(),
			"look at DNS, firewall and egress proxy (HTTPS_PROXY, NO_PROXY); logins fail until then")
		return
	}
	_ = answer.Body.Close() // of HEAD
	e.ok("WeChat", "%s answers in %v%s", e.config.WeChat.BaseURL, took.Round(time.Millisecond), by)
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		e.warn("clock", "WeChat's answer has no date to compare with", "see that this machine's time is synchronized (NTP)")
		return
	}
	const cut = 500 * time.Millisecond // A Date has whole seconds.
	e.checkClock("WeChat", date.Add(cut).Sub(started), took)
}

// proxyOf names the egress proxy of a request, without its password.
func (e *examination) proxyOf(request *http.Request) string {
	var proxy *url.URL
	proxy, err := http.ProxyFromEnvironment(request)
	switch {
	case err != nil:
		e.fail("egress proxy", "the proxy in the environment is not a URL", "correct HTTPS_PROXY")
		return ""
	case proxy == nil:
		e.ok("egress proxy", "none for %s", request.URL.Host)
		return ""
	default:
		e.ok("egress proxy", "%s for %s", proxy.Redacted(), request.URL.Host)
		return " by proxy " + proxy.Host
	}
}

// checkClock compares this clock with another one, which was read somewhen during took and is ahead by ahead of its beginning.
func (e *examination) checkClock(whose string, ahead, took time.Duration) {
	off := ahead - took/2
	detail := fmt.Sprintf("%v from %s's, give or take %v", off.Round(time.Millisecond), whose, (took/2 + time.Second).Round(time.Second))
	const remedy = "synchronize this machine's time (NTP): tokens, codes and key rotation go by it"
	switch {
	case off.Abs() > skewFailure:
		e.fail("clock", detail, remedy)
	case off.Abs() > skewWarning:
		e.warn("clock", detail, remedy)
	default:
		e.ok("clock", "%s", detail)
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
		e.fail("WeChat", err.Error(), "correct wechat.base_url")
	}
	return &credentials{e, master, calls}
}

func (c *credentials) check(ctx context.Context, client storage.Client) {
	if c.calls == nil {
		return
	}
	check := fmt.Sprintf("mini-program %s of %s", client.ID, client.Directory)
	secret, err := c.master.Open(client.Federation.AppSecret, keys.AppSecretBinding(client.Directory, client.ID))
	if err != nil {
		c.fail(check, err.Error(), "set the AppSecret anew: minifed client set-app-secret "+client.ID+" --directory "+client.Directory)
		return
	}
	app := wechat.App{ID: wechat.AppID(client.Federation.AppID), Secret: wechat.AppSecret(secret)}
	err = c.calls.CheckCredential(ctx, app)
	failure := (*wechat.Error)(nil)
	switch {
	case err == nil:
		c.ok(check, "WeChat accepts AppID %s and its AppSecret", app.ID)
	case errors.As(err, &failure):
		c.judge(check, failure)
	default:
		c.fail(check, err.Error(), "look at the way to WeChat")
	}
}

// judge says what a refusal means.
func (c *credentials) judge(check string, failure *wechat.Error) {
	switch failure.Class {
	case wechat.ClassConfig:
		c.fail(check, failure.Error(), endpoint.Remedy(failure.Code))
	case wechat.ClassRate, wechat.ClassBusy:
		c.warn(check, failure.Error(), "try again in a minute: WeChat says that it is too much just now")
	default:
		c.fail(check, failure.Error(), "look at the way to WeChat, and try again")
	}
}
