// Package clientauth authenticates clients at every endpoint (RFC 6749 §2.3): by a secret or by a signed assertion (RFC 7523),
// with limits by address and by client.
package clientauth
