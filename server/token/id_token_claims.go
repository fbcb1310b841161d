package token

import (
	"encoding/json"
	"maps"

	"github.com/minifed/minifed/storage"
)

const (
	// maxScopedClaims bounds the claims of the granted scopes in an ID token, as JSON, so that the token stays under 4 KB: with an
	// RS256 signature, a header and the claims of the login, that is what is left.
	maxScopedClaims = 1792
	// maxTokenPicture bounds the picture's URL in an ID token.
	maxTokenPicture = 512
)

// scopedClaimNames are the claims of scopes that an ID token can hold. The later ones are dropped first when they are too long
// together; e-mail and phone number come with their flags.
func scopedClaimNames() [][]string {
	return [][]string{
		{"email", "email_verified"}, {"name"}, {"preferred_username"}, {"nickname"}, {"phone_number", "phone_number_verified"}, {"picture"},
	}
}

// scopedClaims returns the claims of the granted scopes for an ID token.
func scopedClaims(user storage.User, scopes []string) map[string]any {
	all := StandardClaims("", user, scopes)
	if picture, _ := all["picture"].(string); len(picture) > maxTokenPicture {
		delete(all, "picture")
	}
	kept, left := map[string]any{}, maxScopedClaims
	for _, group := range scopedClaimNames() {
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
		maps.Copy(kept, part)
	}
	return kept
}
