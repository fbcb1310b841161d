// Package token is the token endpoint with its five grants, and the endpoints that use tokens: introspection, revocation and
// UserInfo. Each grant has a file: exchange.go, authorization_code.go, refresh_token.go,
// client_credentials.go, device_code.go.
package token
