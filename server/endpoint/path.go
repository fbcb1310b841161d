package endpoint

// The paths that several packages use, below the issuer.
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

// EndedParameter is the query parameter of LoggedOutPath after the end of a session.
const EndedParameter = "ended"
