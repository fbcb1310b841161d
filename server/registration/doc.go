// Package registration is /oauth2/register, where clients register themselves (RFC 7591).
package registration
