// Package server is the OpenID Provider: every directory is an issuer with the same endpoints (OpenID Connect Core,
// RFC 6749, RFC 8693), built on fosite and stored through storage/oauth2.
//
// # How a request travels
//
// [Server] is an http.Handler. It gives the request an ID, finds its directory and its route, and bounds its body. The
// endpoint responds or returns an error, which the error writer of its route turns into the protocol's response. Then the
// request is counted and logged by an allow-list of parameters.
//
// # Where things are
//
// server.go shows the whole provider: what is mounted, in which order, from which package. An endpoint is a struct of its
// dependencies in a file of its own, with a method Mount that adds its routes to the table. Discovery documents derive from
// that table. The packages below server/ have one idea each; the test of the layout lists what each may import.
package server
