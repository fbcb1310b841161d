// Package wechat is a client of the WeChat mini-program server API.
package wechat
