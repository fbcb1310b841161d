// Package uri checks the URIs of clients: redirect URIs (RFC 6749 §3.1.2, RFC 9700 §2.1, RFC 8252 §7), and URIs that are fetched.
package uri
