// Package device is the device authorization grant (RFC 8628) without its token request, which package token has: a device without
// a browser gets a code, and its user allows it on another screen, on the page of the issuer or in a mini-program.
package device
