package token

import (
	"encoding/json"
	"maps"

	"github.com/minifed/minifed/storage"
)

const (
	// maxScopedClaims bounds the claims of the granted scopes in an ID token, as JSON. With an RS256 signature, a header and the
	// claims of the login, the token then stays under 4 KB.
	maxScopedClaims = 1792
	// maxTokenPicture bounds the length of the picture's URL in an ID token.
	maxTokenPicture = 512
)

// scopedClaimNames are the standard claims of scopes that an ID token can contain; mapped claims follow. If they are too long
// together, the last ones are dropped first; an e-mail address or phone number stays together with its flag.
func scopedClaimNames() [][]string {
	return [][]string{
		{"email", "email_verified"}, {"name"}, {"preferred_username"}, {"nickname"}, {"phone_number", "phone_number_verified"}, {"picture"},
	}
}

// scoped returns the claims of the granted scopes for an ID token.
func (c UserClaims) scoped(user storage.User, scopes []string) map[string]any {
	all := c.ofScopes(user, scopes)
	if picture, _ := all["picture"].(string); len(picture) > maxTokenPicture {
		delete(all, "picture")
	}
	claims, left := map[string]any{}, maxScopedClaims
	groups := scopedClaimNames()
	for _, mapping := range c.mapped {
		groups = append(groups, []string{mapping.Claim})
	}
	for _, group := range groups {
		part := map[string]any{}
		for _, name := range group {
			if value, ok := all[name]; ok {
				part[name] = value
			}
		}
		text, err := json.Marshal(part)
		if len(part) == 0 || err != nil || len(text) > left {
			continue
		}
		left -= len(text)
		maps.Copy(claims, part)
	}
	return claims
}
