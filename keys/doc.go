// Package keys keeps the signing keys and token secrets of every directory (RFC 7517, RFC 7638), sealed by a master key.
package keys
