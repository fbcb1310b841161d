package wechattest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

// A response is lost after WeChat spent the code: the client does not send it again.
func Example() {
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := httptest.NewServer(sim)
	defer api.Close()
	client, err := wechat.New(wechat.Config{BaseURL: api.URL})
	if err != nil {
		fmt.Println(err)
		return
	}

	app.Fail(wechattest.Code2Session, wechattest.Fault{Spend: true, Drop: wechattest.RST})
	code := app.Login("alice")
	_, err = client.Code2Session(context.Background(), app.Credential(), code)
	var failure *wechat.Error
	fmt.Println(errors.As(err, &failure), failure.Class)
	fmt.Println("sent", sim.TimesSent(code), "time")
	// Output:
	// true ambiguous
	// sent 1 time
}

// Every fault hits a chosen call of a chosen app, so that a test is deterministic.
func ExampleFault() {
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := httptest.NewServer(sim)
	defer api.Close()
	client, err := wechat.New(wechat.Config{BaseURL: api.URL, Timeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	app.Fail(wechattest.Code2Session,
		wechattest.Fault{Errcode: 45011},                       // a quota
		wechattest.Fault{Status: 502},                          // a gateway, before WeChat acted
		wechattest.Fault{Truncate: true, Drop: wechattest.FIN}, // half a response
		wechattest.Fault{User: "bob", Errcode: 40226},          // one user only
		wechattest.Fault{},                                     // no fault: this call passes
		wechattest.Fault{Times: -1, Errcode: 40013},            // every call, until Heal
	)
	for _, user := range []string{"alice", "alice", "alice", "bob", "alice", "alice"} {
		_, err := client.Code2Session(context.Background(), app.Credential(), app.Login(user))
		failure, failed := errors.AsType[*wechat.Error](err)
		if !failed {
			fmt.Println(user, "signed in")
			continue
		}
		fmt.Println(user, failure.Class, failure.Code)
	}
	app.Heal()
	// Output:
	// alice rate 45011
	// alice ambiguous 0
	// alice ambiguous 0
	// bob blocked 40226
	// alice signed in
	// alice config 40013
}

// A Gate holds a call until the test has prepared what should happen meanwhile.
func ExampleGate() {
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := httptest.NewServer(sim)
	defer api.Close()
	client, err := wechat.New(wechat.Config{BaseURL: api.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	gate := wechattest.NewGate()
	app.Fail(wechattest.Code2Session, wechattest.Fault{Gate: gate})
	done := make(chan error)
	go func() {
		_, err := client.Code2Session(context.Background(), app.Credential(), app.Login("alice"))
		done <- err
	}()
	<-gate.Arrived()
	fmt.Println("WeChat has the request")
	gate.Open()
	fmt.Println("response:", <-done)
	// Output:
	// WeChat has the request
	// response: <nil>
}

// The simulator records every request, limits quotas and moves its clock.
func ExampleServer() {
	sim := &wechattest.Server{KeyRotation: time.Minute}
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := httptest.NewServer(sim)
	defer api.Close()
	client, err := wechat.New(wechat.Config{BaseURL: api.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	app.SetLimit(wechattest.Code2Session, wechattest.Limit{PerMinute: 1})
	code := app.Login("alice")
	sim.Advance(10 * time.Minute) // A code is valid for five minutes.
	_, err = client.Code2Session(context.Background(), app.Credential(), code)
	fmt.Println(errors.As(err, new(*wechat.Error)))

	describe := func(r wechattest.Request) { fmt.Println(r.API, r.AppID, r.User, r.Errcode) }
	describe(sim.Requests()[0])
	// Output:
	// true
	// /sns/jscode2session wxsim0000000000000001 alice 40029
}

// Apps of one Open Platform account see the same UnionID of a user, and different OpenIDs.
func ExampleApp() {
	sim := new(wechattest.Server)
	var apps []*wechattest.App
	for _, id := range []wechat.AppID{"wxsim0000000000000001", "wxsim0000000000000002"} {
		app, err := sim.AddApp(wechat.App{ID: id})
		if err != nil {
			fmt.Println(err)
			return
		}
		app.BindOpenPlatform("group")
		apps = append(apps, app)
	}
	fmt.Println(apps[0].UnionID("alice") == apps[1].UnionID("alice"), apps[0].OpenID("alice") == apps[1].OpenID("alice"))
	// Output: true false
}

// The older phone number button encrypts the number with the session key.
func ExampleOpenData() {
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	app.Login("alice")
	data := app.EncryptedPhone("alice")
	fmt.Println(data.EncryptedData != "", data.IV != "", data.RawData == "")
	// Output: true true true
}

// A push is encrypted and signed as WeChat's are; its fields make it old, forged or repeated.
func ExamplePush() {
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, "with signature:", r.URL.Query().Get("msg_signature") != "")
		fmt.Fprint(w, "success")
	}))
	defer server.Close()
	err = app.Push(context.Background(), wechattest.Push{
		URL: server.URL, Token: "token", EncodingAESKey: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPA",
		Event: wechat.EventUserRevoked, User: "alice", RevokeInfo: wechat.RevokePhone, Repeat: 1,
	})
	fmt.Println(err)
	// Output:
	// POST with signature: true
	// POST with signature: true
	// <nil>
}

// An SDK that cannot change WeChat's address reaches the simulator by its name: Certificate has the TLS side of that.
func ExampleCertificate() {
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var certificate wechattest.Certificate
	if certificate, err = wechattest.NewCertificate(time.Now()); err != nil {
		fmt.Println(err)
		return
	}
	api := httptest.NewUnstartedServer(sim)
	api.TLS = &tls.Config{Certificates: []tls.Certificate{certificate.TLS}, MinVersion: tls.VersionTLS12}
	api.StartTLS()
	defer api.Close()
	query := url.Values{
		"appid": {string(app.Credential().ID)}, "secret": {string(app.Credential().Secret)}, "js_code": {app.Login("alice")}, "grant_type": {"authorization_code"},
	}
	host := wechattest.Hosts()[0]
	response, err := certificate.Client(api.Listener.Addr().String()).Get("https://" + host + string(wechattest.Code2Session) + "?" + query.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	fmt.Println(host, response.StatusCode)
	// Output: api.weixin.qq.com 200
}

// A phone reads the picture of a mini-program code, or opens a link, and comes to the page with its scene.
func ExampleServer_ReadPicture() {
	ctx := context.Background()
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	api := httptest.NewServer(sim)
	defer api.Close()
	client, err := wechat.New(wechat.Config{BaseURL: api.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	app.SetPages("pages/scan/scan")
	picture, err := client.MiniProgramCode(ctx, app.Credential(), wechat.MiniProgramCodeRequest{Scene: "AbC123", Page: "pages/scan/scan"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var opened wechattest.Opened
	opened, err = sim.ReadPicture(picture.Data)
	fmt.Println(opened.Page, opened.Scene, err)
	// Output: pages/scan/scan AbC123 <nil>
}

// An app is a mini-program until SetKind says otherwise. Oddities are what WeChat's pages do differently in some versions.
func ExampleKind() {
	sim := new(wechattest.Server)
	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	kinds := map[string]wechattest.Kind{"wxsim0000000000000001": wechattest.Website}
	app.SetKind(kinds["wxsim0000000000000001"], "id.example.com")
	app.SetOddities(wechattest.Oddities{RepeatCallback: true})
	sim.SetPerson("alice", wechattest.Person{Nickname: "Alice", Picture: "https://img.example/alice.png"})
	fmt.Println(app.SendAuth("alice") != "")
	// Output: true
}
