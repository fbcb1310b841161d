// Package logout ends browser sessions (OpenID Connect RP-Initiated Logout) and delivers logout tokens to their clients
// (OpenID Connect Back-Channel Logout).
package logout
