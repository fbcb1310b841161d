// Package wechat is a client of the WeChat mini-program server API. It validates wx.login codes (code2Session) and phone codes,
// checks and resets session keys, and creates mini-program codes. It shares one app access token (getStableAccessToken). It
// decrypts push messages (events in safe mode) and open data (encryptedData).
//
// A login code or phone code can be used once, and Go's transport, proxies and meshes may repeat an HTTP GET. So the Client
// never sends a code a second time unless no byte of the first request was written, or WeChat itself returned errcode -1. Other
// failures are ClassAmbiguous, see Class.
//
// The package depends on the standard library only. Its simulator is wechattest.
package wechat
