package main

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// clientFields are the flags that set the fields of a client.
type clientFields struct {
	*fields[storage.Client]
	jwksFile    string
	subjectType string
}

// newClientFields adds a flag for each setting of a client that can change.
func newClientFields(command *cobra.Command) *clientFields {
	f := &clientFields{fields: newFields[storage.Client](command.Flags())}
	f.files = append(f.files, f.readJWKS, f.readSubjectType)
	f.text("name", "the `name` that users see", func(c *storage.Client) *string { return &c.Name })
	f.picture("logo", "PNG, JPEG or GIF `file` that pages show with its name", func(c *storage.Client) *[]byte { return &c.Logo })
	f.text("policy-url", "`URL` of its privacy policy", func(c *storage.Client) *string { return &c.PolicyURL })
	f.text("terms-url", "`URL` of its terms of service", func(c *storage.Client) *string { return &c.TermsURL })
	f.federation()
	f.authentication()
	f.browser()
	f.permissions()
	f.tokens()
	return f
}

func (f *clientFields) federation() {
	f.text("app-id", "the mini-program's `AppID` from WeChat's console",
		func(c *storage.Client) *string { return &federationOf(c).AppID })
	f.text("open-platform", "a `name` for the WeChat Open Platform account of the AppID: mini-programs of one account share their users by UnionID",
		func(c *storage.Client) *string { return &federationOf(c).OpenPlatform })
	f.text("provisioning", "policy for unknown WeChat users: auto creates a user, bind lets the mini-program register or bind one",
		func(c *storage.Client) *string { return (*string)(&federationOf(c).Provisioning) })
	f.toggle("update-profile", "update the profile of known users with the data that the mini-program sends",
		func(c *storage.Client) *bool { return &federationOf(c).UpdateProfile })
	f.toggle("password-binding", "let bindUser attach accounts by password; only for first-party clients",
		func(c *storage.Client) *bool { return &federationOf(c).PasswordBinding })
	f.list("linking-partner", "a `client` whose access tokens bindUser accepts",
		func(c *storage.Client) *[]string { return &federationOf(c).LinkingPartners })
}

func (f *clientFields) authentication() {
	f.text("auth-method", "client_secret_basic, client_secret_post, private_key_jwt or none; \"\", the default of clients with a secret, accepts the secret by Basic and in the body", func(c *storage.Client) *string { return &c.AuthMethod })
	f.text("auth-alg", "`algorithm` that it signs assertions with", func(c *storage.Client) *string { return &c.AuthAlgorithm })
	f.text("jwks-uri", "`URI` of its public keys, for private_key_jwt", func(c *storage.Client) *string { return &c.JWKSURI })
	f.flags.StringVar(&f.jwksFile, "jwks-file", "", "`file` of its public keys, instead of --jwks-uri; \"\" for none")
}

func (f *clientFields) browser() {
	f.list("redirect-uri", "`URI` that users return to after sign-in", func(c *storage.Client) *[]string { return &c.RedirectURIs })
	f.list("post-logout-redirect-uri", "`URI` that users return to after logout", func(c *storage.Client) *[]string { return &c.PostLogoutRedirectURIs })
	f.list("origin", "`origin` whose scripts may call the endpoints: that of a browser application, or of an app's web view such as capacitor://localhost", func(c *storage.Client) *[]string { return &c.Origins })
	f.text("backchannel-logout-uri", "`URI` that receives logout tokens", func(c *storage.Client) *string { return &c.BackchannelLogoutURI })
	f.toggle("backend-logout", "let an ID token of the client end its session at the logout endpoint without the browser's cookie; for a backend that calls it, such as oauth2-proxy with --backend-logout-url",
		func(c *storage.Client) *bool { return &c.BackendLogout })
	f.toggle("first-party", "first-party client: skip the consent page; a mini-program may replace a user's phone number by bindUser and may have --password-binding", func(c *storage.Client) *bool { return &c.FirstParty })
	f.toggle("require-pkce", "require PKCE also of a client with a secret", func(c *storage.Client) *bool { return &c.RequirePKCE })
	f.toggle("require-par", "require pushed authorization requests", func(c *storage.Client) *bool { return &c.RequirePAR })
	f.flags.StringVar(&f.subjectType, "subject-type", "", "public, the default, or pairwise: the client gets its own subject for each user, which clients at other hosts cannot link")
	f.text("sector-identifier", "https `URI` whose host its pairwise subjects belong to; required when its redirect URIs have several hosts", func(c *storage.Client) *string { return &c.SectorIdentifier })
}

func (f *clientFields) permissions() {
	f.list("grant-type", "`grant` that it may use at the token endpoint", func(c *storage.Client) *[]string { return &c.GrantTypes })
	f.scopes()
	f.list("default-scope", "`scope` that it gets when it requests none", func(c *storage.Client) *[]string { return &c.DefaultScopes })
	f.list("audience", "`API` that it may request tokens for", func(c *storage.Client) *[]string { return &c.Audiences })
	f.list("default-audience", "`API` that its tokens are for when it names none", func(c *storage.Client) *[]string { return &c.DefaultAudience })
	f.toggle("introspection", "let it introspect all tokens of the directory", func(c *storage.Client) *bool { return &c.Introspection })
}

// scopes adds the flags of the scopes that the client may request. A list with urn:minifed:link confirms account linking as
// --account-linking does. A list without it removes account linking.
func (f *clientFields) scopes() {
	linking := f.flags.Bool("account-linking", false, "register "+admin.ScopeLink+" and accept its risk: "+admin.LinkingGivesAway)
	scopes := f.flags.StringArray("scope", nil, "`scope` that it may request")
	f.sets["scope"] = func(client *storage.Client) {
		client.Scopes = words(*scopes)
		client.AccountLinking = slices.Contains(client.Scopes, admin.ScopeLink)
		if f.flags.Changed("account-linking") {
			f.sets["account-linking"](client)
		}
	}
	f.sets["account-linking"] = func(client *storage.Client) {
		client.AccountLinking = *linking
		others := slices.DeleteFunc(slices.Clone(client.Scopes), func(scope string) bool { return scope == admin.ScopeLink })
		if client.Scopes = others; *linking && others != nil { // Without a list, the defaults of the kind come first.
			client.Scopes = append(others, admin.ScopeLink)
		}
	}
}

func (f *clientFields) tokens() {
	f.text("id-token-alg", "`algorithm` of its ID tokens; a new client gets RS256, a wechat_miniapp ES256 where the directory has it", func(c *storage.Client) *string { return &c.IDTokenAlgorithm })
	f.choice("id-token-claims", "include name, nickname, username, picture, e-mail address and phone number, as granted, in ID tokens; the default of new web and spa clients",
		func(c *storage.Client) **bool { return &c.IDTokenClaims })
	f.text("access-token-alg", "`algorithm` of its access tokens; the default is that of its ID tokens", func(c *storage.Client) *string { return &c.AccessTokenAlgorithm })
	f.text("access-token-type", "`typ` of its access tokens: at+jwt, the default, or JWT, with the claim token_use, for resource servers that accept only this",
		func(c *storage.Client) *string { return &c.AccessTokenType })
	f.toggle("keep-refresh-token", "return the same refresh token from a refresh; by default each refresh returns a new one, which detects a stolen one",
		func(c *storage.Client) *bool { return &c.KeepRefreshToken })
	f.text("placeholder-email-domain", "a `domain` of yours that receives no mail: users without an e-mail address get <sub>@domain, not verified, for applications that require one",
		func(c *storage.Client) *string { return &c.PlaceholderEmailDomain })
	f.toggle("opaque-access-tokens", "issue access tokens that only introspection and UserInfo accept", func(c *storage.Client) *bool { return &c.OpaqueAccessTokens })
	f.lifetimes(func(c *storage.Client) *storage.Lifetimes { return &c.Lifetimes })
}

// federationOf returns the federation settings of a client, and creates them if there are none.
func federationOf(client *storage.Client) *storage.Federation {
	if client.Federation == nil {
		client.Federation = new(storage.Federation)
	}
	return client.Federation
}

// maxJWKSFile bounds the file of a client's public keys.
const maxJWKSFile = 64 << 10

// The subject types of OpenID Connect Core §8.
const (
	subjectPublic   = "public"
	subjectPairwise = "pairwise"
)

// readSubjectType converts the value of --subject-type.
func (f *clientFields) readSubjectType() error {
	if !f.flags.Changed("subject-type") {
		return nil
	}
	switch f.subjectType {
	case subjectPublic, subjectPairwise:
		f.sets["subject-type"] = func(client *storage.Client) { client.Pairwise = f.subjectType == subjectPairwise }
		return nil
	default:
		return usagef("--subject-type %s: must be %s or %s", f.subjectType, subjectPublic, subjectPairwise)
	}
}

// readJWKS reads the file of the public keys.
func (f *clientFields) readJWKS() error {
	if f.jwksFile == "" {
		f.sets["jwks-file"] = func(client *storage.Client) { client.JWKS = nil }
		return nil
	}
	content, err := input.ReadBounded(f.jwksFile, maxJWKSFile)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(content, []byte("\ufeff")) {
		return usagef("--jwks-file %s: begins with a byte order mark (BOM): save it as UTF-8 without one", f.jwksFile)
	}
	if !json.Valid(content) {
		return usagef("--jwks-file %s: is not JSON", f.jwksFile)
	}
	f.sets["jwks-file"] = func(client *storage.Client) { client.JWKS = content }
	return nil
}
