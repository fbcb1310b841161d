package token

import (
	"maps"
	"slices"
)

const (
	// maxIDToken bounds the length of an ID token with claims about the user, in characters. Clients send ID tokens in URLs, and
	// proxies accept at most 8 KB of those.
	maxIDToken = 4 << 10
	// idTokenOverhead is the length of header, dots and the longest signature: 342 characters for RSA keys of 2048 bits.
	idTokenOverhead = 512
	// maxIDTokenPayload is the maximum payload, in bytes before base64url.
	maxIDTokenPayload = (maxIDToken - idTokenOverhead) / 4 * 3
)

// leastImportant returns the claim about the user that an ID token drops first. Names and addresses, by which clients recognise a
// user, are dropped last.
func leastImportant(claims map[string]any) string {
	for _, name := range removableClaims() {
		if _, ok := claims[name]; ok {
			return name
		}
	}
	names := slices.Collect(maps.Keys(claims))
	if mapped := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return scopeOfClaim(name) != "" }); len(mapped) > 0 {
		return slices.Max(mapped)
	}
	return slices.Max(names)
}

// removableClaims are claims about the user, the least important first.
func removableClaims() []string {
	return []string{
		"website", "profile", "address", "picture", "gender", "birthdate", "zoneinfo", "locale", "middle_name", "updated_at",
		"family_name", "given_name", "nickname", "name",
	}
}
