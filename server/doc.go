// Package server is the OpenID Provider: every directory is an issuer with the same endpoints (OpenID Connect Core,
// RFC 6749, RFC 8693), wired on fosite and stored through storage/oauth2.
//
// # How a request travels
//
// [Server] is an http.Handler. It gives the request an ID, finds the directory it is for and the route it names, and
// bounds its body; the endpoint answers or returns an error, and the one error writer of its surface turns that into the
// protocol's words. The frame then counts it and logs it by an allow-list of parameters.
//
// # Where things are
//
// An endpoint is a struct of its dependencies in a file of its own, with a mount method that puts its routes into the
// table; server.go lists them all. Discovery documents derive from that table. provider.go configures fosite; token.go,
// exchange.go and refresh.go are the token endpoint and its grants; profile.go and binduser.go are thin doors to the same
// exchange for mini-program backends.
package server
