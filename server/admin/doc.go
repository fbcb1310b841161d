// Package admin implements the operator's actions for the command line, with the same rules for a console or a JSON API. It
// creates and changes directories, clients, users and keys, checks every value, and generates identifiers and secrets. It
// encrypts secrets that must be read again, hashes the others, and writes an audit entry for every change.
//
// Redirect URIs follow RFC 9700 §2.1 and, for native apps, RFC 8252 §7; scopes RFC 6749 §3.3; client metadata is named as in
// OpenID Connect Dynamic Client Registration 1.0 §2.
package admin
