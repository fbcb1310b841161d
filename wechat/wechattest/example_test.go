package wechattest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

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
