// Package passkey is the sign-in by a passkey: a WebAuthn credential that the authenticator finds by itself and gives only after it
// has verified the user (Web Authentication Level 3). So one sign-in has two factors.
package passkey
