// Package target decides which resources a request is for (RFC 8707), and with them the audience and the scopes of its tokens. The
// authorization endpoint and every grant of the token endpoint call it, so that the decisions are the same.
package target
