// Package resource protects an API with the access tokens of an OpenID Provider such as minifed. It imports go-jose and the
// standard library only.
//
// A [Server] knows one API and the issuer of its tokens:
//
//   - [Server.Protect] accepts a request if its bearer token is valid for the API and meets a [Requirement]. Any other request gets
//     the challenge that says what the client has to do (RFC 6750 §3, RFC 9728 §5.1, RFC 9470 §3).
//   - [Server.Metadata] serves the metadata of the API (RFC 9728), by which clients find the issuer.
//   - [Server.Verify] validates a token: a JWT (RFC 9068 §4) by the keys of the issuer, without a request per token; an opaque one by
//     introspection (RFC 7662).
//
// The keys of the issuer are cached. An unknown key is fetched at most twice a minute, however many tokens name one, and known keys
// work for a day while the issuer is away. A JWT is accepted until it expires, also if it was revoked: where that is too long, set
// [Introspection.Always].
package resource
