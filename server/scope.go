package server

import "github.com/minifed/minifed/storage/oauth2"

// The scopes that mean something to this server (OpenID Connect Core §5.4, §11).
const (
	scopeOpenID        = "openid"
	scopeProfile       = "profile"
	scopeEmail         = "email"
	scopePhone         = "phone"
	scopeAddress       = "address"
	scopeOfflineAccess = "offline_access"
	// scopeLink lets a client attach to the user's account what else the user can prove to be theirs. It is never granted by
	// default.
	scopeLink = oauth2.ScopeLink
)

// scopesSupported lists them for the discovery documents. Clients register others besides, for their resource servers.
func scopesSupported() []string {
	return []string{scopeOpenID, scopeProfile, scopeEmail, scopePhone, scopeAddress, scopeOfflineAccess}
}
