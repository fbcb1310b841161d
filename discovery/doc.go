// Package discovery builds and serves the discovery documents of an issuer: OpenID Provider Metadata (OpenID Connect Discovery
// 1.0 §3, RFC 8414 §2) and the JWK Set (RFC 7517 §5).
//
// [New] builds [Metadata] from a [Provider], which is what the server has registered. It returns an error for values that would
// mislead a client. A [Handler] serves such a document with an ETag and a max-age, to every origin.
package discovery
