// Package sdks compares the requests of package sms with those of the official SDKs of Aliyun and Tencent Cloud, on Node.js.
package sdks
