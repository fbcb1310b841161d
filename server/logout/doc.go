// Package logout ends browser sessions (OpenID Connect RP-Initiated Logout) and delivers logout tokens to their clients
// (OpenID Connect Back-Channel Logout). It also delivers security event tokens about users (RFC 8417).
package logout
