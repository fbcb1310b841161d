// Package sdks holds tests of the WeChat simulator with SDKs of others, in Go and in Node.js.
package sdks
