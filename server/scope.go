package server

// The scopes that mean something to this server (OpenID Connect Core §5.4, §11).
const (
	scopeOpenID        = "openid"
	scopeProfile       = "profile"
	scopeEmail         = "email"
	scopePhone         = "phone"
	scopeAddress       = "address"
	scopeOfflineAccess = "offline_access"
)

// scopesSupported lists them for the discovery documents. Clients register others besides, for their resource servers.
func scopesSupported() []string {
	return []string{scopeOpenID, scopeProfile, scopeEmail, scopePhone, scopeAddress, scopeOfflineAccess}
}
