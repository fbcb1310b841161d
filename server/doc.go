// Package server is the OpenID Provider: every directory is an issuer with the same endpoints (OpenID Connect Core,
// RFC 6749, RFC 8693). It is built on fosite and stores through storage/oauth2.
//
// [Server] is an http.Handler. server.go shows the whole provider: what is mounted, in which order, from which package.
// docs/architecture.md follows four requests through the packages below server/, with file names.
package server
