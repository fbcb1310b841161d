// Package miniprogram is the backend of a mini-program: a handler of the six paths that the npm package minifed-miniprogram calls. It has
// the secret of the OAuth client, and sends to minifed what each path may send (RFC 8693 token exchange and the endpoints next to it).
//
// It uses the standard library alone. sdk/miniprogram/openapi.json describes the paths.
package miniprogram
