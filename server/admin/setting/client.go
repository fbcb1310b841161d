package setting

import (
	"encoding/json"
	"slices"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// The options of account linking, which depend on each other.
const (
	OptionScope          = "scope"
	OptionAccountLinking = "account-linking"
)

// Client returns the settings of a client, of all kinds.
func Client() []Setting[storage.Client] {
	return slices.Concat(clientGeneral(), clientMiniProgram(), clientAuthentication(), clientBrowser(), clientPermissions(), clientTokens(),
		lifetimes(func(c *storage.Client) *storage.Lifetimes { return &c.Lifetimes }))
}

// These are the types of the members of a client.
type (
	client       = storage.Client
	clientText   = Text[client]
	clientToggle = Toggle[client]
	clientList   = List[client]
)

func clientGeneral() []Setting[client] {
	return []Setting[client]{
		{"name", "name", General, nil, clientText(func(c *client) *string { return &c.Name })},
		{"first-party", "first_party", General, nil, clientToggle(func(c *client) *bool { return &c.FirstParty })},
		{"logo", "logo", Look, nil, Picture[client](func(c *client) *[]byte { return &c.Logo })},
		{"policy-url", "policy_url", Look, nil, clientText(func(c *client) *string { return &c.PolicyURL })},
		{"terms-url", "terms_url", Look, nil, clientText(func(c *client) *string { return &c.TermsURL })},
	}
}

// clientMiniProgram are the settings of a mini-program.
func clientMiniProgram() []Setting[client] {
	provisioning := []string{string(storage.ProvisionAuto), string(storage.ProvisionBind)}
	return []Setting[client]{
		{"app-id", "app_id", MiniProgram, nil, clientText(func(c *client) *string { return &federation(c).AppID })},
		{"open-platform", "open_platform", MiniProgram, nil, clientText(func(c *client) *string { return &federation(c).OpenPlatform })},
		{"provisioning", "provisioning", MiniProgram, provisioning, clientText(func(c *client) *string { return (*string)(&federation(c).Provisioning) })},
		{"update-profile", "update_profile", MiniProgram, nil, clientToggle(func(c *client) *bool { return &federation(c).UpdateProfile })},
		{"password-binding", "password_binding", MiniProgram, nil, clientToggle(func(c *client) *bool { return &federation(c).PasswordBinding })},
		{"starts-sessions", "starts_sessions", MiniProgram, nil, clientToggle(func(c *client) *bool { return &c.StartsSessions })},
		{"linking-partner", "linking_partners", MiniProgram, nil, clientList(func(c *client) *[]string { return &federation(c).LinkingPartners })},
	}
}

// federation returns the federation settings of a client, and creates them if there are none.
func federation(c *client) *storage.Federation {
	if c.Federation == nil {
		c.Federation = new(storage.Federation)
	}
	return c.Federation
}

func clientAuthentication() []Setting[client] {
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}
	return []Setting[client]{
		{"auth-method", "auth_method", Authentication, methods, clientText(func(c *client) *string { return &c.AuthMethod })},
		{"auth-alg", "auth_algorithm", Authentication, keys.Algorithms(), clientText(func(c *client) *string { return &c.AuthAlgorithm })},
		{"jwks-uri", "jwks_uri", Authentication, nil, clientText(func(c *client) *string { return &c.JWKSURI })},
		{"jwks-file", "jwks", Authentication, nil, Document[client](func(c *client) *json.RawMessage { return &c.JWKS })},
	}
}

func clientBrowser() []Setting[client] {
	return []Setting[client]{
		{"redirect-uri", "redirect_uris", Browser, nil, clientList(func(c *client) *[]string { return &c.RedirectURIs })},
		{"post-logout-redirect-uri", "post_logout_redirect_uris", Browser, nil, clientList(func(c *client) *[]string { return &c.PostLogoutRedirectURIs })},
		{"origin", "origins", Browser, nil, clientList(func(c *client) *[]string { return &c.Origins })},
		{"backchannel-logout-uri", "backchannel_logout_uri", Browser, nil, clientText(func(c *client) *string { return &c.BackchannelLogoutURI })},
		{"event-uri", "event_uri", Browser, nil, clientText(func(c *client) *string { return &c.EventURI })},
		{"initiate-login-uri", "initiate_login_uri", Browser, nil, clientText(func(c *client) *string { return &c.InitiateLoginURI })},
		{"backend-logout", "backend_logout", Browser, nil, clientToggle(func(c *client) *bool { return &c.BackendLogout })},
		{"scan-mini-program", "scan.mini_program", Browser, nil, clientText(func(c *client) *string { return &c.Scan.MiniProgram })},
		{"scan-page", "scan.page", Browser, nil, clientText(func(c *client) *string { return &c.Scan.Page })},
		{"scan-version", "scan.version", Browser, append([]string{""}, scanVersions()...), clientText(func(c *client) *string { return &c.Scan.Version })},
		{"require-pkce", "require_pkce", Browser, nil, clientToggle(func(c *client) *bool { return &c.RequirePKCE })},
		{"require-par", "require_par", Browser, nil, clientToggle(func(c *client) *bool { return &c.RequirePAR })},
	}
}

func clientPermissions() []Setting[client] {
	return []Setting[client]{
		{"grant-type", "grant_types", Permissions, nil, clientList(func(c *client) *[]string { return &c.GrantTypes })},
		{OptionScope, "scopes", Permissions, nil, clientList(func(c *client) *[]string { return &c.Scopes })},
		{"default-scope", "default_scopes", Permissions, nil, clientList(func(c *client) *[]string { return &c.DefaultScopes })},
		{OptionAccountLinking, "account_linking", Permissions, nil, clientToggle(func(c *client) *bool { return &c.AccountLinking })},
		{"resource", "resources", Permissions, nil, clientList(func(c *client) *[]string { return &c.Resources })},
		{"audience", "audiences", Permissions, nil, clientList(func(c *client) *[]string { return &c.Audiences })},
		{"default-audience", "default_audience", Permissions, nil, clientList(func(c *client) *[]string { return &c.DefaultAudience })},
		{"native-app", "native_app", Permissions, nil, clientText(func(c *client) *string { return &c.NativeApp })},
		{"introspection", "introspection", Permissions, nil, clientToggle(func(c *client) *bool { return &c.Introspection })},
	}
}

func clientTokens() []Setting[client] {
	return []Setting[client]{
		{"id-token-alg", "id_token_algorithm", Tokens, keys.Algorithms(), clientText(func(c *client) *string { return &c.IDTokenAlgorithm })},
		{"id-token-claims", "id_token_claims", Tokens, nil, Default[client](func(c *client) **bool { return &c.IDTokenClaims })},
		{"access-token-alg", "access_token_algorithm", Tokens, keys.Algorithms(), clientText(func(c *client) *string { return &c.AccessTokenAlgorithm })},
		{"access-token-type", "access_token_type", Tokens, []string{"at+jwt", "JWT"}, clientText(func(c *client) *string { return &c.AccessTokenType })},
		{"opaque-access-tokens", "opaque_access_tokens", Tokens, nil, clientToggle(func(c *client) *bool { return &c.OpaqueAccessTokens })},
		{"keep-refresh-token", "keep_refresh_token", Tokens, nil, clientToggle(func(c *client) *bool { return &c.KeepRefreshToken })},
		{"subject-type", "subject_type", Tokens, []string{"public", "pairwise"}, Names[client](func(c *client) *bool { return &c.Pairwise })},
		{"sector-identifier", "sector_identifier", Tokens, nil, clientText(func(c *client) *string { return &c.SectorIdentifier })},
		{"placeholder-email-domain", "placeholder_email_domain", Tokens, nil, clientText(func(c *client) *string { return &c.PlaceholderEmailDomain })},
	}
}

// ForKind returns the settings that have an effect on clients of a kind.
func ForKind(kind storage.ClientKind) []Setting[storage.Client] {
	without := map[storage.ClientKind][]string{
		storage.ClientMiniapp: {
			"redirect_uris", "post_logout_redirect_uris", "origins", "initiate_login_uri", "backend_logout", "require_pkce", "require_par", "subject_type",
			"sector_identifier", "lifetimes.code", "scan.mini_program", "scan.page", "scan.version",
		},
		storage.ClientSPA: {"auth_method", "auth_algorithm", "jwks_uri", "jwks", "backend_logout", "introspection", "keep_refresh_token", "native_app"},
		storage.ClientWeb: {"origins"},
		storage.ClientService: {
			"first_party", "logo", "policy_url", "terms_url", "redirect_uris", "post_logout_redirect_uris", "origins", "backchannel_logout_uri", "event_uri", "initiate_login_uri",
			"backend_logout", "require_pkce", "require_par", "account_linking", "native_app", "id_token_claims", "keep_refresh_token", "subject_type",
			"sector_identifier", "placeholder_email_domain", "lifetimes.id_token", "lifetimes.refresh_idle", "lifetimes.refresh_absolute",
			"lifetimes.code", "scan.mini_program", "scan.page", "scan.version",
		},
	}
	without[storage.ClientNative] = append([]string{"subject_type", "sector_identifier"}, without[storage.ClientSPA]...)
	return slices.DeleteFunc(Client(), func(s Setting[storage.Client]) bool {
		return slices.Contains(without[kind], s.Member) || s.Section == MiniProgram && kind != storage.ClientMiniapp
	})
}
