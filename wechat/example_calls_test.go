package wechat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// simulated returns a client of a simulator with one mini-program. In production use wechat.New(wechat.Config{}).
func simulated(config wechat.Config) (client *wechat.Client, app *wechattest.App, stop func()) {
	simulator := new(wechattest.Server)
	app, err := simulator.AddApp(wechat.App{ID: "wxsim0000000000000001", Secret: "the AppSecret"})
	if err != nil {
		panic(err)
	}
	api := httptest.NewServer(simulator)
	config.BaseURL = api.URL
	if client, err = wechat.New(config); err != nil {
		panic(err)
	}
	return client, app, api.Close
}

// Every attempt of a call is observed, for metrics and logs, without personal data.
func ExampleConfig() {
	client, app, stop := simulated(wechat.Config{
		Timeout: 3 * time.Second,
		Observe: func(o wechat.Observation) { fmt.Println(o.API, o.Outcome, o.Code) },
	})
	defer stop()
	_, err := client.Code2Session(context.Background(), app.Credential(), "not a code of wx.login")
	fmt.Println(err != nil)
	// Output:
	// code2Session code 40029
	// true
}

// An Error's class says what to do next.
func ExampleError() {
	advice := map[wechat.Class]string{
		wechat.ClassUnsent: "send the same code again",
		wechat.ClassCode:   "call wx.login again",
		wechat.ClassConfig: "correct AppID, AppSecret or IP list",
	}
	err := fmt.Errorf("sign-in: %w", &wechat.Error{API: "code2Session", Code: 40125, Class: wechat.ClassConfig, RID: "5f3c"})
	if failure, ok := errors.AsType[*wechat.Error](err); ok {
		fmt.Println(failure.Class, "-", advice[failure.Class])
		fmt.Println(failure)
	}
	// Output:
	// config - correct AppID, AppSecret or IP list
	// wechat: code2Session: errcode 40125 (rid 5f3c)
}

// CheckCredential proves AppID, AppSecret and IP list without a user.
func ExampleClient_CheckCredential() {
	client, app, stop := simulated(wechat.Config{})
	defer stop()
	credential := app.Credential()
	fmt.Println(client.CheckCredential(context.Background(), credential))
	credential.Secret = "0123456789abcdef0123456789abcdef"
	err := client.CheckCredential(context.Background(), credential)
	failure, _ := errors.AsType[*wechat.Error](err)
	fmt.Println(failure.Class, failure.Code)
	// Output:
	// <nil>
	// config 40125
}

// PhoneNumber spends the code of the phone number button.
func ExampleClient_PhoneNumber() {
	client, app, stop := simulated(wechat.Config{})
	defer stop()
	number, err := client.PhoneNumber(context.Background(), app.Credential(), app.TapPhone("alice"))
	fmt.Println(number.CountryCode, len(number.PureNumber), err)
	// Output: 86 11 <nil>
}

// MiniProgramCode creates the round picture that opens a page of the mini-program.
func ExampleClient_MiniProgramCode() {
	client, app, stop := simulated(wechat.Config{})
	defer stop()
	var image wechat.Image
	image, err := client.MiniProgramCode(context.Background(), app.Credential(), wechat.MiniProgramCodeRequest{
		Scene: "table=12", Page: "pages/order/order",
	})
	fmt.Println(image.ContentType, len(image.Data) > 0, err)
	// Output: image/jpeg true <nil>
}

// A session key decrypts what older calls return for the server. It can be checked and replaced.
func ExampleOpenData() {
	ctx := context.Background()
	client, app, stop := simulated(wechat.Config{})
	defer stop()
	session, err := client.Code2Session(ctx, app.Credential(), app.Login("alice"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("current:", client.CheckSession(ctx, app.Credential(), session.OpenID, session.Key))

	sent := app.UserInfo("alice")
	data := wechat.OpenData{EncryptedData: sent.EncryptedData, IV: sent.IV}
	profile, err := data.Decrypt(app.Credential().ID, session.Key, time.Now().Add(-time.Minute))
	fmt.Println("decrypted:", len(profile) > 0, err)
	fmt.Println("signed:", wechat.VerifyRawData(sent.RawData, sent.Signature, session.Key))

	var key wechat.SessionKey
	key, err = client.ResetSession(ctx, app.Credential(), session.OpenID, session.Key)
	fmt.Println("replaced:", key != session.Key, err)
	// Output:
	// current: <nil>
	// decrypted: true <nil>
	// signed: true
	// replaced: true <nil>
}

// A PushReceiver verifies and decrypts an event that WeChat sends to the mini-program's server.
func ExamplePushReceiver() {
	key := wechat.PushKey{AppID: "wxsim0000000000000001", Token: "token", EncodingAESKey: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPA"}
	var receiver *wechat.PushReceiver
	receiver, err := wechat.NewPushReceiver(key, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, app, stop := simulated(wechat.Config{})
	defer stop()
	r, err := app.PushRequest(context.Background(), wechattest.Push{
		URL: "https://shop.example/push", Token: key.Token, EncodingAESKey: key.EncodingAESKey,
		Event: wechat.EventUserDeregistered, User: "alice",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	var event wechat.Event
	event, err = receiver.Receive(r.URL.Query(), body)
	fmt.Println(event.Name, event.OpenID == app.OpenID("alice"), err)

	_, err = receiver.Receive(r.URL.Query(), []byte(`{"Event":"user_authorization_revoke","OpenID":"oAlice"}`))
	fmt.Println(err)
	// Output:
	// user_authorization_cancellation true <nil>
	// wechat: push cannot be read: plain mode is not allowed
}

// Personal data and secrets never reach a log by accident.
func ExampleOpenID() {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	logger.Info("signed in", "app", wechat.AppID("wx0123456789abcdef"), "user", wechat.OpenID("oAlice"), "union", wechat.UnionID("uAlice"),
		"phone", wechat.PhoneNumber{CountryCode: "86", PureNumber: "13800000000"})
	fmt.Print(&log)
	fmt.Println(wechat.App{ID: "wx0123456789abcdef", Secret: wechat.AppSecret("s3cret")}, wechat.SessionKey("a2V5"))
	// Output:
	// level=INFO msg="signed in" app=wx0123456789abcdef user=[redacted] union=[redacted] phone=[redacted]
	// {wx0123456789abcdef [redacted]} [redacted]
}

// RejectedSetting names the setting that an operator has to correct, so that a program can describe the remedy in its own words.
func ExampleRejectedSetting() {
	remedies := map[wechat.Setting]string{
		wechat.AppSecretSetting: "reset the AppSecret, and store the new one",
		wechat.IPListSetting:    "add the address of this server to the IP list",
	}
	fmt.Println(remedies[wechat.RejectedSetting(40164)])
	// Output: add the address of this server to the IP list
}

// PushSignature signs what a test sends to a push URL.
func ExamplePushSignature() {
	fmt.Println(wechat.PushSignature("AAAAA", "1714036504", "1514711492"))
	// Output: f464b24fc39322e44b38aa78f5edd27bd1441696
}

// A URL link opens a page of the mini-program from a phone's browser.
func ExampleClient_GenerateURLLink() {
	client, app, stop := simulated(wechat.Config{})
	defer stop()
	link, err := client.GenerateURLLink(context.Background(), app.Credential(), wechat.URLLinkRequest{
		Page: "pages/scan/scan", Query: "scene=AbC123", Expires: time.Now().Add(2 * time.Minute),
	})
	fmt.Println(strings.HasPrefix(link, "https://wxaurl.cn/"), err)
	// Output: true <nil>
}

// Pages has the addresses of WeChat's pages that show a QR code or ask the user.
func ExamplePages() {
	fmt.Println(wechat.Pages{}.Website("wx0123456789abcdef", "https://id.example.com/callback", "abc123"))
	// Output: https://open.weixin.qq.com/connect/qrconnect?appid=wx0123456789abcdef&redirect_uri=https%3A%2F%2Fid.example.com%2Fcallback&response_type=code&scope=snsapi_login&state=abc123#wechat_redirect
}

// A website, an official account or a mobile app spends its own kind of code.
func ExampleClient_WebLogin() {
	ctx := context.Background()
	client, app, stop := simulated(wechat.Config{})
	defer stop()
	app.SetKind(wechattest.MobileApp, "")
	var session wechat.WebSession
	session, err := client.WebLogin(ctx, app.Credential(), app.SendAuth("alice"))
	if err != nil {
		fmt.Println(err)
		return
	}
	var profile wechat.WebProfile
	profile, err = client.WebProfile(ctx, app.Credential(), session)
	fmt.Println(session.OpenID != "", profile.Nickname, err)
	// Output: true alice <nil>
}
