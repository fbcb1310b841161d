package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image/png"
	"slices"
	"strconv"
	"strings"

	"github.com/minifed/minifed/cmd/minifed/internal/console"
	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// pictureSize returns the size of a PNG as a text; empty for none.
func pictureSize(picture []byte) string {
	config, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d × %d pixels, %d bytes", config.Width, config.Height, len(picture))
}

// linkingState returns a text about the scope urn:minifed:link of a client; empty when the client does not have it.
func linkingState(client storage.Client) string {
	switch {
	case client.AccountLinking:
		return "yes: " + admin.LinkingGivesAway
	case admin.LinkingUnconfirmed(client):
		return "no: " + admin.ScopeLink + " is not granted until --account-linking confirms it"
	default:
		return ""
	}
}

// scanText returns what a picture or a link of a sign-in opens; empty if nothing is set.
func scanText(scan storage.ScanTarget, linkRule bool) string {
	parts := []string{scan.MiniProgram, scan.Page, scan.Version}
	if linkRule {
		parts = append(parts, "ordinary QR code")
	}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ", ")
}

// startsSessionsState returns a text about a mini-program that may start browser sessions; empty for others.
func startsSessionsState(client storage.Client) string {
	if !client.StartsSessions {
		return ""
	}
	return "yes: " + admin.StartsSessionsGivesAway
}

// printClient prints all settings of a client that are not empty.
func (d *operatorEnv) printClient(client clientView) {
	fields := []console.Field{
		{Name: "client_id", Value: client.ID},
		{Name: "client_secret", Value: client.Secret},
		{Name: "issuer", Value: client.Issuer},
		{Name: "discovery", Value: client.Discovery},
		{Name: "directory", Value: client.Directory},
		{Name: "kind", Value: string(client.Kind)},
		{Name: "origin", Value: string(client.Origin)},
		{Name: "name", Value: client.Name},
		{Name: "logo", Value: pictureSize(client.Logo)},
		{Name: "policy_url", Value: client.PolicyURL},
		{Name: "terms_url", Value: client.TermsURL},
		{Name: "state", Value: suffix("disabled", client.Disabled)},
	}
	if f := client.Federation; f != nil {
		fields = append(fields,
			console.Field{Name: "app_id", Value: f.AppID}, console.Field{Name: "open_platform", Value: f.OpenPlatform}, console.Field{Name: "provisioning", Value: string(f.Provisioning)},
			console.Field{Name: "update_profile", Value: yes(f.UpdateProfile)}, console.Field{Name: "password_binding", Value: yes(f.PasswordBinding)},
			console.Field{Name: "starts_sessions", Value: startsSessionsState(client.Client)},
			console.Field{Name: "push_events", Value: yes(client.PushEvents)},
			console.Field{Name: "linking_partners", Value: spaced(f.LinkingPartners)},
		)
	}
	fields = append(fields,
		console.Field{Name: "auth_method", Value: cmp.Or(client.AuthMethod, "client_secret_basic or client_secret_post")},
		console.Field{Name: "secrets", Value: strings.TrimSuffix(strconv.Itoa(client.Secrets), "0")},
		console.Field{Name: "jwks_uri", Value: client.JWKSURI},
		console.Field{Name: "jwks", Value: suffix("registered", len(client.JWKS) > 0)},
		console.Field{Name: "redirect_uris", Value: spaced(client.RedirectURIs)},
		console.Field{Name: "post_logout_redirect_uris", Value: spaced(client.PostLogoutRedirectURIs)},
		console.Field{Name: "origins", Value: spaced(client.Origins)},
		console.Field{Name: "backchannel_logout_uri", Value: client.BackchannelLogoutURI},
		console.Field{Name: "event_uri", Value: client.EventURI},
		console.Field{Name: "initiate_login_uri", Value: client.InitiateLoginURI},
		console.Field{Name: "backend_logout", Value: yes(client.BackendLogout)},
		console.Field{Name: "scan", Value: scanText(client.Scan, false)},
		console.Field{Name: "grant_types", Value: spaced(client.GrantTypes)},
		console.Field{Name: "scopes", Value: spaced(client.Scopes)},
		console.Field{Name: "account_linking", Value: linkingState(client.Client)},
		console.Field{Name: "default_scopes", Value: spaced(client.DefaultScopes)},
		console.Field{Name: "resources", Value: spaced(client.Resources)},
		console.Field{Name: "audiences", Value: spaced(client.Audiences)},
		console.Field{Name: "default_audience", Value: spaced(client.DefaultAudience)},
		console.Field{Name: "id_token_algorithm", Value: client.IDTokenAlgorithm},
		console.Field{Name: "id_token_claims", Value: yes(client.IDTokenClaims != nil && *client.IDTokenClaims)},
		console.Field{Name: "access_token_algorithm", Value: client.AccessTokenAlgorithm},
		console.Field{Name: "access_token_type", Value: client.AccessTokenType},
		console.Field{Name: "keep_refresh_token", Value: yes(client.KeepRefreshToken)},
		console.Field{Name: "placeholder_email_domain", Value: client.PlaceholderEmailDomain},
		console.Field{Name: "opaque_access_tokens", Value: yes(client.OpaqueAccessTokens)},
		console.Field{Name: "first_party", Value: yes(client.FirstParty)},
		console.Field{Name: "require_pkce", Value: yes(client.RequirePKCE)},
		console.Field{Name: "require_par", Value: yes(client.RequirePAR)},
		console.Field{Name: "subject_type", Value: suffix("pairwise", client.Pairwise)},
		console.Field{Name: "sector_identifier", Value: client.SectorIdentifier},
		console.Field{Name: "native_app", Value: client.NativeApp},
		console.Field{Name: "introspection", Value: yes(client.Introspection)},
	)
	fields = append(fields, lifetimeFields(client.Lifetimes)...)
	d.PrintFields(append(fields, console.Field{Name: "created", Value: stamp(client.CreatedAt)}, console.Field{Name: "updated", Value: stamp(client.UpdatedAt)})...)
}
