package admin

import (
	"errors"
	"slices"
	"strings"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

// reservedClaims are claims that a directory cannot map: those that this server defines itself, and those by which protocols
// and libraries decide (RFC 7519 §4.1, RFC 8693 §4, RFC 9068 §2.2, OpenID Connect Core §2, §5.1, §5.6).
func reservedClaims() []string {
	return []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "sid",
		"client_id", "scope", "act", "may_act", "cnf", "events", "typ", "sub_jwk", "_claim_names", "_claim_sources",
		"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "email",
		"email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address", "updated_at",
	}
}

// checkClaims checks the mappings from groups and attributes of users to claims.
func (p *problems) checkClaims(mappings []storage.ClaimMapping) {
	if len(mappings) > storage.MaxClaimMappings {
		p.add("claims", "has %d mappings; at most %d are allowed", len(mappings), storage.MaxClaimMappings)
	}
	seen := map[string]bool{}
	for _, mapping := range mappings {
		p.check("claims", checkClaim(mapping))
		if seen[mapping.Claim] {
			p.add("claims", "maps %q twice", mapping.Claim)
		}
		seen[mapping.Claim] = true
	}
}

func checkClaim(mapping storage.ClaimMapping) error {
	if checkScope(mapping.Claim) != nil {
		return errors.New(`has a claim whose name is not 1 to 128 printable ASCII characters but space, " and \`)
	}
	if slices.Contains(reservedClaims(), mapping.Claim) || strings.HasPrefix(mapping.Claim, "urn:minifed:") {
		return errors.New("must not map " + mapping.Claim + ": the name has another meaning; choose one of your own")
	}
	if err := checkScope(mapping.Scope); err != nil {
		return errors.New("has a scope that " + err.Error())
	}
	if slices.Contains([]string{"openid", "offline_access", ScopeAccount, ScopeLink}, mapping.Scope) {
		return errors.New("must not release " + mapping.Claim + " with " + mapping.Scope + ": choose profile or a scope of your own")
	}
	return checkSource(mapping)
}

func checkSource(mapping storage.ClaimMapping) error {
	name, list := strings.CutPrefix(mapping.Source, storage.ClaimList)
	if !list {
		var text bool
		if name, text = strings.CutPrefix(mapping.Source, storage.ClaimText); !text {
			if mapping.Source == storage.ClaimGroups || mapping.Source == storage.ClaimExternalID {
				return nil
			}
			return errors.New("has the source " + mapping.Source + " for " + mapping.Claim + "; it must be groups, external_id, text:NAME or list:NAME")
		}
	}
	if _, err := (identity.Membership{Attributes: map[string][]string{name: {"-"}}}).Canonical(); err != nil {
		return errors.New("has a source for " + mapping.Claim + " that is no name of an attribute: 1 to 64 letters, digits and ._-")
	}
	return nil
}
