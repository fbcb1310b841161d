package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/minifed/minifed/wechat"
	"github.com/minifed/minifed/wechat/wechattest"
)

func ExampleClient_Code2Session() {
	// A simulator stands in for WeChat. In production BaseURL stays empty, and the code comes from wx.login.
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
	code := app.Login("alice")
	var session wechat.Session
	session, err = client.Code2Session(context.Background(), app.Credential(), code)
	fmt.Println(session.OpenID == app.OpenID("alice"), err)

	_, err = client.Code2Session(context.Background(), app.Credential(), code)
	var failure *wechat.Error
	if errors.As(err, &failure) && failure.Class == wechat.ClassCode {
		fmt.Println("ask the mini-program for a new code:", errors.Is(err, wechat.ErrCodeUsed))
	}
	// Output:
	// true <nil>
	// ask the mini-program for a new code: true
}
