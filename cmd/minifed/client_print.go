package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image/png"
	"strconv"
	"strings"

	"github.com/minifed/minifed/server/admin"
	"github.com/minifed/minifed/storage"
)

// pictureSize says how large a PNG is; empty for none.
func pictureSize(picture []byte) string {
	config, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d × %d pixels, %d bytes", config.Width, config.Height, len(picture))
}

// linkingState says whether a client may be granted the scope urn:minifed:link; empty when it does not have it.
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

// printClient writes everything about a client that is not empty.
func (d *desk) printClient(client clientView) {
	fields := []field{
		{"client_id", client.ID},
		{"client_secret", client.Secret},
		{"directory", client.Directory},
		{"kind", string(client.Kind)},
		{"name", client.Name},
		{"logo", pictureSize(client.Logo)},
		{"policy_url", client.PolicyURL},
		{"terms_url", client.TermsURL},
		{"state", suffix("disabled", client.Disabled)},
	}
	if f := client.Federation; f != nil {
		fields = append(fields,
			field{"app_id", f.AppID}, field{"open_platform", f.OpenPlatform}, field{"provisioning", string(f.Provisioning)},
			field{"update_profile", yes(f.UpdateProfile)}, field{"password_binding", yes(f.PasswordBinding)},
			field{"linking_partners", spaced(f.LinkingPartners)},
		)
	}
	fields = append(fields,
		field{"auth_method", cmp.Or(client.AuthMethod, "client_secret_basic or client_secret_post")},
		field{"secrets", strings.TrimSuffix(strconv.Itoa(client.Secrets), "0")},
		field{"jwks_uri", client.JWKSURI},
		field{"jwks", suffix("registered", len(client.JWKS) > 0)},
		field{"redirect_uris", spaced(client.RedirectURIs)},
		field{"post_logout_redirect_uris", spaced(client.PostLogoutRedirectURIs)},
		field{"origins", spaced(client.Origins)},
		field{"backchannel_logout_uri", client.BackchannelLogoutURI},
		field{"backend_logout", yes(client.BackendLogout)},
		field{"grant_types", spaced(client.GrantTypes)},
		field{"scopes", spaced(client.Scopes)},
		field{"account_linking", linkingState(client.Client)},
		field{"default_scopes", spaced(client.DefaultScopes)},
		field{"audiences", spaced(client.Audiences)},
		field{"default_audience", spaced(client.DefaultAudience)},
		field{"id_token_algorithm", client.IDTokenAlgorithm},
		field{"id_token_claims", yes(client.IDTokenClaims != nil && *client.IDTokenClaims)},
		field{"access_token_algorithm", client.AccessTokenAlgorithm},
		field{"access_token_type", client.AccessTokenType},
		field{"keep_refresh_token", yes(client.KeepRefreshToken)},
		field{"placeholder_email_domain", client.PlaceholderEmailDomain},
		field{"opaque_access_tokens", yes(client.OpaqueAccessTokens)},
		field{"first_party", yes(client.FirstParty)},
		field{"require_pkce", yes(client.RequirePKCE)},
		field{"require_par", yes(client.RequirePAR)},
		field{"subject_type", suffix(subjectPairwise, client.Pairwise)},
		field{"sector_identifier", client.SectorIdentifier},
		field{"introspection", yes(client.Introspection)},
	)
	fields = append(fields, lifetimeFields(client.Lifetimes)...)
	d.printFields(append(fields, field{"created", stamp(client.CreatedAt)}, field{"updated", stamp(client.UpdatedAt)})...)
}
