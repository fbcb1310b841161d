package server

// The paths that several packages name, below the issuer.
const (
	tokenPath                   = "/oauth2/token"
	openIDConfiguration         = "/.well-known/openid-configuration"
	authorizationServerMetadata = "/.well-known/oauth-authorization-server"
	accountPath                 = "/account"
	emailPath                   = accountPath + "/email"
	emailConfirmPath            = emailPath + "/confirm"
	forgotPath                  = accountPath + "/forgot"
	loggedOutPath               = "/logged-out"
)

// endedParameter says at the address of the page at loggedOutPath that a session has just ended.
const endedParameter = "ended"
