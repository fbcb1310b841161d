// Package oauth2 is the one adapter between fosite's storage interfaces and minifed's records (RFC 6749, RFC 7636, RFC 9126).
package oauth2
