package endpoint

// The paths that several packages name, below the issuer.
const (
	TokenPath                   = "/oauth2/token"
	OpenIDConfiguration         = "/.well-known/openid-configuration"
	AuthorizationServerMetadata = "/.well-known/oauth-authorization-server"
	AccountPath                 = "/account"
	EmailPath                   = AccountPath + "/email"
	EmailConfirmPath            = EmailPath + "/confirm"
	ForgotPath                  = AccountPath + "/forgot"
	LoggedOutPath               = "/logged-out"
)

// EndedParameter says at the address of the page at LoggedOutPath that a session has just ended.
const EndedParameter = "ended"
