package main

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"

	"github.com/minifed/minifed/cmd/minifed/internal/input"
	"github.com/minifed/minifed/cmd/minifed/internal/locale"
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
	f.text("name", func(c *storage.Client) *string { return &c.Name })
	f.picture("logo", func(c *storage.Client) *[]byte { return &c.Logo })
	f.text("policy-url", func(c *storage.Client) *string { return &c.PolicyURL })
	f.text("terms-url", func(c *storage.Client) *string { return &c.TermsURL })
	f.federation()
	f.authentication()
	f.browser()
	f.permissions()
	f.tokens()
	return f
}

func (f *clientFields) federation() {
	f.text("app-id", func(c *storage.Client) *string { return &federationOf(c).AppID })
	f.text("open-platform", func(c *storage.Client) *string { return &federationOf(c).OpenPlatform })
	f.text("provisioning", func(c *storage.Client) *string { return (*string)(&federationOf(c).Provisioning) })
	f.toggle("update-profile", func(c *storage.Client) *bool { return &federationOf(c).UpdateProfile })
	f.toggle("password-binding", func(c *storage.Client) *bool { return &federationOf(c).PasswordBinding })
	f.list("linking-partner", func(c *storage.Client) *[]string { return &federationOf(c).LinkingPartners })
}

func (f *clientFields) authentication() {
	f.text("auth-method", func(c *storage.Client) *string { return &c.AuthMethod })
	f.text("auth-alg", func(c *storage.Client) *string { return &c.AuthAlgorithm })
	f.text("jwks-uri", func(c *storage.Client) *string { return &c.JWKSURI })
	f.flags.StringVar(&f.jwksFile, "jwks-file", "", "")
}

func (f *clientFields) browser() {
	f.list("redirect-uri", func(c *storage.Client) *[]string { return &c.RedirectURIs })
	f.list("post-logout-redirect-uri", func(c *storage.Client) *[]string { return &c.PostLogoutRedirectURIs })
	f.list("origin", func(c *storage.Client) *[]string { return &c.Origins })
	f.text("backchannel-logout-uri", func(c *storage.Client) *string { return &c.BackchannelLogoutURI })
	f.toggle("backend-logout", func(c *storage.Client) *bool { return &c.BackendLogout })
	f.toggle("first-party", func(c *storage.Client) *bool { return &c.FirstParty })
	f.toggle("require-pkce", func(c *storage.Client) *bool { return &c.RequirePKCE })
	f.toggle("require-par", func(c *storage.Client) *bool { return &c.RequirePAR })
	f.flags.StringVar(&f.subjectType, "subject-type", "", "")
	f.text("sector-identifier", func(c *storage.Client) *string { return &c.SectorIdentifier })
}

func (f *clientFields) permissions() {
	f.list("grant-type", func(c *storage.Client) *[]string { return &c.GrantTypes })
	f.scopes()
	f.list("default-scope", func(c *storage.Client) *[]string { return &c.DefaultScopes })
	f.list("audience", func(c *storage.Client) *[]string { return &c.Audiences })
	f.list("default-audience", func(c *storage.Client) *[]string { return &c.DefaultAudience })
	f.toggle("introspection", func(c *storage.Client) *bool { return &c.Introspection })
}

// scopes adds the flags of the scopes that the client may request. A list with urn:minifed:link confirms account linking as
// --account-linking does. A list without it removes account linking.
func (f *clientFields) scopes() {
	linking := f.flags.Bool("account-linking", false, "")
	scopes := f.flags.StringArray("scope", nil, "")
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
	f.text("id-token-alg", func(c *storage.Client) *string { return &c.IDTokenAlgorithm })
	f.choice("id-token-claims", func(c *storage.Client) **bool { return &c.IDTokenClaims })
	f.text("access-token-alg", func(c *storage.Client) *string { return &c.AccessTokenAlgorithm })
	f.text("access-token-type", func(c *storage.Client) *string { return &c.AccessTokenType })
	f.toggle("keep-refresh-token", func(c *storage.Client) *bool { return &c.KeepRefreshToken })
	f.text("placeholder-email-domain", func(c *storage.Client) *string { return &c.PlaceholderEmailDomain })
	f.toggle("opaque-access-tokens", func(c *storage.Client) *bool { return &c.OpaqueAccessTokens })
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
		return wrongUsage("usage.flag.invalid", "--subject-type", f.subjectType, locale.Text("must.be_one_of", locale.List{subjectPublic, subjectPairwise}))
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
		return wrongUsage("usage.flag.invalid", "--jwks-file", f.jwksFile, locale.Text("secret.byte_order_mark"))
	}
	if !json.Valid(content) {
		return wrongUsage("usage.flag.invalid", "--jwks-file", f.jwksFile, locale.Text("usage.not_json"))
	}
	f.sets["jwks-file"] = func(client *storage.Client) { client.JWKS = content }
	return nil
}
