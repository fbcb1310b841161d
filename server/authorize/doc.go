// Package authorize is the authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2), with pushed requests, browser
// sessions, interactions and consent.
package authorize
