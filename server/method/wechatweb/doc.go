// Package wechatweb is the sign-in by WeChat's own pages: a website's QR code in any browser, and an official account in the browser
// of WeChat. Both are connections of a directory. WeChat sends the browser back with a code, which the server exchanges once.
package wechatweb
