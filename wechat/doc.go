// Package wechat is a client of the WeChat mini-program server API: it proves wx.login codes (code2Session) and phone codes,
// checks and resets session keys, draws mini-program codes, shares one app access token (getStableAccessToken), and opens
// what WeChat pushes (events in safe mode) and what mini-programs forward (encryptedData).
//
// A login code and a phone code are good for one use, and an HTTP GET is something that Go's transport, proxies and meshes
// like to send again. So the Client never sends a code a second time unless it knows that not one byte of the first request
// left, or WeChat itself asked for it (errcode -1). What it cannot know it says: see Class.
//
// The package needs nothing but the standard library. Its simulator is wechattest.
package wechat
