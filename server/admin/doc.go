// Package admin is the operator's service: what the command line does, and what a console or a JSON API would do, with the
// same rules. It makes and changes directories, clients, users and keys, checks every value, makes identifiers and secrets,
// seals what must be read again, hashes what must not, and writes an audit entry for every change.
//
// Redirect URIs follow RFC 9700 §2.1 and, for native apps, RFC 8252 §7; scopes RFC 6749 §3.3; client metadata is named as in
// OpenID Connect Dynamic Client Registration 1.0 §2.
package admin
