// Package discovery makes and serves the documents by which clients find an issuer: OpenID Provider Metadata (OpenID Connect
// Discovery 1.0 §3, RFC 8414 §2) and the JWK Set (RFC 7517 §5).
//
// [New] turns what a server has registered, a [Provider], into [Metadata]: nothing is typed a second time, and what would
// mislead a client is an error. A [Handler] serves such a document with an ETag and a max-age, to every origin.
package discovery
