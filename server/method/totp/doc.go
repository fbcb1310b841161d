// Package totp is the second factor after a password: the codes of an authenticator app (RFC 6238), and recovery codes for users
// who have lost it.
package totp
