package token

import (
	"maps"
	"slices"
)

const (
	// maxIDToken is how long an ID token is, in characters, as long as it has claims about the user. Clients send ID tokens back
	// in URLs, and proxies accept no more than 8 KB of those.
	maxIDToken = 4 << 10
	// idTokenOverhead is what header, dots and the longest signature take of it: 342 characters for RSA keys of 2048 bits.
	idTokenOverhead = 512
	// maxIDTokenPayload is the payload that fits, in bytes before base64url.
	maxIDTokenPayload = (maxIDToken - idTokenOverhead) / 4 * 3
)

// leastNeeded returns the claim about the user that an ID token loses first. Names and addresses by which clients recognise a
// user go last.
func leastNeeded(claims map[string]any) string {
	for _, name := range expendableClaims() {
		if _, ok := claims[name]; ok {
			return name
		}
	}
	return slices.Max(slices.Collect(maps.Keys(claims)))
}

// expendableClaims are claims about the user, those first that clients need least.
func expendableClaims() []string {
	return []string{
		"website", "profile", "address", "picture", "gender", "birthdate", "zoneinfo", "locale", "middle_name", "updated_at",
		"family_name", "given_name", "nickname", "name",
	}
}
