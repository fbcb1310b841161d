// Package wechattest simulates the WeChat server API for mini-program login: a Server whose zero value works, for tests,
// demonstrations and load tests.
//
//	sim := new(wechattest.Server)
//	app, err := sim.AddApp(wechat.App{ID: "wxsim0000000000000001"})
//	api := httptest.NewServer(sim)      // what a wechat.Client has as BaseURL
//	code := app.Login("alice")          // what wx.login gives to alice's mini-program
//
// It checks every parameter that WeChat documents, returns WeChat's errcodes and reproduces its peculiarities: errors are HTTP
// 200, JSON is text/plain, slashes are escaped, session keys rotate at wx.login, a POST without Content-Length is a 412. Faults
// are queued for one app and one call, so that a test determines which request gets which fault. Only identifiers are random.
// Every request is recorded. The control API (Control) does over HTTP what the methods do.
//
// Its data never looks real: AppIDs begin with "wxsim", OpenIDs and UnionIDs differ at every start, and nothing is stored.
package wechattest
